//! A failover slate configuration: when viewers are shown a slate because the broadcast broke off.

use super::{
    AddressMap, Arn, Check, Facts, Kind, Observed, Operation, Resource, Scope, Service,
    answered_or, answered_tags, channel, drain, each, inside, sent_tags,
};
use crate::aws::{Clients, CloudError, Sorted, Tags, found, gone};
use crate::kinds::spec::FieldChange;
use aws_sdk_ivs::types as sdk;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the viewers of the channels that refer to it are shown a slate because the broadcast broke off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FailoverSlateConfiguration {
    /// Display name; `metadata.name` if absent. Not unique in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds without video after which the slate comes, 3 to 5.
    pub activation_threshold_seconds: i32,
    /// Seconds the slate stays at least, 3 to 10.
    pub min_slate_display_seconds: i32,
    /// Seconds the slate stays at most before the stream ends, 60 to 180.
    pub max_slate_display_seconds: i32,
    /// Tags of the failover slate configuration.
    pub tags: Tags,
}

impl Default for FailoverSlateConfiguration {
    fn default() -> Self {
        Self {
            name: None,
            activation_threshold_seconds: 3,
            min_slate_display_seconds: 3,
            max_slate_display_seconds: 60,
            tags: Tags::new(),
        }
    }
}

impl Resource for FailoverSlateConfiguration {
    const KIND: Kind = Kind::FailoverSlateConfiguration;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListFailoverSlateConfigurations").unpublished_rate(),
            Operation::read("GetFailoverSlateConfiguration").unpublished_rate(),
            Operation::create("CreateFailoverSlateConfiguration").unpublished_rate(),
            Operation::change("UpdateFailoverSlateConfiguration").unpublished_rate(),
            Operation::delete("DeleteFailoverSlateConfiguration").unpublished_rate(),
            Operation::list("ListChannels"),
        ],

        ready_state: Some(("CREATED", "CREATE_FAILED")),
        ..Facts::plain(Service::LowLatency, "failover-slate-configuration")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn check(&self, at: &mut Check<'_>) {
        at.range("activationThresholdSeconds", self.activation_threshold_seconds, 3, 5);
        at.range("minSlateDisplaySeconds", self.min_slate_display_seconds, 3, 10);
        at.range("maxSlateDisplaySeconds", self.max_slate_display_seconds, 60, 180);
    }

    fn example() -> Self {
        Self {
            name: Some("back-soon".into()),
            activation_threshold_seconds: 4,
            min_slate_display_seconds: 10,
            max_slate_display_seconds: 180,
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    /// The summary is the whole object, so a listing is all that is ever read.
    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut found = Vec::new();
        drain(
            "ListFailoverSlateConfigurations",
            |token| async move {
                let page = aws.ivs.list_failover_slate_configurations().max_results(100);
                page.set_next_token(token).send().await.sorted("ListFailoverSlateConfigurations")
            },
            |page| {
                found.extend(page.failover_slate_configurations.into_iter().map(|it| {
                    let numbers = [
                        it.activation_threshold_seconds,
                        it.min_slate_display_seconds,
                        it.max_slate_display_seconds,
                    ];
                    read(it.arn, it.name, numbers, &it.state, answered_tags(it.tags))
                }));
                page.next_token
            },
        )
        .await?;
        Ok(found)
    }

    async fn get(aws: &Clients, arns: &[Arn], _: &AddressMap) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let request = aws.ivs.get_failover_slate_configuration().arn(arn);
            let answer = found(request.send().await.sorted("GetFailoverSlateConfiguration"))?;
            Ok(answer.and_then(|it| it.failover_slate_configuration).map(whole))
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
            .create_failover_slate_configuration()
            .set_name(self.name.clone())
            .activation_threshold_seconds(self.activation_threshold_seconds)
            .min_slate_display_seconds(self.min_slate_display_seconds)
            .max_slate_display_seconds(self.max_slate_display_seconds)
            .set_tags(sent_tags(tags))
            .send()
            .await
            .sorted("CreateFailoverSlateConfiguration")?;
        let made = made.failover_slate_configuration.map(whole);
        inside("CreateFailoverSlateConfiguration", made)
    }

    /// All three numbers, always: whether AWS keeps or resets absent ones is unknown.
    async fn update(
        &self,
        aws: &Clients,
        arn: &Arn,
        _: &[FieldChange],
        _: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let updated = aws
            .ivs_once
            .update_failover_slate_configuration()
            .arn(arn.as_str())
            .set_name(self.name.clone())
            .activation_threshold_seconds(self.activation_threshold_seconds)
            .min_slate_display_seconds(self.min_slate_display_seconds)
            .max_slate_display_seconds(self.max_slate_display_seconds)
            .send()
            .await
            .sorted("UpdateFailoverSlateConfiguration")?;
        let updated = updated.failover_slate_configuration.map(whole);
        inside("UpdateFailoverSlateConfiguration", updated)
    }

    async fn users(aws: &Clients, arn: &Arn) -> Result<Vec<Observed>, CloudError> {
        channel::listed(aws, |all| all.filter_by_failover_slate_configuration_arn(arn.as_str()))
            .await
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.ivs_once.delete_failover_slate_configuration().arn(arn.as_str());
        gone(request.send().await.sorted("DeleteFailoverSlateConfiguration"))
    }
}

fn whole(it: sdk::FailoverSlateConfiguration) -> Observed {
    let numbers = [
        it.activation_threshold_seconds,
        it.min_slate_display_seconds,
        it.max_slate_display_seconds,
    ];
    read(it.arn, it.name, numbers, &it.state, answered_tags(it.tags))
}

/// The answer of AWS as a spec.
fn read(
    arn: String,
    name: Option<String>,
    [threshold, least, most]: [Option<i32>; 3],
    state: &sdk::FailoverSlateConfigurationState,
    tags: Tags,
) -> Observed {
    let default = FailoverSlateConfiguration::default();
    let spec = FailoverSlateConfiguration {
        name: Some(name.unwrap_or_default()),
        activation_threshold_seconds: answered_or(threshold, default.activation_threshold_seconds),
        min_slate_display_seconds: answered_or(least, default.min_slate_display_seconds),
        max_slate_display_seconds: answered_or(most, default.max_slate_display_seconds),
        tags: Tags::new(),
    };
    let observed = Observed::listed(Kind::FailoverSlateConfiguration, arn, tags);
    observed.in_state(state.as_str()).with(spec)
}
