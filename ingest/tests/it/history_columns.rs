//! What the history says of a prediction, column by column.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use contract::model::{Contract, ShadowFields};
use ingest::Kind;

use crate::stream::{Stream, contract};

const OWN: [&str; 9] = ["event_id", "time", "version", "score", "prediction", "latency", "error", "late", "offset"];
const FEATURES: [&str; 4] = ["x", "n", "flag", "word"];

fn with_shadow() -> Contract {
    let mut contract = contract();
    let shadow = ShadowFields { version: "/shadow/version".to_owned(), score: "/shadow/score".to_owned() };
    contract.fields.predictions.shadow = Some(shadow);
    contract
}

/// A prediction with more members.
fn event(id: &str, seconds: i64, version: &str, more: &str) -> String {
    format!(
        r#"{{"model": {{"name": "m", "version": {version}}}, "id": "{id}", "t": {seconds}, "input": {{}}, "score": 0.25{more}}}"#
    )
}

fn history(stream: &mut Stream) -> RecordBatch {
    let rows = stream.shard.take_rows().unwrap();
    let predictions: Vec<_> = rows.iter().filter(|rows| rows.kind == Kind::Prediction).collect();
    assert_eq!(predictions.len(), 1);
    predictions[0].batch.clone()
}

fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect()
}

#[test]
fn the_history_has_what_the_event_said_in_documented_types() {
    let mut stream = Stream::new(contract());
    let more = r#", "class": true, "ms": 1500, "error": "no memory", "shadow": {"version": 1, "score": 1}"#;
    stream.send(Kind::Prediction, &event("a", 100, "3", more));
    stream.send(Kind::Prediction, &event("b", 101, "null", ""));
    let batch = history(&mut stream);
    assert_eq!(
        names(&batch),
        [OWN.as_slice(), FEATURES.as_slice()].concat(),
        "a shadow that isn't mapped is no column"
    );
    assert_eq!(*batch.column(1).data_type(), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(batch.column(1).as_primitive::<TimestampMicrosecondType>().value(0), 100_000_000);
    // No version is the empty one.
    assert_eq!(texts(&batch, "version"), [Some("3".to_owned()), Some(String::new())]);
    assert_eq!(numbers(&batch, "latency"), [Some(1.5), None], "seconds");
    let errors: Vec<_> = batch.column_by_name("error").unwrap().as_boolean().iter().collect();
    assert_eq!(errors, [Some(true), Some(false)]);
    assert_eq!(texts(&batch, "prediction"), [Some("true".to_owned()), None]);
}

#[test]
fn the_shadow_s_score_is_kept_and_changes_no_profile() {
    let mut plain = Stream::new(contract());
    let mut shadowed = Stream::new(with_shadow());
    let events = [
        event("a", 100, "\"2\"", r#", "shadow": {"version": "1", "score": 0.5}"#),
        event("b", 101, "\"2\"", r#", "shadow": {"version": 1, "score": 1}"#),
        event("c", 102, "\"2\"", r#", "shadow": {"version": null}"#),
        event("d", 103, "\"2\"", r#", "shadow": null"#),
        event("e", 104, "\"2\"", ""),
    ];
    for event in &events {
        plain.send(Kind::Prediction, event);
        shadowed.send(Kind::Prediction, event);
    }
    let batch = history(&mut shadowed);
    let expected = [OWN.as_slice(), &["shadow_version", "shadow_score"], FEATURES.as_slice()].concat();
    assert_eq!(names(&batch), expected);
    assert!(matches!(batch.column(9).data_type(), DataType::Dictionary(..)));
    let one = Some("1".to_owned());
    assert_eq!(texts(&batch, "shadow_version"), [one.clone(), one, None, None, None]);
    assert_eq!(numbers(&batch, "shadow_score"), [Some(0.5), Some(1.0), None, None, None]);
    assert_eq!(texts(&batch, "version"), vec![Some("2".to_owned()); 5]);
    plain.finish();
    shadowed.finish();
    assert!(!plain.publications.is_empty());
    assert_eq!(shadowed.publications, plain.publications);
}

#[test]
fn e2_a_shadow_of_a_wrong_type_is_refused_by_name() {
    let mut stream = Stream::new(with_shadow());
    let long = "v".repeat(257);
    for shadow in [
        r#"{"version": true, "score": 0.5}"#.to_owned(),
        r#"{"version": "1", "score": "high"}"#.to_owned(),
        format!(r#"{{"version": "{long}", "score": 0.5}}"#),
    ] {
        stream.send(Kind::Prediction, &event("a", 100, "\"2\"", &format!(r#", "shadow": {shadow}"#)));
    }
    let letters = stream.shard.progress().dead_letters;
    let details: Vec<_> = letters.iter().map(|letter| letter.detail.as_str()).collect();
    let expected = [
        "the shadow version at `/shadow/version` is a boolean, where text or an integer is expected",
        "the shadow score at `/shadow/score` is text, where a number is expected",
        "the shadow version at `/shadow/version` is longer than 256 bytes",
    ];
    assert_eq!(details, expected);
}

#[test]
fn features_keep_their_names_and_the_shadow_s_columns_get_underscores() {
    let mut contract = with_shadow();
    contract.schema[0].name = "shadow_score".to_owned();
    contract.schema[1].name = "_shadow_score".to_owned();
    let mut stream = Stream::new(contract);
    stream.send(
        Kind::Prediction,
        r#"{"model": {"name": "m"}, "id": "a", "t": 100, "input": {"shadow_score": 7.5}, "shadow": {"score": 0.5}}"#,
    );
    let batch = history(&mut stream);
    assert_eq!(names(&batch)[9..13], ["shadow_version", "__shadow_score", "shadow_score", "_shadow_score"]);
    assert_eq!(numbers(&batch, "shadow_score"), [Some(7.5)]);
    assert_eq!(numbers(&batch, "__shadow_score"), [Some(0.5)]);
}
