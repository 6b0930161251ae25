//! D3: whatever the files hold, there is a report without a NaN, or an error that says what to do.

use std::path::Path;

use contract::Severity;
use report::{Class, Options, compare};
use serde_json::Value;

use crate::data::{self, column, csv};

/// A report's promises, whatever the data: every number is a number, every result has a status, the reasons are given.
fn check(report: &Value) {
    for column in report["columns"].as_array().unwrap() {
        let severity = column["severity"].as_str().unwrap();
        assert!(["none", "info", "warning", "critical"].contains(&severity));
        for result in column["detectors"].as_array().unwrap() {
            match result["status"].as_str().unwrap() {
                // serde_json writes NaN and infinities as null.
                "scored" => {
                    assert!(result["statistic"].is_number(), "{result}");
                    for (key, value) in result.as_object().unwrap() {
                        assert!(!value.is_null(), "{key} of {result}");
                    }
                    if let Some(p) = result.get("p_value") {
                        assert!((0.0..=1.0).contains(&p.as_f64().unwrap()), "{result}");
                    }
                }
                "insufficient_data" | "undefined" => {
                    assert!(!result["reason"].as_str().unwrap().is_empty(), "{result}");
                }
                other => panic!("status {other}"),
            }
        }
    }
}

async fn checked(reference: &Path, current: &Path) -> Value {
    let report = data::report_of(reference, current).await;
    let text = report::text::render(&report);
    assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
    let json = data::json(&report);
    check(&json);
    json
}

fn rows(count: usize) -> Vec<Vec<String>> {
    let mut numbers = data::Numbers::seeded(count as u64 + 1);
    let colours = ["red", "green", "blue"];
    (0..count).map(|row| vec![numbers.normal().to_string(), colours[row % 3].to_owned()]).collect()
}

const HEADER: [&str; 2] = ["amount", "colour"];

#[tokio::test]
async fn d3_files_with_no_row_one_row_and_ten_rows() {
    let folder = data::folder();
    let many = csv(folder.path(), "many.csv", &HEADER, rows(2000));
    for count in [0, 1, 10] {
        let few = csv(folder.path(), "few.csv", &HEADER, rows(count));
        for (reference, current) in [(&many, &few), (&few, &many), (&few, &few)] {
            let report = checked(reference, current).await;
            assert_eq!(report["columns"].as_array().unwrap().len(), 2);
        }
        let report = checked(&many, &few).await;
        assert_eq!(report["rows"]["current"], count);
        assert_eq!(report["drifted_columns"], serde_json::json!([]), "{count} rows are no evidence");
    }
}

#[tokio::test]
async fn d3_constant_columns() {
    let folder = data::folder();
    let constant = |value: &str| std::iter::repeat_n(vec![value.to_owned(), value.to_owned()], 500);
    let one = csv(folder.path(), "one.csv", &HEADER, constant("1"));
    let same = csv(folder.path(), "same.csv", &HEADER, constant("1"));
    let two = csv(folder.path(), "two.csv", &HEADER, constant("2"));
    let many = csv(folder.path(), "many.csv", &HEADER, rows(500));
    assert_eq!(checked(&one, &same).await["drifted_columns"], serde_json::json!([]));
    let report = checked(&one, &two).await;
    assert_eq!(report["drifted_columns"], serde_json::json!(["amount", "colour"]), "another constant is another value");
    let report = checked(&many, &two).await;
    assert!(report["drifted_columns"].as_array().unwrap().contains(&serde_json::json!("amount")));
}

#[tokio::test]
async fn d3_columns_without_a_value() {
    let folder = data::folder();
    let empty = csv(folder.path(), "empty.csv", &HEADER, std::iter::repeat_n(vec![String::new(), String::new()], 300));
    let full = csv(folder.path(), "full.csv", &HEADER, rows(300));
    let report = checked(&full, &empty).await;
    assert_eq!(column(&report, "amount")["missing"]["current"], 1.0);
    assert_eq!(column(&report, "amount")["drifted"], true);
    assert_eq!(checked(&empty, &empty).await["drifted_columns"], serde_json::json!([]));
    checked(&empty, &full).await;
}

