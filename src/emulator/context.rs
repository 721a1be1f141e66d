//! What an operation works on: one region, the parts of the account that all regions share, and the time. The
//! file of a kind gets an `OperationContext` and an accepted input and answers with JSON or a refusal.

use serde_json::{Map, Value, json};

use super::account::Common;
use super::clock::Millis;
use super::failure::Failure;
use super::history::Event;
use super::kind::Kind;
use super::model::Operation;
use super::objects::{Hidden, Object, text};
use super::pages;
use super::region::Region;

/// What an operation answers.
pub(crate) type Answer = Result<Value, Failure>;

/// What injected faults do to the account as one request sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultView {
    /// Lists leave out objects that are younger than this, in milliseconds.
    pub(crate) list_lag: i64,
    /// Gets do not find objects that are younger than this, in milliseconds.
    pub(crate) get_lag: i64,
    /// The state in which an object that this request creates ends instead of the usual one; with `stuck` it stays
    /// in its first state.
    pub(crate) forced_state: Option<String>,
    /// The fault of the pages of a list.
    pub(crate) pages: Option<Paging>,
}

/// A fault of a page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    /// Its token is not accepted any more.
    Expired,
    /// It carries the token of the request as its next token.
    Repeated,
    /// It begins with the last item of the page before.
    Moved,
}

/// See the module.
pub(crate) struct OperationContext<'a> {
    pub(crate) operation: &'static Operation,
    pub(crate) region_name: &'a str,
    pub(crate) region: &'a mut Region,
    pub(crate) common: &'a mut Common,
    pub(crate) now: Millis,
    pub(crate) fault_view: &'a FaultView,
}

impl OperationContext<'_> {
    /// An object that the request names does not exist: `ResourceNotFoundException` where the model
    /// lists it, `ValidationException` elsewhere.
    pub(crate) fn missing(&self, arn: &str) -> Failure {
        let message = format!("Resource: {arn} not found");
        if self.operation.models("ResourceNotFoundException") {
            Failure::new("ResourceNotFoundException", message)
        } else {
            Failure::validation(message)
        }
    }

    /// The state of an object does not permit the call: `ConflictException` where the model lists it,
    /// `ValidationException` elsewhere.
    pub(crate) fn conflict(&self, message: impl Into<String>) -> Failure {
        if self.operation.models("ConflictException") {
            Failure::conflict(message)
        } else {
            Failure::validation(message)
        }
    }

    pub(crate) fn find(&self, kind: Kind, arn: &str) -> Result<&Object, Failure> {
        let horizon = Millis(self.now.0.saturating_sub(self.fault_view.get_lag));
        self.region
            .objects(kind)
            .get(arn)
            .filter(|object| !self.operation.reads() || object.created <= horizon)
            .ok_or_else(|| self.missing(arn))
    }

    pub(crate) fn find_mut(&mut self, kind: Kind, arn: &str) -> Result<&mut Object, Failure> {
        let missing = self.missing(arn);
        self.region.objects_mut(kind).get_mut(arn).ok_or(missing)
    }

    /// The object with the ARN that is in the input's `member`.
    pub(crate) fn named(
        &self,
        kind: Kind,
        input: &Map<String, Value>,
        member: &str,
    ) -> Result<&Object, Failure> {
        self.find(kind, text(input, member))
    }

    /// `{"wrapper": {…}}` of one object.
    pub(crate) fn answer(&self, kind: Kind, arn: &str) -> Answer {
        let object = self.region.objects(kind).get(arn).ok_or_else(|| self.missing(arn))?;
        Ok(json!({ kind.wrapper(): object.wire }))
    }

    /// The Get operation of a kind that needs no code of its own.
    pub(crate) fn get(&self, kind: Kind, input: &Map<String, Value>) -> Answer {
        let arn = text(input, "arn");
        self.find(kind, arn)?;
        self.answer(kind, arn)
    }

    /// Refuses when the kind's quota is used up.
    pub(crate) fn room_for(&self, kind: Kind, used: usize) -> Result<(), Failure> {
        let quota = self.common.quotas.of(kind);
        if u64::try_from(used).is_ok_and(|used| used < quota) {
            return Ok(());
        }
        Err(Failure::quota(format!(
            "Your request could not be completed because you have reached the service quota of \
             {quota} for {}",
            kind.list_member()
        )))
    }

    pub(crate) fn new_arn(&mut self, kind: Kind) -> String {
        let id = self.common.generator.letters(12);
        let (region, account) = (self.region_name, &self.common.account);
        format!("arn:aws:ivs:{region}:{account}:{}/{id}", kind.arn_type())
    }

    /// Stores a new object, `arn` already in place, within the kind's quota. `tags` are moved to
    /// the end, `{}` if there are none.
    pub(crate) fn add(
        &mut self,
        kind: Kind,
        arn: &str,
        mut wire: Map<String, Value>,
        hidden: Hidden,
    ) -> Result<(), Failure> {
        self.room_for(kind, self.region.objects(kind).len())?;
        let tags = wire.shift_remove("tags").unwrap_or_else(|| json!({}));
        wire.insert("tags".to_owned(), tags);
        let sequence = self.common.next_sequence();
        let object = Object { sequence, arn: arn.to_owned(), created: self.now, wire, hidden };
        self.region.objects_mut(kind).put(object);
        self.record(arn, Vec::new());
        Ok(())
    }

    /// Adds and answers with the wrapped object.
    pub(crate) fn create(
        &mut self,
        kind: Kind,
        arn: &str,
        wire: Map<String, Value>,
        hidden: Hidden,
    ) -> Answer {
        self.add(kind, arn, wire, hidden)?;
        self.answer(kind, arn)
    }

    /// Deletes an object.
    pub(crate) fn remove(&mut self, kind: Kind, arn: &str, cut: Vec<String>) -> Answer {
        let missing = self.missing(arn);
        self.record(arn, cut);
        let now = self.now;
        self.region.objects_mut(kind).take(arn, now).ok_or(missing)?;
        Ok(json!({}))
    }

    /// The List operation of a kind: one page of the objects that `keep` accepts.
    pub(crate) fn list(
        &self,
        kind: Kind,
        input: &Map<String, Value>,
        page: usize,
        keep: impl Fn(&Object) -> bool,
    ) -> Answer {
        let seen = self.region.objects(kind).as_seen(self.now, self.fault_view.list_lag);
        let rows = seen
            .into_iter()
            .filter(|object| keep(object))
            .map(|object| (object.sequence, &object.wire))
            .collect();
        pages::page(self, input, page, kind.list_member(), rows)
    }

    /// Adds a mutation to the history. To be called before a change or deletion, and after a creation.
    pub(crate) fn record(&mut self, arn: &str, cut: Vec<String>) {
        let tags = Kind::of_arn(arn)
            .and_then(|kind| self.region.objects(kind).get(arn))
            .and_then(|object| object.wire.get("tags").cloned())
            .unwrap_or_else(|| json!({}));
        self.common.history.push(Event {
            operation: self.operation.name.clone(),
            region: self.region_name.to_owned(),
            arn: arn.to_owned(),
            request_id: self.common.request_id.clone(),
            caller: self.common.caller.clone(),
            at: self.now,
            tags,
            after: None,
            cut,
        });
    }

    /// When a state that is entered now ends, and the state that follows if a fault forces one.
    pub(crate) fn passing_through(&self) -> Hidden {
        match self.fault_view.forced_state.as_deref() {
            Some("stuck") => Hidden::default(),
            forced_state => Hidden {
                due: Some(self.now.after(self.common.settle())),
                forced_state: forced_state.map(str::to_owned),
                ..Hidden::default()
            },
        }
    }
}

