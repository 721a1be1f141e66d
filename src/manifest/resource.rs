//! One resource as its document declares it, and its checks that need no other resource: names, `ignoreChanges`, `adopt`, tags, and the rules of its kind.

use super::envelope::Metadata;
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Place, Report};
use crate::kinds::spec::{field_of_spec, spec_path};
use crate::kinds::{Address, Check, Desired, Kind, Lifecycle, Spec};

/// A resource as its document declares it. Its display name is its logical name where the spec has none.
pub(super) fn declared(
    origin: Origin,
    mut spec: Spec,
    metadata: Metadata,
    lifecycle: Lifecycle,
) -> Desired {
    let mut name_is_default = false;
    if let Some(name) = spec.name_mut() {
        name_is_default = name.is_none();
        name.get_or_insert_with(|| metadata.name.clone());
    }
    Desired {
        address: Address::new(spec.kind(), metadata.name),
        spec,
        labels: metadata.labels,
        previous_names: metadata.previous_names,
        lifecycle,
        name_is_default,
        origin,
    }
}

/// Everything about one resource that needs no other. `of_stack` of its tags are the Stack's.
pub(super) fn check(desired: &mut Desired, of_stack: usize, report: &mut Report) {
    let origin = desired.origin;
    let named_well = logical_name(&desired.address.name, origin, "metadata.name", report);
    for (index, name) in desired.previous_names.iter().enumerate() {
        let path = FieldPath::from("metadata.previousNames").index(index);
        logical_name(name, origin, path, report);
    }
    for path in &desired.lifecycle.ignore_changes {
        let fields = desired.address.kind.field_names();
        let field = field_of_spec(path);
        if field.is_none_or(|field| !fields.iter().any(|it| it == field)) {
            let in_spec = |field: &String| spec_path().key(field).to_string();
            let paths: Vec<String> = fields.iter().map(in_spec).collect();
            let message =
                format!("{} is not a field of the spec", crate::diag::quote(&path.to_string()));
            let meant = match field {
                Some(field) => spec_path().key(field),
                None => spec_path().join(path),
            };
            let place = Place::value(origin, "lifecycle.ignoreChanges");
            report.push(
                Diagnostic::new(Code::UnknownField, place, message)
                    .help("write it as `spec.latencyMode`")
                    .did_you_mean(&meant.to_string(), paths.iter().map(String::as_str)),
            );
        }
    }
    if let Some(adopt) = &desired.lifecycle.adopt
        && crate::kinds::Arn::parse(desired.address.kind, adopt).is_none()
    {
        let message = format!("not an ARN of {}", crate::kinds::check::a(desired.address.kind));
        let place = Place::value(origin, "lifecycle.adopt");
        report.push(Diagnostic::new(Code::WrongArn, place, message));
    }
    if let Some(tags) = desired.spec.tags_mut() {
        Check::new(origin, report).tags("tags", tags, of_stack);
    }
    if let Some(Some(name)) = desired.spec.name_mut() {
        let name = name.clone();
        let mut found = Report::new();
        Check::new(origin, &mut found).name("name", &name);
        // The display name that defaults to the logical name stands where that one is written.
        if desired.name_is_default {
            let help = "set `spec.name`: it may differ from `metadata.name`, which is its default";
            let at_its_source = |it: Diagnostic| {
                let at = Place::value(origin, "metadata.name");
                Diagnostic { at, help: Some(help.to_owned()), ..it }
            };
            report.extend(found.into_iter().map(at_its_source).filter(|_| named_well));
        } else {
            report.extend(found);
        }
    }
    desired.spec.check(&mut Check::new(origin, report));
}

/// Whether a text can be a logical name; otherwise the report says why not.
pub(super) fn logical_name(
    name: &str,
    origin: Origin,
    field: impl Into<FieldPath>,
    report: &mut Report,
) -> bool {
    let good = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if (1..=63).contains(&name.chars().count()) && name.chars().all(good) {
        return true;
    }
    let message = format!("{} cannot be a logical name", crate::diag::quote(name));
    let bare = name.split_once('/').filter(|(kind, _)| Kind::named(kind).is_some());
    let help = match bare {
        Some((_, bare)) => format!("write the name without its kind: {}", crate::diag::quote(bare)),
        None => "use 1 to 63 letters, digits, `.`, `_` and `-`".to_owned(),
    };
    let place = Place::value(origin, field);
    report.push(Diagnostic::new(Code::InvalidName, place, message).help(help));
    false
}
