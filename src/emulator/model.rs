//! The service models, as AWS publishes them: operations, shapes, constraints.
//! Read once from `model.json`, which `tests/conformance/generate_model.py` writes. Has no code for single kinds.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use regex::Regex;
use serde::Deserialize;

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let file: ModelFile = serde_json::from_str(include_str!("model.json"))
        .expect("model.json is generated and tested");
    Model::new(file)
});

/// The type part of `ResourceArn` as the models print it. They lack a `+`, so no real ARN matches it.
const ONE_CHARACTER: &str = "[a-z-]/";

/// Both models.
pub(crate) fn model() -> &'static Model {
    &MODEL
}

/// Which of the two services an operation belongs to. One host can serve both: only the tag trio
/// has the same paths in both, and there the ARN decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Service {
    /// Low-latency streaming: channels.
    #[serde(rename = "ivs")]
    LowLatency,
    /// Real-time streaming: stages.
    #[serde(rename = "ivs-realtime")]
    RealTime,
}

/// All operations and shapes.
#[derive(Debug)]
pub(crate) struct Model {
    operations: Vec<Operation>,
    shapes: BTreeMap<Service, BTreeMap<String, Shape>>,
    routes: BTreeMap<(Service, String, String), usize>,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) service: Service,
    pub(crate) name: String,
    pub(crate) uri: String,
    /// The status of a success.
    pub(crate) status: u16,
    pub(crate) input: Option<String>,
    pub(crate) output: Option<String>,
    errors: Vec<String>,
}

impl Operation {
    /// Whether the model lists this error for this operation.
    pub(crate) fn models(&self, error: &str) -> bool {
        self.errors.iter().any(|name| name == error)
    }

    /// Whether the operation only reads.
    pub(crate) fn reads(&self) -> bool {
        ["Get", "BatchGet", "List"].iter().any(|verb| self.name.starts_with(verb))
    }
}

/// One shape.
#[derive(Debug, Deserialize)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) sort: Sort,
    #[serde(default)]
    pub(crate) required: Vec<String>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pattern: Option<String>,
    #[serde(default, rename = "enum")]
    pub(crate) enum_values: Vec<String>,
    #[serde(default)]
    pub(crate) members: Vec<Member>,
    pub(crate) member: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    #[serde(rename = "errorStatus")]
    pub(crate) error_status: Option<u16>,
    #[serde(skip)]
    compiled: OnceLock<Option<Regex>>,
}

impl Shape {
    /// The pattern as the model prints it.
    pub(crate) fn pattern_text(&self) -> Option<&str> {
        self.pattern.as_deref()
    }

    /// Whether `text` matches the pattern as a whole: the service matches in full even where the
    /// model prints no anchors.
    pub(crate) fn pattern_accepts(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| {
            let pattern = self.pattern.as_deref()?.replace(ONE_CHARACTER, "[a-z-]+/");
            Regex::new(&format!(r"\A(?:{pattern})\z")).ok()
        });
        compiled.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// A kind of object with an ARN, as the model has it: its `Get` operation takes nothing but that ARN.
#[derive(Debug)]
pub(crate) struct Resource<'m> {
    pub(crate) service: Service,
    /// The resource type in its ARNs.
    pub(crate) arn_type: &'m str,
    /// The member that wraps a single object in answers.
    pub(crate) wrapper: &'m str,
    /// The member of list answers that holds the summaries.
    pub(crate) list_member: &'m str,
}

/// The JSON type of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sort {
    Structure,
    List,
    Map,
    String,
    Boolean,
    Integer,
    Long,
    Float,
    Timestamp,
}

/// A member of a structure.
#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) shape: String,
    pub(crate) location: Option<Location>,
    #[serde(rename = "locationName")]
    pub(crate) location_name: Option<String>,
}

/// Where a member travels if not in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Location {
    Uri,
    Querystring,
    Header,
}

impl Model {
    fn new(file: ModelFile) -> Self {
        let mut model =
            Self { operations: Vec::new(), shapes: BTreeMap::new(), routes: BTreeMap::new() };
        for (service, content) in file.services {
            for operation in content.operations {
                let route = (service, operation.method, operation.uri.clone());
                model.routes.insert(route, model.operations.len());
                model.operations.push(Operation {
                    service,
                    name: operation.name,
                    uri: operation.uri,
                    status: operation.status,
                    input: operation.input,
                    output: operation.output,
                    errors: operation.errors,
                });
            }
            model.shapes.insert(service, content.shapes);
        }
        model
    }