/// Sets `member` if it is absent.
pub(crate) fn fill(wire: &mut Map<String, Value>, member: &str, value: Value) {
    if !wire.contains_key(member) {
        wire.insert(member.to_owned(), value);
    }
}

/// Overwrites members of `wire` with those of `input` named in `members`.
pub(crate) fn overwrite(
    wire: &mut Map<String, Value>,
    input: &Map<String, Value>,
    members: &[&str],
) {
    for member in members {
        if let Some(value) = input.get(*member) {
            wire.insert((*member).to_owned(), value.clone());
        }
    }
}

/// A nested object, empty if it is absent.
pub(crate) fn object(wire: &Map<String, Value>, member: &str) -> Map<String, Value> {
    wire.get(member).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// A nested list, empty if it is absent.
pub(crate) fn list<'a>(wire: &'a Map<String, Value>, member: &str) -> &'a [Value] {
    wire.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Refuses attributes of more than a kibibyte, names and values together.
pub(crate) fn check_attributes(input: &Map<String, Value>) -> Result<(), Failure> {
    let size: usize = object(input, "attributes")
        .iter()
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if size > 1024 {
        return Err(Failure::validation(format!(
            "Value at 'attributes' failed to satisfy constraint: Member must have a total size of \
             at most 1 KB, not {size} bytes"
        )));
    }
    Ok(())
}

/// Refuses a list with equal items.
pub(crate) fn check_unique(path: &str, items: &[Value]) -> Result<(), Failure> {
    let twice = items.iter().enumerate().any(|(index, item)| items[..index].contains(item));
    if twice {
        return Err(Failure::validation(format!(
            "Value at '{path}' failed to satisfy constraint: Member must have unique items"
        )));
    }
    Ok(())
}
