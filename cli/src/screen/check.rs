//! What `doctor` found out, a line for each thing that it looked at.

use serde_json::{Map, Value};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was found, and what to do next where something is wrong.
    pub text: String,
    /// The same in numbers and lists, for scripts.
    pub fields: Map<String, Value>,
}

/// How something is that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// As it is to be.
    Ok,
    /// It holds something up.
    Warn,
    /// Nothing goes that way.
    Bad,
}

impl CheckState {
    const ALL: [Self; 3] = [Self::Ok, Self::Warn, Self::Bad];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

impl Check {
    /// One without numbers.
    pub fn new(name: &str, state: CheckState, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, text: text.into(), fields: Map::new() }
    }

    /// The same with a field more.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// As a script reads it.
    pub(crate) fn value(&self) -> Value {
        let mut object = self.fields.clone();
        for (key, value) in [
            ("event", "doctor"),
            ("check", self.name.as_str()),
            ("state", self.state.name()),
            ("text", self.text.as_str()),
        ] {
            object.insert(key.to_owned(), value.into());
        }
        Value::Object(object)
    }

    /// What [`Check::value`] gave.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let mut fields = value.as_object()?.clone();
        fields.remove("event")?;
        let mut text = |key: &str| fields.remove(key)?.as_str().map(str::to_owned);
        let (name, state, text) = (text("check")?, text("state")?, text("text")?);
        let state = CheckState::ALL.into_iter().find(|it| it.name() == state)?;
        Some(Self { name, state, text, fields })
    }

    /// As a person reads it.
    pub(super) fn human(&self) -> String {
        format!("{:<4}  {:<10}  {}", self.state.name(), self.name, self.text)
    }
}
