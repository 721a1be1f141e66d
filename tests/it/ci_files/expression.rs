//! Expressions of GitHub Actions, as far as the files of this project use them.

use serde_json::{Value, json};

/// What an expression can name: the contexts by name, and whether a step before has failed.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) contexts: Value,
    pub(super) failed: bool,
}

impl Scope {
    /// A text with the value of each `${{ … }}` in its place.
    pub(super) fn filled(&self, text: &str) -> String {
        let mut parts = text.split("${{");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (expression, rest) = part.split_once("}}").expect("the end of the expression");
            filled.push_str(&as_text(&self.value(expression)));
            filled.push_str(rest);
        }
        filled
    }

    /// Whether a step or a job with this `if` runs.
    pub(super) fn holds(&self, condition: Option<&Value>) -> bool {
        let Some(condition) = condition else { return !self.failed };
        let text = as_text(condition);
        let text = text.trim();
        let inner = text.strip_prefix("${{").and_then(|it| it.strip_suffix("}}"));
        let text = inner.unwrap_or(text);
        let names_the_state = ["success()", "failure()", "always()", "cancelled()"];
        let any_state = names_the_state.iter().any(|it| text.contains(it));
        (any_state || !self.failed) && is_true(&self.value(text))
    }

    /// The value of a text that is one expression.
    pub(super) fn evaluated(&self, text: &str) -> Value {
        let inner = text.trim().strip_prefix("${{").and_then(|it| it.strip_suffix("}}"));
        self.value(inner.expect("one expression"))
    }

    fn value(&self, expression: &str) -> Value {
        let tokens = tokens(expression);
        let mut reader = Reader { tokens: &tokens, at: 0, scope: self };
        let value = reader.either();
        assert_eq!(reader.at, tokens.len(), "what follows is not read: {expression}");
        value
    }
}

/// A value in a text.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_true(value: &Value) -> bool {
    !matches!(as_text(value).as_str(), "" | "false" | "0")
        || matches!(value, Value::String(text) if !text.is_empty())
}

#[derive(Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Sign(&'static str),
}

fn tokens(expression: &str) -> Vec<Token> {
    let mut rest = expression.trim();
    let mut tokens = Vec::new();
    while !rest.is_empty() {
        let sign =
            ["||", "&&", "==", "!=", "!", "(", ")"].into_iter().find(|it| rest.starts_with(it));
        if let Some(sign) = sign {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if let Some(quoted) = rest.strip_prefix('\'') {
            let (text, after) = quoted.split_once('\'').expect("the end of the text");
            tokens.push(Token::Text(text.to_owned()));
            rest = after;
        } else {
            let is_name = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
            let end = rest.find(|it| !is_name(it)).unwrap_or(rest.len());
            assert!(end > 0, "neither a name, a text nor a sign: {rest}");
            tokens.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    tokens
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    scope: &'a Scope,
}

impl Reader<'_> {
    fn takes(&mut self, sign: &'static str) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn either(&mut self) -> Value {
        let mut value = self.both();
        while self.takes("||") {
            let other = self.both();
            value = if is_true(&value) { value } else { other };
        }
        value
    }

    fn both(&mut self) -> Value {
        let mut value = self.compared();
        while self.takes("&&") {
            let other = self.compared();
            value = if is_true(&value) { other } else { value };
        }
        value
    }

    fn compared(&mut self) -> Value {
        let value = self.one();
        let same = |one: &Value, other: &Value| {
            as_text(one).to_lowercase() == as_text(other).to_lowercase()
        };
        if self.takes("==") {
            return json!(same(&value, &self.one()));
        }
        if self.takes("!=") {
            return json!(!same(&value, &self.one()));
        }
        value
    }

    fn one(&mut self) -> Value {
        if self.takes("!") {
            return json!(!is_true(&self.one()));
        }
        if self.takes("(") {
            let value = self.either();
            assert!(self.takes(")"), "a parenthesis is open");
            return value;
        }
        let token = &self.tokens[self.at];
        self.at += 1;
        let name = match token {
            Token::Text(text) => return json!(text),
            Token::Name(name) => name.as_str(),
            Token::Sign(sign) => panic!("{sign} is no value"),
        };
        if name == "fromJSON" {
            assert!(self.takes("("), "fromJSON has an argument");
            let text = as_text(&self.either());
            assert!(self.takes(")"), "a parenthesis is open");
            return serde_json::from_str(&text).expect("JSON");
        }
        if self.takes("(") {
            assert!(self.takes(")"), "{name} has arguments");
            return json!(match name {
                "success" => !self.scope.failed,
                "failure" => self.scope.failed,
                "always" => true,
                "cancelled" => false,
                _ => panic!("the function {name} is not known here"),
            });
        }
        let mut value = &self.scope.contexts;
        for (depth, key) in name.split('.').enumerate() {
            assert!(depth > 0 || value.get(key).is_some(), "there is no context {key}");
            value = value.get(key).unwrap_or(&Value::Null);
        }
        value.clone()
    }
}

#[test]
fn expressions_have_the_values_that_github_gives_them() {
    let contexts = json!({
        "inputs": { "comment": "True", "empty": "", "plan-file": "a b" },
        "steps": { "run": { "outputs": { "exit-code": "5" } } },
    });
    let ok = Scope { contexts, failed: false };
    let failed = Scope { failed: true, ..ok.clone() };
    assert_eq!(ok.filled("<${{ inputs.plan-file }}|${{ inputs.none || 'x' }}>"), "<a b|x>");
    let holds = |scope: &Scope, text: &str| scope.holds(Some(&json!(text)));
    assert!(holds(&ok, "inputs.comment == 'true' && inputs.empty == ''"));
    assert!(!holds(&failed, "inputs.comment == 'true'"), "a step after a failure is skipped");
    assert!(holds(&failed, "${{ failure() && steps.run.outputs.exit-code == '5' }}"));
    assert!(!holds(&failed, "${{ !cancelled() && steps.run.outputs.none != '' }}"));
    assert!(holds(&ok, "!(inputs.empty || steps.other.outputs.none) && success()"));
    assert!(!failed.holds(None) && ok.holds(None));
    let contexts = json!({ "needs": { "list": { "outputs": { "jobs": "[1, {\"a\": 2}]" } } } });
    let scope = Scope { contexts, failed: false };
    let jobs = scope.evaluated("${{ fromJSON(needs.list.outputs.jobs) }}");
    assert_eq!(jobs, json!([1, { "a": 2 }]));
}
