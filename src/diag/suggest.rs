//! "Did you mean": the known word nearest to an unknown one.

/// The candidate nearest to the word, if it is near enough to be what was meant.
///
/// Case and the separators `-`, `_`, `.` and space count for nothing: `latency_mode` is
/// `latencyMode`. Beyond that a third of the letters may differ.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// A longer word is not a typing error, and the distance is quadratic in the length.
    const LONGEST: usize = 128;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let wanted = bare(word);
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|it| it.len() <= LONGEST && *it != word)
        .map(|it| {
            let bare = bare(it);
            let mut distance = strsim::damerau_levenshtein(&wanted, &bare);
            // `recording` for `recordingConfiguration`: a beginning that says enough by itself.
            if distance > allowed && wanted.len() >= 4 && bare.starts_with(&wanted) {
                distance = allowed;
            }
            (distance, it)
        })
        // One letter cannot be told from another.
        .filter(|(distance, it)| *distance <= allowed && *distance < it.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, it)| it)
}

/// The word without case and separators.
fn bare(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '-' | '_' | '.' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::suggest;

    const FIELDS: [&str; 4] = ["latencyMode", "recordingConfiguration", "type", "tags"];

    #[test]
    fn a_typing_error_finds_its_word() {
        assert_eq!(suggest("latencymode", FIELDS), Some("latencyMode"));
        assert_eq!(suggest("latency_mode", FIELDS), Some("latencyMode"));
        assert_eq!(suggest("tgas", FIELDS), Some("tags"));
        assert_eq!(suggest("recording", FIELDS), Some("recordingConfiguration"));
        assert_eq!(suggest("recordingConfigurationArn", FIELDS), Some("recordingConfiguration"));
    }

    #[test]
    fn a_far_word_finds_none() {
        assert_eq!(suggest("colour", FIELDS), None);
        assert_eq!(suggest("", FIELDS), None);
        assert_eq!(suggest("x", ["y"]), None);
        assert_eq!(suggest(&"a".repeat(100_000), FIELDS), None);
    }
}
