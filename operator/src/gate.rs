//! Waves: whether a Target may be applied now, by the status of the others. Nothing is remembered from one decision to the
//! next, so no rollout can be stuck in a state of its own. Functions over values.

/// What is to be known of a Target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its namespace and name.
    pub(crate) key: String,
    /// Its source, with its namespace; Targets of one source are rolled out together.
    pub(crate) source: String,
    /// Its wave.
    pub(crate) wave: u32,
    /// Whether the operator applies it: its mode is Apply, it is not suspended and not being deleted.
    pub(crate) is_applied: bool,
    /// The revision at which it is ready, in its present generation.
    pub(crate) ready_at: Option<String>,
}

/// The Targets that have to be ready at this revision before a Target is applied: those of its source with lower waves.
pub(crate) fn waits_for<'a>(
    source: &str,
    wave: u32,
    revision: &str,
    all: &'a [Member],
) -> Vec<&'a str> {
    let before = all.iter().filter(|it| it.source == source && it.wave < wave && it.is_applied);
    before.filter(|it| it.ready_at.as_deref() != Some(revision)).map(|it| it.key.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(key: &str, wave: u32, ready_at: Option<&str>) -> Member {
        let ready_at = ready_at.map(str::to_owned);
        Member { key: key.to_owned(), source: "s".to_owned(), wave, is_applied: true, ready_at }
    }

    #[test]
    fn a_wave_waits_until_every_lower_one_is_ready_at_the_same_revision() {
        let all = [
            member("a", 0, Some("2")),
            member("b", 1, Some("1")),
            member("c", 1, None),
            member("d", 2, None),
        ];
        assert_eq!(waits_for("s", 2, "2", &all), ["b", "c"]);
        assert_eq!(waits_for("s", 1, "2", &all), [""; 0]);
        assert_eq!(waits_for("s", 1, "3", &all), ["a"]);
        assert_eq!(waits_for("s", 0, "3", &all), [""; 0]);
        assert_eq!(waits_for("other", 2, "2", &all), [""; 0]);
    }

    #[test]
    fn a_target_that_is_not_applied_holds_nobody_up() {
        let observed = Member { is_applied: false, ..member("a", 0, None) };
        assert_eq!(waits_for("s", 1, "1", &[observed]), [""; 0]);
    }
}