    /// Every operation of both services.
    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation behind an exact URI template.
    pub(crate) fn at(&self, service: Service, method: &str, uri: &str) -> Option<&Operation> {
        let route = (service, method.to_owned(), uri.to_owned());
        self.routes.get(&route).and_then(|index| self.operations.get(*index))
    }

    /// A shape by name.
    pub(crate) fn shape(&self, service: Service, name: &str) -> Option<&Shape> {
        self.shapes.get(&service).and_then(|shapes| shapes.get(name))
    }

    /// The services, in the order in which they are asked for a path.
    pub(crate) fn services(&self) -> impl Iterator<Item = Service> {
        self.shapes.keys().copied()
    }

    /// The resource that `Get` and `name` make an operation of, such as `Channel`.
    pub(crate) fn resource(&self, name: &str) -> Option<Resource<'_>> {
        let get = self.operations.iter().find(|it| it.name.strip_prefix("Get") == Some(name))?;
        let shape = |name: &Option<String>| self.shape(get.service, name.as_deref()?);
        let [arn] = shape(&get.input)?.members.as_slice() else { return None };
        // A stream has no ARN: what gets it is the ARN of its channel.
        if arn.name != "arn" {
            return None;
        }
        let [wrapper] = shape(&get.output)?.members.as_slice() else { return None };
        let (head, _) = self.shape(get.service, &arn.shape)?.pattern_text()?.split_once('/')?;
        let summary = format!("{name}Summary");
        let is_its_list = |member: &&Member| {
            let list = self.shape(get.service, &member.shape);
            list.is_some_and(|it| it.member.as_ref() == Some(&summary))
        };
        let lists = self.operations.iter().filter(|it| it.name.starts_with("List"));
        let mut lists = lists.filter(|it| it.service == get.service);
        Some(Resource {
            service: get.service,
            arn_type: head.rsplit(':').next()?,
            wrapper: &wrapper.name,
            list_member: lists
                .find_map(|it| shape(&it.output)?.members.iter().find(is_its_list))
                .map(|member| member.name.as_str())?,
        })
    }

    /// The HTTP status of an error that one of the models has.
    pub(crate) fn error_status(&self, service: Service, name: &str) -> Option<u16> {
        std::iter::once(service)
            .chain(self.services())
            .find_map(|service| self.shape(service, name).and_then(|shape| shape.error_status))
    }
}

#[derive(Deserialize)]
struct ModelFile {
    services: BTreeMap<Service, ServiceFile>,
}

#[derive(Deserialize)]
struct ServiceFile {
    operations: Vec<OperationFile>,
    shapes: BTreeMap<String, Shape>,
}

#[derive(Deserialize)]
struct OperationFile {
    name: String,
    method: String,
    uri: String,
    status: u16,
    input: Option<String>,
    output: Option<String>,
    errors: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_all_operations_and_every_shape_they_name() {
        let model = model();
        assert_eq!(model.operations().len(), 86);
        for operation in model.operations() {
            for name in operation.input.iter().chain(&operation.output).chain(&operation.errors) {
                assert!(model.shape(operation.service, name).is_some(), "{name}");
            }
        }
        for (service, shapes) in &model.shapes {
            for (name, shape) in shapes {
                let inner = shape.members.iter().map(|m| &m.shape);
                for next in inner.chain(&shape.member).chain(&shape.key).chain(&shape.value) {
                    assert!(model.shape(*service, next).is_some(), "{name} names {next}");
                }
            }
        }
    }

    #[test]
    fn every_pattern_compiles_and_matches_in_full() {
        for shape in model().shapes.values().flat_map(BTreeMap::values) {
            shape.pattern_accepts("");
            assert!(
                shape.pattern.is_none() || matches!(shape.compiled.get(), Some(Some(_))),
                "{:?}",
                shape.pattern
            );
        }
        let name = model().shape(Service::LowLatency, "ChannelName").expect("modelled");
        assert!(name.pattern_accepts("a-b_9") && !name.pattern_accepts("a b"));
        let key = model().shape(Service::LowLatency, "TagKey").expect("modelled");
        assert!(key.pattern_accepts("équipe été:1/2") && !key.pattern_accepts("a*b"));
        let arn = model().shape(Service::RealTime, "ResourceArn").expect("modelled");
        let stage = "arn:aws:ivs:us-west-2:000000000000:stage/aB3";
        assert!(arn.pattern_accepts(stage) && !arn.pattern_accepts(&format!("{stage}*")));
    }
}
