//! D3: columns whose type changed, and the types that a contract declares.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type};
use serde_json::Value;

use crate::data::{self, column, detector};

const ROWS: usize = 500;

fn floats() -> ArrayRef {
    Arc::new(Float64Array::from(data::normals(1, ROWS, 5.0, 1.0)))
}

fn texts() -> ArrayRef {
    Arc::new(StringArray::from(vec!["red"; ROWS]))
}

fn lists() -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]); ROWS]))
}

fn structs() -> ArrayRef {
    Arc::new(StructArray::from(vec![(Arc::new(Field::new("a", DataType::Float64, true)), floats())]))
}

fn binaries() -> ArrayRef {
    Arc::new(BinaryArray::from_vec(vec![b"\xff"; ROWS]))
}

fn times() -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from((0..ROWS as i64).collect::<Vec<_>>()))
}

fn days() -> ArrayRef {
    Arc::new(Date32Array::from((0..ROWS as i32).collect::<Vec<_>>()))
}

/// A file with a column `c`, and one that never changes.
fn file(folder: &Path, name: &str, array: ArrayRef) -> PathBuf {
    data::parquet(folder, name, &data::batch(vec![("c", array), ("same", floats())]))
}

async fn report(reference: ArrayRef, current: ArrayRef) -> Value {
    let folder = data::folder();
    let reference = file(folder.path(), "reference.parquet", reference);
    let current = file(folder.path(), "current.parquet", current);
    data::json(&data::report_of(&reference, &current).await)
}

#[tokio::test]
async fn d3_a_column_of_another_type_is_said_and_the_others_are_compared() {
    for (reference, current, words) in [
        (floats(), lists(), "from float64 to list"),
        (floats(), structs(), "from float64 to struct"),
        (floats(), binaries(), "from float64 to binary"),
        (floats(), times(), "from float64 to timestamp"),
        (days(), floats(), "from date to float64"),
        (texts(), lists(), "from text to list"),
        (lists(), texts(), "from list to text"),
        (texts(), structs(), "from text to struct"),
        (texts(), binaries(), "from text to binary"),
        (texts(), days(), "from text to date"),
        (lists(), structs(), "from list to struct"),
    ] {
        let report = report(reference, current).await;
        let found = column(&report, "c");
        assert_eq!(found["explanation"], format!("c changed its type {words}."));
        assert_eq!((&found["severity"], &found["drifted"]), (&"critical".into(), &true.into()), "{words}");
        assert_eq!(report["drifted_columns"], serde_json::json!(["c"]));
        assert_eq!(detector(&report, "same", "ks")["statistic"], 0.0, "{words}");
    }
}

#[tokio::test]
async fn types_whose_values_can_be_read_as_each_other_are_compared() {
    let whole: ArrayRef = Arc::new(Int64Array::from((0..ROWS as i64).map(|row| row % 2).collect::<Vec<_>>()));
    let half: ArrayRef = Arc::new(Float64Array::from((0..ROWS).map(|row| (row % 2) as f64).collect::<Vec<_>>()));
    let flags: ArrayRef = Arc::new(BooleanArray::from((0..ROWS).map(|row| row % 2 == 1).collect::<Vec<_>>()));
    let words: ArrayRef = Arc::new(StringArray::from((0..ROWS).map(|row| ["0", "1"][row % 2]).collect::<Vec<_>>()));
    for (reference, current, kind) in [
        (&whole, &half, "numeric"),
        (&whole, &flags, "numeric"),
        (&flags, &whole, "numeric"),
        (&half, &words, "numeric"),
        (&words, &whole, "categorical"),
        (&lists(), &lists(), "other"),
        (&times(), &days(), "other"),
    ] {
        let report = report(Arc::clone(reference), Arc::clone(current)).await;
        let found = column(&report, "c");
        assert_eq!((&found["kind"], &found["severity"]), (&kind.into(), &"none".into()), "{found}");
    }
}

#[tokio::test]
async fn d3_values_of_a_wrong_type_are_not_missing() {
    let garbage = report(floats(), texts()).await;
    let found = column(&garbage, "c");
    assert_eq!(found["missing"], serde_json::json!({ "reference": 0.0, "current": 0.0 }));
    assert_eq!(detector(&garbage, "c", "type_mismatch")["statistic"], 1.0);
    assert_eq!(found["severity"], "critical");
    let rows = (0..ROWS).map(|row| match row % 4 {
        0 => Some("oops"),
        1 => None,
        _ => Some("5.0"),
    });
    let mixed = report(floats(), Arc::new(StringArray::from(rows.collect::<Vec<_>>()))).await;
    assert_eq!(column(&mixed, "c")["missing"]["current"], 0.25, "a quarter of all rows");
    assert_eq!(detector(&mixed, "c", "type_mismatch")["statistic"], 0.25);
}

