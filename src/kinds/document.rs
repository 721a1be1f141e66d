//! How the documents that this program writes name themselves, and how to tell that a text is one of them. Parses
//! nothing.

/// The `apiVersion` of everything this program reads and writes.
pub const API_VERSION: &str = "ivs-apply.dev/v1";

/// The `kind` of a saved plan, which may lie among manifests without being one.
pub const SAVED_PLAN: &str = "Plan";

/// The `kind` of a file of secrets, which may lie there as well.
pub const SECRETS: &str = "Secrets";

/// Whether a text, or its beginning, is of a saved plan.
pub fn is_saved_plan(text: &str) -> bool {
    begins_document(text, SAVED_PLAN)
}

/// How each line of a file of events begins.
const EVENT: &str = "{\"v\":1,\"seq\":";

/// Whether a text, or its beginning, is of a file of events.
pub fn is_events_file(text: &str) -> bool {
    text.starts_with(EVENT)
}

/// What the name of each check in a Code Quality report begins with.
pub const CHECK: &str = "ivs-apply/";

/// Whether a text, or its beginning, is of a Code Quality report; one without findings is an empty list.
pub fn is_code_quality(text: &str) -> bool {
    let beginning: String =
        text.chars().filter(|it| !it.is_ascii_whitespace()).take(1_000).collect();
    beginning == "[]" || beginning.starts_with(&format!("[{{\"check_name\":\"{CHECK}"))
}

/// Whether a text, or its beginning, is of a file that this program wrote and that declares nothing.
pub fn is_our_own(text: &str) -> bool {
    is_saved_plan(text)
        || is_events_file(text)
        || is_code_quality(text)
        || begins_document(text, SECRETS)
}

/// Whether a text is the beginning of a JSON document of `kind`, as far as that can be told without parsing
/// it.
pub fn begins_document(text: &str, kind: &str) -> bool {
    let beginning: String =
        text.chars().filter(|it| !it.is_ascii_whitespace()).take(1_000).collect();
    beginning.starts_with('{')
        && beginning.contains(&format!("\"apiVersion\":\"{API_VERSION}\""))
        && beginning.contains(&format!("\"kind\":\"{kind}\""))
}
