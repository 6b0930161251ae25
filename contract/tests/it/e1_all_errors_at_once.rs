//! E1: every error of a file at once, each with its place and what to do. What people read is kept as snapshots.

use std::path::Path;

use contract::Diagnostic;
use contract::configuration::configuration_from_text;
use contract::diagnostic::render;
use contract::lower::{contract_from_text, read_contract};

use crate::{file, text};

/// The errors of a broken contract, under its name without folders.
fn contract_errors(name: &str) -> String {
    render(&contract_from_text(&text(name), Path::new(name)).unwrap_err(), false)
}

#[test]
fn e1_contract_with_wrong_keys_and_values() {
    insta::assert_snapshot!(contract_errors("broken-keys.yaml"));
}

#[test]
fn e1_contract_whose_parts_disagree() {
    insta::assert_snapshot!(contract_errors("broken-parts.yaml"));
}

#[test]
fn e1_files_that_are_no_yaml() {
    let names = ["broken-tab.yaml", "broken-colon.yaml", "broken-bracket.yaml", "broken-root.yaml"];
    insta::assert_snapshot!(names.map(contract_errors).join("\n"));
}

#[test]
fn e1_an_empty_contract_says_what_is_needed() {
    let errors = contract_from_text("{}\n", Path::new("empty.yaml")).unwrap_err();
    insta::assert_snapshot!(render(&errors, false));
    assert_eq!(contract_from_text("", Path::new("empty.yaml")).unwrap_err().len(), 1);
}

#[test]
fn e1_a_contract_without_columns_is_an_error() {
    let example = text("fraud.yaml");
    let (before, rest) = example.split_once("schema:").unwrap();
    let (_, after) = rest.split_once("segments:").unwrap();
    let errors = contract_from_text(&format!("{before}schema: {{}}\nsegments:{after}"), Path::new("fraud.yaml"));
    insta::assert_snapshot!(render(&errors.unwrap_err(), false), @r"
    error: `schema` has no columns
      --> fraud.yaml:21:9
       |
    21 | schema: {}
       |         ^
       = help: name what the model takes, such as `amount: { type: float64 }`

    1 error
    ");
}

#[test]
fn e1_files_that_cannot_be_read() {
    let place = |error: &Diagnostic| (error.line, error.column, error.message.clone());
    let bytes = read_contract(&file("broken-bytes.yaml")).unwrap_err();
    assert_eq!(place(&bytes[0]), (1, 11, "this is not UTF-8 text".to_owned()));
    let missing = read_contract(&file("nowhere.yaml")).unwrap_err();
    assert!(missing[0].message.starts_with("the file can't be read: "), "{missing:?}");
}

#[test]
fn e1_configuration_with_many_errors() {
    let errors = configuration_from_text(&text("broken-service.yaml"), Path::new("broken-service.yaml")).unwrap_err();
    insta::assert_snapshot!(render(&errors, false));
}