#[tokio::test]
async fn d3_json_lines_with_odd_types_are_compared() {
    let folder = data::folder();
    let lines = |name: &str, odd: &str| {
        let line = |value: &f64| format!("{{\"c\": {value}, \"same\": {value}}}\n");
        let lines: Vec<String> = data::normals(3, ROWS, 5.0, 1.0).iter().map(line).collect();
        let path = folder.path().join(name);
        std::fs::write(&path, format!("\u{feff}{}{}", lines.concat(), odd.repeat(100))).unwrap();
        path
    };
    let reference = lines("reference.jsonl", "");
    let current =
        lines("current.jsonl", "{\"c\": \"many\", \"same\": 5}\n{\"c\": {\"x\": 1}, \"same\": 5, \"new\": []}\n");
    let report = data::json(&data::report_of(&reference, &current).await);
    let share = 200.0 / 700.0;
    assert!((detector(&report, "c", "type_mismatch")["statistic"].as_f64().unwrap() - share).abs() < 1e-9);
    assert_eq!(column(&report, "c")["severity"], "critical");
    assert_eq!(column(&report, "new")["severity"], "info");
    assert_eq!(report["rows"], serde_json::json!({ "reference": 500, "current": 700 }));
}

async fn with_contract(reference: &Path, current: &Path, schema: &str) -> Value {
    let path = reference.with_file_name("contract.yaml");
    let text = format!(
        "version: 1\nmodel: shop\ntask: none\nsources: {{ predictions: {{ topic: shop }} }}\n\
         fields: {{ predictions: {{ event_id: /id, time: /at }} }}\nschema: {{ {schema} }}\nwindows: {{ size: 1h }}\n"
    );
    std::fs::write(&path, text).unwrap();
    let contract = contract::lower::read_contract(&path).unwrap();
    let options = report::Options { contract: Some(&contract) };
    data::json(&report::compare(reference, current, options).await.unwrap())
}

#[tokio::test]
async fn d3_the_types_of_a_contract_are_those_of_the_stream() {
    let folder = data::folder();
    let rows = |fraction: &str| {
        (0..400)
            .map(move |row| {
                let number = if row % 4 == 0 { format!("{row}{fraction}") } else { row.to_string() };
                vec![number, format!("00{}", row % 3), u8::from(row % 2 == 0).to_string()]
            })
            .collect::<Vec<_>>()
    };
    let header = ["c", "code", "flag"];
    let reference = data::csv(folder.path(), "reference.csv", &header, rows(".0"));
    let current = data::csv(folder.path(), "current.csv", &header, rows(".5"));
    let schema = "c: { type: int64 }, code: { type: string }, flag: { type: boolean }";
    let report = with_contract(&reference, &current, schema).await;
    assert_eq!(detector(&report, "c", "type_mismatch")["statistic"], 0.25, "2.5 is no integer, 2.0 is one");
    assert_eq!(column(&report, "c")["missing"]["current"], 0.0);
    // CSV has no text but what is declared to be: 007 keeps its zeros.
    assert_eq!(
        (&column(&report, "code")["kind"], &column(&report, "code")["severity"]),
        (&"categorical".into(), &"none".into())
    );
    assert_eq!(detector(&report, "flag", "type_mismatch")["statistic"], 0.0);
    assert_eq!(report["drifted_columns"], serde_json::json!(["c"]));
}

#[tokio::test]
async fn d3_a_column_that_cannot_be_what_the_contract_declares_is_critical() {
    let folder = data::folder();
    let reference = file(folder.path(), "reference.parquet", texts());
    let current = file(folder.path(), "current.parquet", floats());
    let report = with_contract(&reference, &current, "c: { type: string }, same: { type: float64 }").await;
    let explanation = &column(&report, "c")["explanation"];
    assert_eq!(explanation, "c is float64 in the current data, where the contract declares string.");
    assert_eq!(report["drifted_columns"], serde_json::json!(["c"]));
    let report = with_contract(&current, &current, "c: { type: string, judge: false }, same: { type: string }").await;
    let explanation = &column(&report, "same")["explanation"];
    assert_eq!(explanation, "same is float64 in both data sets, where the contract declares string.");
    assert_eq!(report["drifted_columns"], serde_json::json!(["same"]), "c isn't judged");
}

#[tokio::test]
async fn a_column_of_the_contract_that_is_nowhere_is_a_warning() {
    let folder = data::folder();
    let file = file(folder.path(), "file.parquet", floats());
    let report =
        with_contract(&file, &file, "c: { type: float64 }, Same: { type: float64 }, gone: { type: int64 }").await;
    for (name, explanation) in
        [("gone", "gone is in neither data set."), ("Same", "Same is in neither data set; there is `same`.")]
    {
        assert_eq!(column(&report, name)["explanation"], explanation);
        assert_eq!(column(&report, name)["severity"], "warning");
    }
    assert_eq!(report["severity"], "warning");
    assert_eq!(report["drifted_columns"], serde_json::json!([]));
}
