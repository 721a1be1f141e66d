//! A playback restriction policy: from which countries and web pages a channel may be watched.

use super::{
    AddressMap, Arn, Check, Facts, Kind, Observed, Operation, Resource, Scope, Service,
    answered_tags, channel, drain, each, inside, sent_tags,
};
use crate::aws::{Clients, CloudError, Sorted, Tags, found, gone};
use crate::diag::{Code, quote};
use crate::kinds::spec::FieldChange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// From which countries and web pages the channels with this policy may be watched. AWS ignores it on private
/// channels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PlaybackRestrictionPolicy {
    /// Display name; `metadata.name` if absent. Not unique in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Countries, as upper-case ISO 3166-1 alpha-2 codes, from which playback is allowed; empty means all.
    pub allowed_countries: Vec<String>,
    /// Origins of web pages, such as `https://example.com`, on which playback is allowed; empty means all.
    pub allowed_origins: Vec<String>,
    /// Whether a player that sends no Origin header is refused.
    pub enable_strict_origin_enforcement: bool,
    /// Tags of the playback restriction policy.
    pub tags: Tags,
}

/// The codes that ISO 3166-1 alpha-2 assigns officially.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ \
DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT \
GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY \
KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX \
MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS \
RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN \
TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

fn is_country(code: &str) -> bool {
    COUNTRIES.split_ascii_whitespace().any(|it| it == code)
}

/// Whether a browser could send this as its Origin header: `scheme://host`, perhaps with a port.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    !scheme.is_empty()
        && scheme.chars().all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it))
        && !host.is_empty()
        && host.chars().all(|it| it.is_ascii_alphanumeric() || "-._:[]".contains(it))
}

/// The origin in a text that is one but for a path behind it.
fn without_path(text: &str) -> Option<&str> {
    let host = text.find("://")? + 3;
    let end = text[host..].find('/').map_or(text.len(), |it| host + it);
    Some(&text[..end]).filter(|it| is_origin(it))
}

