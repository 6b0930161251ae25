//! What is made from the table of keys is current. `BELLWETHER_UPDATE=1 cargo test -p contract` writes it anew.

use std::path::Path;

use contract::keys::reference::markdown;
use contract::keys::{Form, Object, configuration, contract as contracts};
use contract::schema::{configuration_schema, contract_schema};

const BEGIN: &str =
    "<!-- The tables below are made from contract/src/keys/; a test checks that they are current. -->\n\n";
const END: &str = "<!-- End of the tables. -->\n";

fn check(path: &str, is: &str, should_be: &str) {
    if std::env::var_os("BELLWETHER_UPDATE").is_some() {
        std::fs::write(path, should_be).unwrap();
    } else {
        assert!(is == should_be, "{path} is not current: run BELLWETHER_UPDATE=1 cargo test -p contract");
    }
}

fn check_schema(name: &str, should_be: &str) {
    let path = format!("{}/schema/{name}", env!("CARGO_MANIFEST_DIR"));
    check(&path, &std::fs::read_to_string(&path).unwrap_or_default(), should_be);
}

fn check_docs(name: &str, objects: &[&Object]) {
    let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the mark before the tables");
    let (_, after) = rest.split_once(END).expect("the mark after the tables");
    check(&path, &text, &format!("{before}{BEGIN}{}{END}{after}", markdown(objects)));
}

#[test]
fn the_schema_of_contracts_is_current() {
    check_schema("contract.schema.json", &contract_schema());
}

#[test]
fn the_schema_of_configurations_is_current() {
    check_schema("configuration.schema.json", &configuration_schema());
}

#[test]
fn the_documentation_of_contracts_is_current() {
    check_docs("contract.md", contracts::ALL);
}

#[test]
fn the_documentation_of_configurations_is_current() {
    check_docs("configuration.md", configuration::ALL);
}

#[test]
fn the_examples_of_the_documentation_are_good() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let example = |name: &str| {
        let text = std::fs::read_to_string(docs.join(name)).unwrap();
        let (_, rest) = text.split_once("```yaml\n").expect("an example");
        rest.split_once("```").expect("the end of the example").0.to_owned()
    };
    contract::lower::contract_from_text(&example("contract.md"), &docs.join("contract.yaml")).unwrap();
    // The configuration's example names files of this folder.
    let path = crate::file("from-docs.yaml");
    contract::configuration::configuration_from_text(&example("configuration.md"), &path).unwrap();
}

#[test]
fn every_mapping_of_a_table_is_documented() {
    fn walk(object: &'static Object, found: &mut Vec<&'static str>) {
        if !found.contains(&object.what) {
            found.push(object.what);
            object.keys.iter().for_each(|key| visit(&key.form, found));
        }
    }
    fn visit(form: &'static Form, found: &mut Vec<&'static str>) {
        match form {
            Form::Object(object) => walk(object, found),
            Form::Map(_, form) | Form::List(form) => visit(form, found),
            Form::Any(forms) => forms.iter().for_each(|form| visit(form, found)),
            Form::Secret => walk(&configuration::SECRET, found),
            _ => {}
        }
    }
    for (root, all) in [(&contracts::CONTRACT, contracts::ALL), (&configuration::CONFIGURATION, configuration::ALL)] {
        let mut found = Vec::new();
        walk(root, &mut found);
        let mut documented: Vec<_> = all.iter().map(|object| object.what).collect();
        found.sort_unstable();
        documented.sort_unstable();
        assert_eq!(found, documented);
    }
}
