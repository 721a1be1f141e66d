//! The kinds that have an ARN. The emulator has its own list on purpose: the rest of the program is tested against
//! it, so the two must not share a mistake. The facts of a kind that the service models have (service, ARN type,
//! members of answers) come from the models; a test checks that the list equals theirs.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::model::{Resource, Service, model};

macro_rules! kinds {
    ($( $kind:ident, )+) => {
        /// A kind of object that has an ARN.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub(crate) enum Kind { $( $kind, )+ }

        impl Kind {
            pub(crate) const ALL: &'static [Self] = &[$( Self::$kind, )+];

            /// As written in messages, file names and quotas: `Channel`.
            pub(crate) fn name(self) -> &'static str {
                match self { $( Self::$kind => stringify!($kind), )+ }
            }
        }
    };
}

kinds! {
    Channel,
    StreamKey,
    RecordingConfiguration,
    PlaybackKeyPair,
    PlaybackRestrictionPolicy,
    AdConfiguration,
    FailoverSlateConfiguration,
    Stage,
    EncoderConfiguration,
    StorageConfiguration,
    Composition,
    IngestConfiguration,
    PublicKey,
}

/// The resource of each kind in the service models, in the order of `Kind::ALL`.
static RESOURCES: LazyLock<Vec<Resource<'static>>> = LazyLock::new(|| {
    let modelled = |kind: &Kind| model().resource(kind.name());
    Kind::ALL.iter().map(|kind| modelled(kind).expect("every kind is modelled")).collect()
});

impl Kind {
    fn resource(self) -> &'static Resource<'static> {
        &RESOURCES[self as usize]
    }

    /// The resource type in its ARNs.
    pub(crate) fn arn_type(self) -> &'static str {
        self.resource().arn_type
    }

    /// The kind of an ARN, `None` if it has none of these types.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let (head, _) = arn.split_once('/')?;
        let arn_type = head.strip_prefix("arn:aws:ivs:")?.rsplit(':').next()?;
        Self::ALL.iter().copied().find(|kind| kind.arn_type() == arn_type)
    }

    /// The kind that an operation gets by its ARN: `Channel` for `GetChannel`.
    pub(crate) fn got_by(operation: &str) -> Option<Self> {
        let name = operation.strip_prefix("Get")?;
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    pub(crate) fn service(self) -> Service {
        self.resource().service
    }

    /// The member of list answers that holds the summaries.
    pub(crate) fn list_member(self) -> &'static str {
        self.resource().list_member
    }

    /// The member that wraps a single object in answers.
    pub(crate) fn wrapper(self) -> &'static str {
        self.resource().wrapper
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_kinds_are_what_the_models_get_by_an_arn() {
        let names = model().operations().iter().filter_map(|it| it.name.strip_prefix("Get"));
        let modelled: BTreeSet<&str> =
            names.filter(|name| model().resource(name).is_some()).collect();
        assert_eq!(modelled, Kind::ALL.iter().map(|kind| kind.name()).collect());
    }

    #[test]
    fn arns_tell_their_kind() {
        for kind in Kind::ALL.iter().copied() {
            let arn = format!("arn:aws:ivs:us-west-2:000000000000:{}/abc", kind.arn_type());
            assert_eq!(Kind::of_arn(&arn), Some(kind));
        }
        assert_eq!(Kind::of_arn("arn:aws:ivschat:us-west-2:000000000000:room/abc"), None);
        assert_eq!(Kind::of_arn("channel"), None);
        assert_eq!(Kind::got_by("GetStage"), Some(Kind::Stage));
        assert_eq!(Kind::got_by("GetStream"), None);
    }

    #[test]
    fn what_the_models_say_of_a_kind_is_found() {
        let kind = Kind::PlaybackKeyPair;
        assert_eq!(kind.service(), Service::LowLatency);
        assert_eq!(kind.arn_type(), "playback-key");
        assert_eq!((kind.wrapper(), kind.list_member()), ("keyPair", "keyPairs"));
        let kind = Kind::PublicKey;
        assert_eq!(kind.service(), Service::RealTime);
        assert_eq!((kind.wrapper(), kind.list_member()), ("publicKey", "publicKeys"));
    }
}
