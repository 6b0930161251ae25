//! A limit on everything that costs something in every window, or for every alert.

use std::fmt::Write;
use std::path::Path;

use contract::configuration::{MAX_CHANNELS, MAX_ROUTES, configuration_from_text};
use contract::lower::{MAX_COLUMNS, MAX_RULE_FILES, MAX_SEGMENTS, contract_from_text};

use crate::text;

/// `count` items, each made from its number.
fn many(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut items, index| {
        let _ = write!(items, "{}, ", item(index));
        items
    })
}

/// What is wrong with the example after one of its lines is replaced.
fn contract_messages(key: &str, value: &str) -> Vec<String> {
    let example = text("fraud.yaml");
    let lines =
        example.lines().map(|line| if line.starts_with(key) { format!("{key}: {value}") } else { line.to_owned() });
    let changed = lines.collect::<Vec<_>>().join("\n");
    let errors = contract_from_text(&changed, Path::new("fraud.yaml")).err().unwrap_or_default();
    errors.into_iter().map(|error| error.message).collect()
}

fn configuration_messages(rest: &str) -> Vec<String> {
    let text = format!("kafka: {{ brokers: 'a:1' }}\ncontracts: []\n{rest}\n");
    let errors = configuration_from_text(&text, Path::new("bellwether.yaml")).err().unwrap_or_default();
    errors.into_iter().map(|error| error.message).collect()
}

#[test]
fn a_contract_has_a_limited_number_of_columns() {
    let with = |count| {
        let example = text("fraud.yaml").replace(", segments: [ country ] }", " }");
        let (before, rest) = example.split_once("schema:\n").unwrap();
        let (_, after) = rest.split_once("segments: [ country ]\n").unwrap();
        let columns = many(count, |index| format!("c{index}: {{ type: int64 }}"));
        contract_from_text(&format!("{before}schema: {{ {columns} }}\n{after}"), Path::new("fraud.yaml"))
    };
    assert_eq!(with(MAX_COLUMNS).unwrap().schema.len(), MAX_COLUMNS);
    assert_eq!(with(MAX_COLUMNS + 1).unwrap_err()[0].message, "more than 2000 columns");
}

#[test]
fn a_contract_has_a_limited_number_of_segments_and_rule_files() {
    let segments = format!("[ {} ]", many(MAX_SEGMENTS + 1, |index| format!("c{index}")));
    assert_eq!(contract_messages("segments", &segments), ["more than 16 segments"]);
    let rules = |count| format!("[ {} ]", many(count, |index| format!("r{index}.yaml")));
    assert!(contract_messages("rules", &rules(MAX_RULE_FILES)).is_empty());
    assert_eq!(contract_messages("rules", &rules(MAX_RULE_FILES + 1)), ["more than 100 rule files"]);
}

#[test]
fn a_contract_holds_a_limited_number_of_windows() {
    // 14 days of windows of 140 seconds are 8,640.
    let windows = |size: &str| contract_messages("windows", &format!("{{ size: {size}, maturity: 6h }}"));
    assert_eq!(windows("140s"), ["8640 windows would be held until the last label; 8192 are allowed"]);
    assert!(windows("148s").is_empty());
    assert_eq!(windows("500ms")[0], "`windows.size` must be 1s at least");
}

#[test]
fn a_configuration_has_a_limited_number_of_channels_and_routes() {
    let channel = "webhook: { url: 'https://a.example', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }";
    let channels = |count| format!("channels: {{ {} }}", many(count, |index| format!("c{index}: {{ {channel} }}")));
    assert!(configuration_messages(&channels(MAX_CHANNELS)).is_empty());
    assert_eq!(configuration_messages(&channels(MAX_CHANNELS + 1)), ["more than 100 channels"]);
    let routes =
        format!("{}\nroutes: [ {} ]", channels(1), many(MAX_ROUTES + 1, |_| "{ channels: [ c0 ] }".to_owned()));
    assert_eq!(configuration_messages(&routes), ["more than 1000 routes"]);
}
