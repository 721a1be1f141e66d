//! `Stack.spec.requires`: the versions of this program that the manifests are written for.
//!
//! Looked at before anything else is, since manifests for another version have fields that this one does not know. Never
//! looks at a resource.

use super::decode::{Meaning, meaning};
use crate::diag::tree::{Shape, Tree};
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Place, Report, SourceMap, quote};
use semver::{Version, VersionReq};

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether this version reads manifests whose Stack (at `stack`) is this document. Where it does not, the report says so.
pub(super) fn is_met(stack: Origin, sources: &SourceMap, report: &mut Report) -> bool {
    let tree = sources.tree(stack);
    let Ok(tree) = &*tree else { return true };
    let node = tree.member(Tree::ROOT, "spec").and_then(|it| tree.member(it, "requires"));
    // A value of another type is reported with the other fields.
    let Some(Shape::Scalar { text, plain }) =
        node.and_then(|it| tree.resolve(it)).map(|it| &it.shape)
    else {
        return true;
    };
    let Meaning::Text(text) = meaning(text, *plain) else { return true };
    let version = Version::parse(VERSION).expect("cargo takes no other version");
    let Some(fault) = fault(text, &version) else { return true };
    let place = Place::value(stack, FieldPath::from("spec.requires"));
    report.push(Diagnostic::new(fault.code, place, fault.message).help(fault.help));
    false
}

struct Fault {
    code: Code,
    message: String,
    help: String,
}

/// Why a version does not meet a requirement, if it does not.
fn fault(requirement: &str, version: &Version) -> Option<Fault> {
    match VersionReq::parse(requirement) {
        Ok(it) if it.matches(version) => None,
        Ok(it) => Some(Fault {
            code: Code::UnmetRequirement,
            message: format!("the Stack requires ivs-apply {it}, and this is version {version}"),
            help: "use a version that the Stack allows, or change `spec.requires` if this one is to read the manifests"
                .to_owned(),
        }),
        Err(why) => Some(Fault {
            code: Code::MalformedRequirement,
            message: format!("{} is not a requirement on versions: {why}", quote(requirement)),
            help: "write it as `>=0.2` or as `>=0.2, <0.4`".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_meets_the_requirements_that_cargo_would_say_it_meets() {
        let code = |requirement: &str, version: &str| {
            fault(requirement, &version.parse().expect("a version")).map(|it| it.code)
        };
        let unmet = Some(Code::UnmetRequirement);
        for (requirement, version, expected) in [
            (">=0.3", "0.3.0", None),
            (">=0.3", "1.0.0", None),
            (">=0.3", "0.2.9", unmet),
            (">=0.2, <0.4", "0.3.7", None),
            (">=0.2, <0.4", "0.4.0", unmet),
            ("=0.2.1", "0.2.1", None),
            ("=0.2.1", "0.2.2", unmet),
            ("*", "0.1.0", None),
            ("", "0.1.0", Some(Code::MalformedRequirement)),
            ("new", "0.1.0", Some(Code::MalformedRequirement)),
            (">= 0.3 or so", "0.3.0", Some(Code::MalformedRequirement)),
        ] {
            assert_eq!(code(requirement, version), expected, "{requirement:?} and {version}");
        }
    }
}