impl Resource for PlaybackRestrictionPolicy {
    const KIND: Kind = Kind::PlaybackRestrictionPolicy;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListPlaybackRestrictionPolicies"),
            Operation::read("GetPlaybackRestrictionPolicy"),
            Operation::create("CreatePlaybackRestrictionPolicy"),
            Operation::change("UpdatePlaybackRestrictionPolicy"),
            Operation::delete("DeletePlaybackRestrictionPolicy"),
            Operation::list("ListChannels"),
        ],
        ..Facts::plain(Service::LowLatency, "playback-restriction-policy")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    /// Both lists are sets, and AWS documents no order.
    fn normalise(&mut self) {
        self.allowed_countries.sort();
        self.allowed_origins.sort();
    }

    fn check(&self, at: &mut Check<'_>) {
        for (index, code) in self.allowed_countries.iter().enumerate() {
            if is_country(code) {
                continue;
            }
            let upper = code.to_ascii_uppercase();
            let message = format!("{} is not a country of ISO 3166-1 alpha-2", quote(code));
            let field = format!("allowedCountries[{index}]");
            let found = at.report(Code::PatternMismatch, &field, message);
            match upper.as_str() {
                "UK" => found.help("the United Kingdom is `GB`"),
                upper if is_country(upper) => found.help(format!("write `{upper}`")),
                _ => {}
            }
        }
        for (index, origin) in self.allowed_origins.iter().enumerate() {
            let field = format!("allowedOrigins[{index}]");
            if origin.chars().count() > 128 {
                let message = "an origin has at most 128 characters";
                at.report(Code::OutOfRange, &field, message);
            }
            if !is_origin(origin) {
                let message = format!("no browser sends {} as its origin", quote(origin));
                let help = match without_path(origin) {
                    Some(bare) => format!("write {}: an origin has no path", quote(bare)),
                    None => {
                        "write it as `https://example.com`, with a port if it is not the default \
                             one, and without a path"
                            .to_owned()
                    }
                };
                at.report(Code::IneffectiveSetting, &field, message).help(help);
            }
        }
        for (field, list) in [
            ("allowedCountries", &self.allowed_countries),
            ("allowedOrigins", &self.allowed_origins),
        ] {
            at.unique(field, list.iter().map(String::as_str), usize::MAX);
        }
        if self.enable_strict_origin_enforcement && self.allowed_origins.is_empty() {
            at.report(
                Code::RiskySetting,
                "enableStrictOriginEnforcement",
                "what this does without `allowedOrigins` is not documented",
            );
        }
    }

    fn example() -> Self {
        Self {
            name: Some("home-market".into()),
            allowed_countries: vec!["CH".into(), "NO".into()],
            allowed_origins: vec!["https://example.com".into(), "https://test.example:8443".into()],
            enable_strict_origin_enforcement: true,
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    /// The summary is the whole object, so a listing is all that is ever read.
    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut found = Vec::new();
        drain(
            "ListPlaybackRestrictionPolicies",
            |token| async move {
                let page = aws.ivs.list_playback_restriction_policies().max_results(100);
                page.set_next_token(token).send().await.sorted("ListPlaybackRestrictionPolicies")
            },
            |page| {
                found.extend(page.playback_restriction_policies.into_iter().map(|it| {
                    let strict = it.enable_strict_origin_enforcement;
                    let lists = (it.allowed_countries, it.allowed_origins);
                    read(it.arn, it.name, lists, strict, answered_tags(it.tags))
                }));
                page.next_token
            },
        )
        .await?;
        Ok(found)
    }

    async fn get(aws: &Clients, arns: &[Arn], _: &AddressMap) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let request = aws.ivs.get_playback_restriction_policy().arn(arn);
            let answer = found(request.send().await.sorted("GetPlaybackRestrictionPolicy"))?;
            Ok(answer.and_then(|it| it.playback_restriction_policy).map(|it| {
                let strict = it.enable_strict_origin_enforcement;
                let lists = (it.allowed_countries, it.allowed_origins);
                read(it.arn, it.name, lists, strict, answered_tags(it.tags))
            }))
        })
        .await
    }

    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        _: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let made = aws
            .ivs_once
            .create_playback_restriction_policy()
            .set_name(self.name.clone())
            .set_allowed_countries(Some(self.allowed_countries.clone()))
            .set_allowed_origins(Some(self.allowed_origins.clone()))
            .enable_strict_origin_enforcement(self.enable_strict_origin_enforcement)
            .set_tags(sent_tags(tags))
            .send()
            .await
            .sorted("CreatePlaybackRestrictionPolicy")?;
        let made = inside("CreatePlaybackRestrictionPolicy", made.playback_restriction_policy)?;
        let strict = made.enable_strict_origin_enforcement;
        let lists = (made.allowed_countries, made.allowed_origins);
        Ok(read(made.arn, made.name, lists, strict, answered_tags(made.tags)))
    }

    async fn update(
        &self,
        aws: &Clients,
        arn: &Arn,
        _: &[FieldChange],
        _: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let updated = aws
            .ivs_once
            .update_playback_restriction_policy()
            .arn(arn.as_str())
            .set_name(self.name.clone())
            .set_allowed_countries(Some(self.allowed_countries.clone()))
            .set_allowed_origins(Some(self.allowed_origins.clone()))
            .enable_strict_origin_enforcement(self.enable_strict_origin_enforcement)
            .send()
            .await
            .sorted("UpdatePlaybackRestrictionPolicy")?;
        let updated =
            inside("UpdatePlaybackRestrictionPolicy", updated.playback_restriction_policy)?;
        let strict = updated.enable_strict_origin_enforcement;
        let lists = (updated.allowed_countries, updated.allowed_origins);
        Ok(read(updated.arn, updated.name, lists, strict, answered_tags(updated.tags)))
    }

    async fn users(aws: &Clients, arn: &Arn) -> Result<Vec<Observed>, CloudError> {
        channel::listed(aws, |all| all.filter_by_playback_restriction_policy_arn(arn.as_str()))
            .await
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.ivs_once.delete_playback_restriction_policy().arn(arn.as_str());
        gone(request.send().await.sorted("DeletePlaybackRestrictionPolicy"))
    }
}

/// The answer of AWS as a spec.
fn read(
    arn: String,
    name: Option<String>,
    (countries, origins): (Vec<String>, Vec<String>),
    strict: Option<bool>,
    tags: Tags,
) -> Observed {
    let mut spec = PlaybackRestrictionPolicy {
        name: Some(name.unwrap_or_default()),
        allowed_countries: countries,
        allowed_origins: origins,
        enable_strict_origin_enforcement: strict.unwrap_or_default(),
        tags: Tags::new(),
    };
    spec.normalise();
    Observed::listed(Kind::PlaybackRestrictionPolicy, arn, tags).with(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_249_countries() {
        assert_eq!(COUNTRIES.split_ascii_whitespace().count(), 249);
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host_and_no_path() {
        for good in ["https://example.com", "http://localhost:8080", "https://[::1]:1"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in ["", "*", "null", "example.com", "https://", "https://a/", "https://a/b", "://a"]
        {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
