//! The text that people read.

use crate::data::{self, csv, normals};

#[tokio::test]
async fn the_text_of_a_report() {
    let folder = data::folder();
    let rows = |seed: u64, mean: f64, missing: usize| {
        let numbers = normals(seed, 800, mean, 1.0).into_iter().enumerate();
        let line = move |(row, value): (usize, f64)| {
            let value = (value * 1000.0).round() / 1000.0;
            let is_missing = missing > 0 && row.is_multiple_of(missing);
            let visits = if is_missing { String::new() } else { (row % 7).to_string() };
            let colour = ["red", "green", "blue"][row % 3].to_owned();
            vec![value.to_string(), visits, colour, "2026-01-01".to_owned()]
        };
        numbers.map(line).collect::<Vec<_>>()
    };
    let header = ["amount", "visits", "colour", "day"];
    let reference = csv(folder.path(), "reference.csv", &header, rows(1, 20.0, 0));
    let current = csv(folder.path(), "current.csv", &header, rows(2, 21.0, 8));
    let report = data::report_of(&reference, &current).await;
    insta::assert_snapshot!(report::text::render(&report));
}

/// Labels in the reference alone: the other side's figures don't exist.
#[tokio::test]
async fn the_text_with_performance() {
    let folder = data::folder();
    let rows = |label: fn(f64) -> String| {
        (0..200).map(move |row| {
            let score = f64::from(row) / 200.0;
            vec![score.to_string(), label(score)]
        })
    };
    let reference =
        csv(folder.path(), "reference.csv", &["score", "label"], rows(|score| u8::from(score > 0.4).to_string()));
    let current = csv(folder.path(), "current.csv", &["score", "label"], rows(|_| "0".to_owned()));
    insta::assert_snapshot!(report::text::render(&data::report_of(&reference, &current).await));
}

#[tokio::test]
async fn the_text_of_two_empty_files() {
    let folder = data::folder();
    let empty = csv(folder.path(), "empty.csv", &["amount"], Vec::new());
    insta::assert_snapshot!(report::text::render(&data::report_of(&empty, &empty).await));
}

/// Doubles end at 5e-324, and a p-value below that is 0.
#[tokio::test]
async fn a_p_value_too_small_for_a_number_is_no_zero() {
    let folder = data::folder();
    let reference = csv(folder.path(), "reference.csv", &["amount"], std::iter::repeat_n(vec!["1".to_owned()], 20_000));
    let current = csv(folder.path(), "current.csv", &["amount"], std::iter::repeat_n(vec!["2".to_owned()], 20_000));
    let text = report::text::render(&data::report_of(&reference, &current).await);
    assert!(text.contains("p < 1e-300") && !text.contains("0e0"), "{text}");
}
