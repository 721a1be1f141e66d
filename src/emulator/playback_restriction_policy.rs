//! Playback restriction policies: lists of countries and origins, changed in place.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, check_unique, fill, list, overwrite};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::{Hidden, text};
use super::switches::Stance;

/// Officially assigned ISO 3166-1 alpha-2 codes.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ \
DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT \
GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY \
KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX \
MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS \
RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN \
TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

pub(crate) fn create(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    check(&input)?;
    let arn = context.new_arn(Kind::PlaybackRestrictionPolicy);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    fill(&mut wire, "allowedCountries", json!([]));
    sort_countries(&mut wire);
    fill(&mut wire, "allowedOrigins", json!([]));
    fill(&mut wire, "enableStrictOriginEnforcement", json!(false));
    fill(&mut wire, "name", json!(""));
    context.create(Kind::PlaybackRestrictionPolicy, &arn, wire, Hidden::default())
}

pub(crate) fn update(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::PlaybackRestrictionPolicy, arn)?;
    check(input)?;
    context.record(arn, Vec::new());
    let members = ["allowedCountries", "allowedOrigins", "enableStrictOriginEnforcement", "name"];
    let object = context.find_mut(Kind::PlaybackRestrictionPolicy, arn)?;
    overwrite(&mut object.wire, input, &members);
    sort_countries(&mut object.wire);
    context.answer(Kind::PlaybackRestrictionPolicy, arn)
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::PlaybackRestrictionPolicy, arn)?;
    let used = context.region.a_channel_has("playbackRestrictionPolicyArn", arn);
    if used && context.common.switches.delete_referenced == Stance::Refuse {
        return Err(Failure::conflict(format!(
            "{arn} is in use: a channel refers to it in playbackRestrictionPolicyArn"
        )));
    }
    context.remove(Kind::PlaybackRestrictionPolicy, arn, Vec::new())
}

/// It is not documented that the order is kept, so the emulator does not keep it.
fn sort_countries(wire: &mut Map<String, Value>) {
    if let Some(Value::Array(countries)) = wire.get_mut("allowedCountries") {
        countries.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
    }
}

fn check(input: &Map<String, Value>) -> Result<(), Failure> {
    let countries = list(input, "allowedCountries");
    for country in countries.iter().filter_map(Value::as_str) {
        if !COUNTRIES.split_ascii_whitespace().any(|code| code == country) {
            return Err(Failure::validation(format!(
                "Value '{country}' at 'allowedCountries' failed to satisfy constraint: Member must \
                 be an officially assigned ISO 3166-1 alpha-2 code"
            )));
        }
    }
    check_unique("allowedCountries", countries)?;
    check_unique("allowedOrigins", list(input, "allowedOrigins"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_249_countries() {
        assert_eq!(COUNTRIES.split_ascii_whitespace().count(), 249);
    }
}
