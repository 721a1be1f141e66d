//! Checks a request against its input shape, at every depth, and keeps the modelled members.
//! Reports every violation of one request together, each with the path of the member.

use serde_json::{Map, Value};

use super::clock::Millis;
use super::failure::Failure;
use super::model::{Location, Service, Shape, Sort, model};

/// How many violations one answer names.
const NAMED: usize = 10;

/// Checks a body (with URI and query members already merged in) against the shape `name`.
/// What comes back holds modelled members only and no `null`.
pub(crate) fn accept(
    service: Service,
    name: &str,
    given: Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    let mut reader = Reader { service, wrong: Vec::new() };
    let kept = model()
        .shape(service, name)
        .map(|shape| reader.structure(shape, given, ""))
        .unwrap_or_default();
    if reader.wrong.is_empty() { Ok(kept) } else { Err(reader.failure()) }
}

struct Reader {
    service: Service,
    wrong: Vec<String>,
}

impl Reader {
    fn failure(self) -> Failure {
        let count = self.wrong.len();
        let plural = if count == 1 { "error" } else { "errors" };
        let named = self.wrong.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
        Failure::validation(format!("{count} validation {plural} detected: {named}"))
    }

    fn wrong(&mut self, path: &str, constraint: &str) {
        self.wrong.push(format!(
            "Value at '{path}' failed to satisfy constraint: Member must {constraint}"
        ));
    }

    fn structure(
        &mut self,
        shape: &Shape,
        mut given: Map<String, Value>,
        path: &str,
    ) -> Map<String, Value> {
        let mut kept = Map::new();
        for member in &shape.members {
            if member.location == Some(Location::Header) {
                continue;
            }
            let path = if path.is_empty() {
                member.name.clone()
            } else {
                format!("{path}.{}", member.name)
            };
            match given.remove(&member.name) {
                None | Some(Value::Null) => {
                    if shape.required.contains(&member.name) {
                        self.wrong(&path, "not be null");
                    }
                }
                Some(value) => {
                    if let Some(value) = self.value(&member.shape, value, &path) {
                        kept.insert(member.name.clone(), value);
                    }
                }
            }
        }
        kept
    }

    fn value(&mut self, name: &str, value: Value, path: &str) -> Option<Value> {
        let shape = model().shape(self.service, name)?;
        match (shape.sort, value) {
            (Sort::Structure, Value::Object(given)) => {
                Some(Value::Object(self.structure(shape, given, path)))
            }
            (Sort::List, Value::Array(items)) => self.list(shape, items, path),
            (Sort::Map, Value::Object(given)) => self.map(shape, given, path),
            (Sort::String, Value::String(text)) => {
                self.text(shape, &text, path);
                Some(Value::String(text))
            }
            (Sort::Boolean, value @ Value::Bool(_)) => Some(value),
            (Sort::Integer | Sort::Long, Value::Number(number)) => {
                self.whole_number(shape, &number, path)
            }
            (Sort::Float, Value::Number(number)) => self.fraction(shape, &number, path),
            (Sort::Timestamp, Value::String(text)) => {
                if Millis::from_iso(&text).is_none() {
                    self.wrong(path, "be an ISO 8601 timestamp");
                }
                Some(Value::String(text))
            }
            (sort, _) => {
                self.wrong(path, &format!("be of type {}", sort_name(sort)));
                None
            }
        }
    }