#[tokio::test]
async fn d3_infinities_and_numbers_at_the_edge_of_doubles() {
    let folder = data::folder();
    let odd = ["inf", "-inf", "NaN", "1e308", "-1e308", "5e-324", "0", "-0"];
    let cells = |row: usize| vec![odd[row % odd.len()].to_owned(), "red".to_owned()];
    let current = csv(folder.path(), "current.csv", &HEADER, (0..800).map(cells));
    let reference = csv(folder.path(), "reference.csv", &HEADER, rows(800));
    let report = checked(&reference, &current).await;
    assert_eq!(column(&report, "amount")["non_finite"]["current"], 300);
    checked(&current, &reference).await;
    checked(&current, &current).await;
}

#[tokio::test]
async fn d3_names_and_values_in_any_script() {
    let folder = data::folder();
    let header = ["Betrag in €", "城市", "a.b \"quoted\"", "ПОЛЕ"];
    let rows = |seed: u64| {
        let mut numbers = data::Numbers::seeded(seed);
        let cities = ["Zürich", "東京", "São Paulo 🦀", "Ærøskøbing"];
        (0..400).map(move |row| {
            let number = numbers.normal().to_string();
            vec![number.clone(), cities[row % 4].to_owned(), number.clone(), number]
        })
    };
    // The third name holds quotation marks: doubled inside quoted text, as RFC 4180 has it.
    let written = ["Betrag in €", "城市", "\"a.b \"\"quoted\"\"\"", "ПОЛЕ"];
    let reference = csv(folder.path(), "reference.csv", &written, rows(1));
    let current = csv(folder.path(), "current.csv", &written, rows(2));
    let report = checked(&reference, &current).await;
    let names: Vec<&str> =
        report["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, header);
    assert_eq!(report["drifted_columns"], serde_json::json!([]));
}

#[tokio::test]
async fn d3_three_hundred_columns() {
    let folder = data::folder();
    let names: Vec<String> = (0..300).map(|index| format!("column_{index}")).collect();
    let header: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = |seed: u64, shift: f64| {
        let mut numbers = data::Numbers::seeded(seed);
        (0..500).map(move |_| {
            (0..300).map(|column| (numbers.normal() + if column == 137 { shift } else { 0.0 }).to_string()).collect()
        })
    };
    let reference = csv(folder.path(), "reference.csv", &header, rows(1, 0.0));
    let current = csv(folder.path(), "current.csv", &header, rows(2, 1.0));
    let report = checked(&reference, &current).await;
    assert_eq!(report["columns"].as_array().unwrap().len(), 300);
    assert_eq!(report["drifted_columns"], serde_json::json!(["column_137"]), "one shifted column among 300");
}

#[tokio::test]
async fn d3_a_side_without_rows_is_said_and_critical() {
    let folder = data::folder();
    let full = csv(folder.path(), "full.csv", &HEADER, rows(500));
    let empty = csv(folder.path(), "empty.csv", &HEADER, rows(0));
    for (reference, current, severity, words) in [
        (&full, &empty, Severity::Critical, "the current data has no rows"),
        (&empty, &full, Severity::Critical, "the reference has no rows"),
        (&empty, &empty, Severity::None, "neither data set has rows"),
    ] {
        let report = data::report_of(reference, current).await;
        assert_eq!(report.worst(), severity, "{words}");
        let sentence = format!("Nothing could be compared: {words}.");
        assert_eq!(data::json(&report)["reason"], sentence);
        let text = report::text::render(&report);
        assert!(text.contains(&sentence) && !text.contains("No column drifted"), "{text}");
    }
    let few = csv(folder.path(), "few.csv", &["day"], vec![vec!["2026-01-01".to_owned()]]);
    let report = data::report_of(&few, &few).await;
    assert_eq!(data::json(&report)["reason"], "No column was judged.");
    assert!(report::text::render(&report).starts_with("1 row in the reference, 1 in the current data, 1 column."));
    let report = data::json(&data::report_of(&full, &full).await);
    assert!(report.get("reason").is_none() && report["severity"] == "none");
}

#[tokio::test]
async fn a_column_that_is_gone_is_critical_and_a_new_one_is_no_concern() {
    let folder = data::folder();
    let reference = csv(folder.path(), "reference.csv", &HEADER, rows(400));
    let renamed = csv(folder.path(), "current.csv", &["amount", "color"], rows(400));
    let report = checked(&reference, &renamed).await;
    assert_eq!(column(&report, "colour")["severity"], "critical");
    assert_eq!(column(&report, "colour")["explanation"], "colour is missing from the current data.");
    assert_eq!(report["drifted_columns"], serde_json::json!(["colour"]));
    assert_eq!(report["severity"], "critical");
    let new = column(&report, "color");
    assert_eq!(new["severity"], "info");
    assert_eq!(new["explanation"], "color is new: only the current data has it.");
    assert_eq!(new["missing"], serde_json::json!({ "reference": null, "current": 0.0 }));
}

#[tokio::test]
async fn names_that_differ_in_capitals_alone_are_pointed_at() {
    let folder = data::folder();
    let reference = csv(folder.path(), "reference.csv", &HEADER, rows(400));
    let renamed = csv(folder.path(), "current.csv", &["amount", "Colour"], rows(400));
    let report = checked(&reference, &renamed).await;
    let explanation = &column(&report, "colour")["explanation"];
    assert_eq!(explanation, "colour is missing from the current data; there is `Colour`.");
    let upper = csv(folder.path(), "upper.csv", &["AMOUNT", "COLOUR"], rows(10));
    let error = compare(&reference, &upper, Options::default()).await.unwrap_err().to_string();
    assert!(error.contains("amount, colour") && error.contains("AMOUNT, COLOUR"), "{error}");
}

#[tokio::test]
async fn d3_what_a_terminal_would_obey_is_escaped() {
    let folder = data::folder();
    let header = ["\u{1b}[2Jamount", "col\u{202e}our"];
    let evil = |reds: usize| {
        let value = move |row: usize| if row < reds { "\u{1b}[31mred" } else { "\u{9b}31mblue\u{200f}" };
        (0..500).map(move |row| vec!["1".to_owned(), value(row).to_owned()])
    };
    let reference = csv(folder.path(), "reference.csv", &header, evil(250));
    let current = csv(folder.path(), "current.csv", &header, evil(100));
    let report = data::report_of(&reference, &current).await;
    let text = report::text::render(&report);
    assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{200f}']), "{text}");
    assert!(text.contains("\\u{1b}[2Jamount") && text.contains("\\u{9b}31mblue"), "{text}");
    let other = csv(folder.path(), "other.csv", &["x"], vec![vec!["1".to_owned()]]);
    let error = compare(&reference, &other, Options::default()).await.unwrap_err().to_string();
    assert!(!error.contains('\u{1b}') && error.contains("\\u{1b}[2Jamount"), "{error}");
}

#[tokio::test]
async fn e1_files_with_nothing_in_common_or_none_at_all_are_errors_that_name_the_file() {
    let folder = data::folder();
    let reference = csv(folder.path(), "reference.csv", &HEADER, rows(10));
    let other = csv(folder.path(), "other.csv", &["x", "y"], rows(10));
    let error = compare(&reference, &other, Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("other.csv") && error.to_string().contains("amount, colour"), "{error}");
    assert_eq!(error.class(), Class::User);

    let absent = folder.path().join("absent.parquet");
    let error = compare(&reference, &absent, Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("absent.parquet"), "{error}");

    let broken = folder.path().join("broken.parquet");
    std::fs::write(&broken, "this is no Parquet").unwrap();
    let error = compare(&reference, &broken, Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("broken.parquet"), "{error}");
    assert_eq!(error.class(), Class::User);
}

#[tokio::test]
async fn a_folder_is_the_files_in_it() {
    let folder = data::folder();
    let parts = folder.path().join("parts");
    std::fs::create_dir(&parts).unwrap();
    let all = rows(900);
    csv(&parts, "a.csv", &HEADER, all[..300].to_vec());
    csv(&parts, "b.csv", &HEADER, all[300..].to_vec());
    let whole = csv(folder.path(), "whole.csv", &HEADER, all);
    let report = checked(&whole, &parts).await;
    assert_eq!(report["rows"], serde_json::json!({ "reference": 900, "current": 900 }));
    assert_eq!(data::detector(&report, "amount", "ks")["statistic"], 0.0);
}
