//! The keys of contracts and configurations, in one table each: the parser, the JSON Schema ([`crate::schema`]) and
//! the tables in docs/ ([`reference`]) are made from it, so they can't drift apart.

pub mod configuration;
pub mod contract;
pub mod reference;
pub mod retrain;

/// A mapping with known keys.
#[derive(Debug, PartialEq)]
pub struct Object {
    /// Names it in messages and headings: "a contract", "`windows`".
    pub what: &'static str,
    pub keys: &'static [Key],
}

/// One key of a mapping.
#[derive(Debug, PartialEq)]
pub struct Key {
    pub name: &'static str,
    pub need: Need,
    pub form: Form,
    /// One or two sentences of Markdown.
    pub meaning: &'static str,
    /// A value as it stands in YAML; empty where the form says it all.
    pub example: &'static str,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
    /// What holds without the key.
    Default(&'static str),
    /// Known, but only later versions take it. What to do until then.
    Later(&'static str),
    /// Known from earlier versions. What it is called now, and what to do.
    Moved(&'static str, &'static str),
}

/// What a value looks like.
#[derive(Debug, PartialEq)]
pub enum Form {
    Text,
    Number,
    Boolean,
    /// The key stands alone.
    Nothing,
    /// The whole number 1.
    One,
    Duration,
    /// A JSON pointer (RFC 6901).
    Pointer,
    Path,
    /// Text, `{ file: PATH }` or `{ env: NAME }`.
    Secret,
    /// `[LOW, HIGH]`.
    Range,
    /// Whatever JSON can say.
    Anything,
    Choice(&'static [&'static str]),
    Object(&'static Object),
    /// Names of the user's choice, each with a value of the form.
    Map(&'static str, &'static Form),
    List(&'static Form),
    /// Any of these.
    Any(&'static [Form]),
}

impl Object {
    /// A key that this version takes, by name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name && key.is_taken())
    }
}

impl Key {
    /// Whether this version takes the key: those of later and of earlier ones are known, and refused.
    pub fn is_taken(&self) -> bool {
        !matches!(self.need, Need::Later(_) | Need::Moved(..))
    }
}

const fn required(name: &'static str, form: Form, meaning: &'static str, example: &'static str) -> Key {
    Key { name, need: Need::Required, form, meaning, example }
}

const fn optional(name: &'static str, form: Form, meaning: &'static str, example: &'static str) -> Key {
    Key { name, need: Need::Optional, form, meaning, example }
}

const fn default(
    name: &'static str,
    value: &'static str,
    form: Form,
    meaning: &'static str,
    example: &'static str,
) -> Key {
    Key { name, need: Need::Default(value), form, meaning, example }
}

/// `until`: what to do as long as the key isn't supported.
const fn later(name: &'static str, until: &'static str) -> Key {
    Key { name, need: Need::Later(until), form: Form::Text, meaning: "", example: "" }
}

/// `now`: what has become of the key; `instead`: what to write.
const fn moved(name: &'static str, now: &'static str, instead: &'static str) -> Key {
    Key { name, need: Need::Moved(now, instead), form: Form::Text, meaning: "", example: "" }
}