    fn list(&mut self, shape: &Shape, items: Vec<Value>, path: &str) -> Option<Value> {
        self.size(shape, items.len(), path, "length");
        let member = shape.member.as_deref()?;
        let mut kept = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            // As the service counts in its messages: from one.
            let path = format!("{path}.{}.member", index + 1);
            if item.is_null() {
                self.wrong(&path, "not be null");
            } else if let Some(item) = self.value(member, item, &path) {
                kept.push(item);
            }
        }
        Some(Value::Array(kept))
    }

    fn map(&mut self, shape: &Shape, given: Map<String, Value>, path: &str) -> Option<Value> {
        self.size(shape, given.len(), path, "length");
        let (key, value) = (shape.key.as_deref()?, shape.value.as_deref()?);
        let mut kept = Map::new();
        for (name, item) in given {
            let path = format!("{path}.{name}");
            if let Some(shape) = model().shape(self.service, key) {
                self.text(shape, &name, &path);
            }
            if item.is_null() {
                self.wrong(&path, "not be null");
            } else if let Some(item) = self.value(value, item, &path) {
                kept.insert(name, item);
            }
        }
        Some(Value::Object(kept))
    }

    fn text(&mut self, shape: &Shape, text: &str, path: &str) {
        if !shape.enum_values.is_empty() && !shape.enum_values.iter().any(|value| value == text) {
            self.wrong(
                path,
                &format!("satisfy enum value set: [{}]", shape.enum_values.join(", ")),
            );
        }
        self.size(shape, text.chars().count(), path, "length");
        if !shape.pattern_accepts(text) {
            let pattern = shape.pattern_text().unwrap_or_default();
            self.wrong(path, &format!("satisfy regular expression pattern: {pattern}"));
        }
    }

    fn whole_number(
        &mut self,
        shape: &Shape,
        number: &serde_json::Number,
        path: &str,
    ) -> Option<Value> {
        let fits = |whole: &i64| shape.sort == Sort::Long || i32::try_from(*whole).is_ok();
        let Some(whole) = number.as_i64().filter(fits) else {
            self.wrong(path, &format!("be of type {}", sort_name(shape.sort)));
            return None;
        };
        // Bounds of the model are small; the cast cannot lose one.
        #[expect(clippy::cast_precision_loss, reason = "only compared with small bounds")]
        self.range(shape, whole as f64, path);
        Some(Value::from(whole))
    }

    fn fraction(
        &mut self,
        shape: &Shape,
        number: &serde_json::Number,
        path: &str,
    ) -> Option<Value> {
        let given = number.as_f64()?;
        self.range(shape, given, path);
        // The model says `float`, single precision: 29.97 and 29.969999313354492 are one value.
        #[expect(clippy::cast_possible_truncation, reason = "the model's type is single precision")]
        let single = given as f32;
        single.to_string().parse::<f64>().ok().map(Value::from)
    }

    fn range(&mut self, shape: &Shape, number: f64, path: &str) {
        if let Some(min) = shape.min.filter(|min| number < *min) {
            self.wrong(path, &format!("have value greater than or equal to {min}"));
        }
        if let Some(max) = shape.max.filter(|max| number > *max) {
            self.wrong(path, &format!("have value less than or equal to {max}"));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "bodies are at most a mebibyte")]
    fn size(&mut self, shape: &Shape, size: usize, path: &str, noun: &str) {
        let size = size as f64;
        if let Some(min) = shape.min.filter(|min| size < *min) {
            self.wrong(path, &format!("have {noun} greater than or equal to {min}"));
        }
        if let Some(max) = shape.max.filter(|max| size > *max) {
            self.wrong(path, &format!("have {noun} less than or equal to {max}"));
        }
    }
}

fn sort_name(sort: Sort) -> &'static str {
    match sort {
        Sort::Structure => "structure",
        Sort::List => "list",
        Sort::Map => "map",
        Sort::String => "string",
        Sort::Boolean => "boolean",
        Sort::Integer => "integer",
        Sort::Long => "long",
        Sort::Float => "float",
        Sort::Timestamp => "timestamp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(service: Service, shape: &str, body: Value) -> Result<Map<String, Value>, Failure> {
        let Value::Object(body) = body else { panic!("an object") };
        accept(service, shape, body)
    }

    #[test]
    fn keeps_modelled_members_and_drops_the_rest() {
        let kept = check(
            Service::LowLatency,
            "CreateChannelRequest",
            json!({"name": "a", "nonsense": 1, "preset": null, "authorized": false}),
        );
        assert_eq!(kept.map(Value::Object), Ok(json!({"name": "a", "authorized": false})));
    }

    #[test]
    fn names_every_violation_with_its_path() {
        let refused = check(
            Service::LowLatency,
            "CreateAdConfigurationRequest",
            json!({"name": "a b", "mediaTailorPlaybackConfigurations": [{}, {"playbackConfigurationArn": "x"}],
                   "postRollConfiguration": {"enabled": true}}),
        )
        .expect_err("three rules broken");
        assert!(refused.message.starts_with("3 validation errors detected"), "{}", refused.message);
        assert!(refused.message.contains("'postRollConfiguration.durationSeconds'"));
        assert!(
            refused
                .message
                .contains("'mediaTailorPlaybackConfigurations.2.member.playbackConfigurationArn'")
        );
    }

    #[test]
    fn refuses_wrong_types_and_ranges_without_panic() {
        for video in [json!([]), json!({"width": "1"}), json!({"width": 1.5}), json!({"width": 0})]
        {
            let body = json!({"video": video});
            assert!(check(Service::RealTime, "CreateEncoderConfigurationRequest", body).is_err());
        }
        let body = json!({"video": {"bitrate": 99_999_999_999_999_999_999_999.0}});
        assert!(check(Service::RealTime, "CreateEncoderConfigurationRequest", body).is_err());
        let kept = check(
            Service::RealTime,
            "CreateEncoderConfigurationRequest",
            json!({"video": {"framerate": 29.969_999_313_354_492}}),
        );
        assert_eq!(kept.map(|kept| kept["video"]["framerate"].clone()), Ok(json!(29.97)));
    }
}
