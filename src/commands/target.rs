//! `--target FILE[#NAME]`: the Target that a run is for, and the command line with what it says. A flag that says something
//! else is an error, and so is a Target that is not in order. Connects to nothing.

use super::failure::Failure;
use crate::cli::Global;
use crate::diag::suggest;
use crate::kinds::Kind;
use crate::manifest::target::{BrokenTarget, TARGET, Target, targets, targets_with};
use crate::ui::{Ui, diagnostic};
use std::path::Path;
use std::sync::Arc;

/// The file and the name of a reference to a Target. A file whose own name has a `#` is found as well.
pub(super) fn parts(reference: &str) -> (&str, Option<&str>) {
    match reference.rsplit_once('#') {
        Some((file, name)) if !Path::new(reference).exists() => (file, Some(name)),
        _ => (reference, None),
    }
}

/// The command line with what its Target says; nothing where it names none.
pub(super) fn resolved(global: &Global, ui: Ui) -> Result<Option<Global>, Failure> {
    let Some(reference) = &global.target else { return Ok(None) };
    let target = find(reference, ui)?;
    let mut global = global.clone();
    let spec = &target.spec;
    let name = &target.name;
    let contradicts = |flag: &str, given: &str, is: String| {
        Failure::error(format!("`--{flag} {given}` contradicts the Target `{name}`, which is {is}"))
            .help(format!(
                "leave `--{flag}` and `IVS_APPLY_{}` out, or name another Target",
                flag.to_uppercase()
            ))
    };
    if let Some(region) = global.region.as_ref().filter(|it| **it != spec.region) {
        return Err(contradicts("region", region, format!("in {}", spec.region)));
    }
    if let (Some(given), Some(stack)) = (&global.stack, &spec.stack)
        && given != stack
    {
        return Err(contradicts("stack", given, format!("of stack `{stack}`")));
    }
    global.region = Some(spec.region.clone());
    global.stack = global.stack.or_else(|| spec.stack.clone());
    if global.filename.is_empty() {
        global.filename = vec![target.manifests()];
    }
    global.at = Some(Arc::new(target));
    Ok(Some(global))
}

/// The Target that a reference names.
fn find(reference: &str, ui: Ui) -> Result<Target, Failure> {
    let (file, name) = parts(reference);
    // Other tools name resources with this flag.
    let is_resource =
        reference.split_once(['/', '.']).is_some_and(|it| Kind::named(it.0).is_some());
    if is_resource && !Path::new(file).exists() {
        let message =
            format!("`--target {reference}` names a resource, and takes a file of Targets");
        return Err(Failure::error(message)
            .help("to work on a part of the stack, write `--only KIND/NAME`"));
    }
    let named = |it: &Result<Target, BrokenTarget>| match it {
        Ok(target) => Some(target.name.clone()),
        Err(broken) => broken.name.clone(),
    };
    // The whole file is parsed only where that finds nothing.
    let found = name.map(|name| (targets_with(&[file.into()], name), name));
    let found =
        found.filter(|(found, name)| found.iter().any(|it| named(it).as_deref() == Some(name)));
    let found = found.map_or_else(|| targets(&[file.into()]), |it| it.0);
    let names: Vec<String> = found.iter().filter_map(named).collect();
    // A file that cannot be read has no name, and is an error whatever name is asked for.
    let is_meant = |it: &Result<Target, BrokenTarget>| {
        name.is_none_or(|name| named(it).map_or(names.is_empty(), |it| it == name))
    };
    let mut meant: Vec<_> = found.into_iter().filter(is_meant).collect();
    let list = || match names.as_slice() {
        [] => "it has none".to_owned(),
        names => format!("it has {}", names.join(", ")),
    };
    match (meant.pop(), meant.is_empty()) {
        (Some(Ok(target)), true) => Ok(target),
        (Some(Err(broken)), true) => Err(is_broken(&broken, ui)),
        (Some(_), false) => Err(match name {
            None => Failure::error(format!("`{file}` has several documents of kind {TARGET}"))
                .help(format!("name one of them, as in `--target {file}#NAME`: {}", list())),
            Some(name) => Failure::error(format!("`{file}` has several Targets named `{name}`"))
                .help("give each Target of a file a name of its own"),
        }),
        (None, _) => Err(match name {
            None => Failure::error(format!("`{file}` has no document of kind {TARGET}"))
                .help(format!("`ivs-apply explain {TARGET}` tells what one looks like")),
            Some(name) => {
                let failure = Failure::error(format!("`{file}` has no Target named `{name}`"));
                match suggest(name, names.iter().map(String::as_str)) {
                    Some(near) => failure.help(format!("did you mean `{near}`?")),
                    None => failure.help(list()),
                }
            }
        }),
    }
}

/// Shows everything that is wrong with a Target.
fn is_broken(broken: &BrokenTarget, ui: Ui) -> Failure {
    ui.say(&diagnostic::text(&broken.report, &broken.sources, ui.colours_talk()));
    let which = match &broken.name {
        Some(name) => format!("the Target `{name}` in `{}`", broken.file.display()),
        None => format!("`{}`", broken.file.display()),
    };
    Failure::error(format!("{which} is not valid, so nothing was done"))
}
