//! The message for a panic: its place, and how to report it.
//!
//! The message of a panic may have user data in it, so only the text from the source code is shown.

use super::escape::{escape, guarded};
use std::any::Any;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{Location, PanicHookInfo, set_hook};

/// Reports every panic from now on as a defect of this program.
pub fn tell_of_defects() {
    set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let trace = std::backtrace::Backtrace::capture();
        let traced = trace.status() == std::backtrace::BacktraceStatus::Captured;
        let trace = if traced { trace.to_string() } else { String::new() };
        let text = report(info.payload(), info.location()) + &trace;
        let _ = std::io::stderr().lock().write_all(guarded(&text).as_bytes());
    }));
}

/// The report of one panic.
fn report(payload: &dyn Any, place: Option<&Location<'_>>) -> String {
    let said = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => Some(*text),
        // `expect` and `unwrap` put the value behind the first colon.
        (None, Some(text)) => text.split_once(':').map(|(said, _)| said),
        (None, None) => None,
    };
    let mut text = "error: ivs-apply stopped because of a defect in the program".to_owned();
    if let Some(said) = said {
        let _ = write!(text, ": {}", escape(said, 300));
    }
    if let Some(place) = place {
        let _ = write!(text, " ({}:{}:{})", place.file(), place.line(), place.column());
    }
    let _ = write!(
        text,
        "\n  help: run the same command again, it continues from the state of the account; and report this: \
         open an issue with these lines, the version ({}) and what you ran, without secrets\n",
        env!("CARGO_PKG_VERSION")
    );
    text
}

#[cfg(test)]
mod tests {
    use super::report;
    use std::panic::Location;

    #[test]
    fn a_defect_is_told_with_its_place_and_without_what_was_worked_on() {
        let place = Location::caller();
        let literal = report(&"a step has an object", Some(place));
        assert!(literal.contains(": a step has an object (src/ui/panic.rs:"), "{literal}");
        assert!(literal.contains("report this") && literal.contains(env!("CARGO_PKG_VERSION")));
        let with_value = report(&"a key: Err(\"sk_us-west-2_secret\")".to_owned(), Some(place));
        assert!(with_value.contains("a key (") && !with_value.contains("sk_us"), "{with_value}");
        let formatted = report(&"sk_us-west-2_secret".to_owned(), None);
        assert!(!formatted.contains("sk_us"), "{formatted}");
    }
}
