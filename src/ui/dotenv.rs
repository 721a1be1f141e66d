//! Values in a `.env` file, in the part of its syntax that its many readers agree on.

use super::escape::is_unsafe;

/// A value as every reader takes it, or `None` where readers differ.
///
/// Plain characters stand alone, since docker's `--env-file`, GitLab and kubectl take quotes as a part of the value. In
/// single quotes nothing is expanded. In double quotes `$`, backslashes and backticks mean something to some readers.
pub fn value(value: &str) -> Option<String> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "_-.~/:@%+,=?&".contains(it);
    // A CI system would take two of them with a bracket for a command.
    if value.contains(is_unsafe) || value.contains("##") {
        None
    } else if value.chars().all(is_plain) {
        Some(value.to_owned())
    } else if !value.contains('\'') && !value.contains('\\') {
        Some(format!("'{value}'"))
    } else if !value.contains(['"', '\\', '$', '`']) {
        Some(format!("\"{value}\""))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn a_value_is_quoted_only_where_it_has_to_be() {
        let url = "srt://a.srt.live-video.net:9000?streamid=sk_us-west-2_a&passphrase=Z";
        assert_eq!(value(url).as_deref(), Some(url));
        assert_eq!(value("").as_deref(), Some(""));
        assert_eq!(value("a b # c").as_deref(), Some("'a b # c'"));
        assert_eq!(value("$(touch x) `y`").as_deref(), Some("'$(touch x) `y`'"));
        assert_eq!(value("it's").as_deref(), Some("\"it's\""));
        for none in ["it's $HOME", "it's \"so\"", "a\\b", "two\nlines", "\u{1b}[2J", "##[error]"] {
            assert_eq!(value(none), None, "{none:?}");
        }
    }
}
