//! Reading YAML with positions, collecting every error before giving up (promise E1).
//!
//! Contracts, configurations and rule files are read in the same three steps:
//!
//! 1. [`parse`] makes a marked tree of [`Node`]s: scalars as they were written, with their positions. Aliases work;
//!    duplicate keys, tags and second documents are errors. The tree is bounded ([`MAX_BYTES`], [`MAX_DEPTH`],
//!    [`MAX_NODES`]), so no file can exhaust memory or the stack.
//! 2. [`Fields`] walks a mapping: keys are taken one by one, and [`Fields::finish`] names every key that nobody took,
//!    with the nearest known one. [`Node`] has a method for each kind of value (`text`, `duration`, `number`, …).
//! 3. Everything that is wrong goes into [`Errors`]. Methods return `None` after an error that they have reported
//!    already, so lowering goes on with the next key.
//!
//! [`read`] ties the three together:
//!
//! ```
//! use std::path::Path;
//! use contract::yaml::{Errors, Fields, Node, read};
//!
//! struct Greeting { to: String, times: u64 }
//!
//! fn greeting(root: &Node, errors: &mut Errors) -> Option<Greeting> {
//!     let mut fields = Fields::open(root, "a greeting", errors)?;
//!     let to = fields.required("to", errors).and_then(|node| node.text("to", errors));
//!     let times = fields.optional("times", errors).map_or(Some(1), |node| node.integer("times", errors));
//!     fields.finish(errors);
//!     Some(Greeting { to: to?, times: times? })
//! }
//!
//! let good = read("to: world\ntimes: 2\n", Path::new("greeting.yaml"), greeting).unwrap();
//! assert_eq!((good.to.as_str(), good.times), ("world", 2));
//! let errors = read("too: world\ntimes: often\n", Path::new("greeting.yaml"), greeting).err().unwrap();
//! assert_eq!(errors.len(), 3); // `to` is missing, `too` is unknown, `often` is no number
//! ```
//!
//! Where the keys stand in a table (see [`crate::keys`]), [`Fields::of`] takes the table instead, and checks required,
//! unknown and not yet supported keys at once.

mod errors;
mod fields;
mod node;
mod parse;

pub use errors::{Errors, MAX_ERRORS, nearest};
pub use fields::Fields;
pub use node::{Entry, Node, Position, Value};
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_NODES, parse, parse_into};

use std::io::Read;
use std::path::Path;

use crate::diagnostic::Diagnostic;

/// Reads, parses and lowers a file; see [`read`].
pub fn read_file<T>(file: &Path, lower: impl FnOnce(&Node, &mut Errors) -> Option<T>) -> Result<T, Vec<Diagnostic>> {
    let text = read_text(file).map_err(|diagnostic| vec![diagnostic])?;
    read(&text, file, lower)
}

/// The text of a file of at most [`MAX_BYTES`].
pub fn read_text(file: &Path) -> Result<String, Diagnostic> {
    let unreadable = |error: std::io::Error| Diagnostic::new(file, 1, 1, format!("the file can't be read: {error}"));
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that parsing can tell.
    let limit = MAX_BYTES as u64 + 1;
    std::fs::File::open(file).and_then(|open| open.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let good = String::from_utf8_lossy(good);
        let (line, column) =
            (good.matches('\n').count() + 1, good.rsplit('\n').next().unwrap_or("").chars().count() + 1);
        Diagnostic::new(file, line, column, "this is not UTF-8 text")
    })
}

/// Parses a file's text and lowers its tree. Every error of both steps comes back, sorted by position.
pub fn read<T>(
    text: &str,
    file: &Path,
    lower: impl FnOnce(&Node, &mut Errors) -> Option<T>,
) -> Result<T, Vec<Diagnostic>> {
    let mut errors = Errors::new(file, text);
    let lowered = parse_into(text, &mut errors).and_then(|root| lower(&root, &mut errors));
    match lowered {
        Some(value) if errors.is_empty() => Ok(value),
        _ => Err(errors.into_diagnostics()),
    }
}
