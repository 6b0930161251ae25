//! The performance section: figures by scikit-learn's names where both files have scores and labels.

use serde_json::Value;

use crate::data::{self, Numbers, csv};

/// Scores and the labels that belong to them: calibrated as far as `skill` goes.
fn scored(seed: u64, rows: usize, skill: f64) -> Vec<(f64, bool)> {
    let mut numbers = Numbers::seeded(seed);
    (0..rows)
        .map(|_| {
            let score = (0.02 + 0.96 * numbers.uniform()).clamp(0.01, 0.99);
            let truth = skill * score + (1.0 - skill) * 0.5;
            (score, numbers.uniform() < truth)
        })
        .collect()
}

fn cells(data: &[(f64, bool)]) -> Vec<Vec<String>> {
    data.iter().map(|(score, label)| vec!["1".to_owned(), score.to_string(), u8::from(*label).to_string()]).collect()
}

async fn report(reference: &[(f64, bool)], current: &[(f64, bool)]) -> Value {
    let folder = data::folder();
    let header = ["amount", "score", "label"];
    let reference = csv(folder.path(), "reference.csv", &header, cells(reference));
    let current = csv(folder.path(), "current.csv", &header, cells(current));
    data::json(&data::report_of(&reference, &current).await)
}

fn log_loss(data: &[(f64, bool)]) -> f64 {
    let loss = |(score, label): &(f64, bool)| -(if *label { *score } else { 1.0 - score }).ln();
    data.iter().map(loss).sum::<f64>() / data.len() as f64
}

fn brier_score(data: &[(f64, bool)]) -> f64 {
    data.iter().map(|(score, label)| (score - f64::from(u8::from(*label))).powi(2)).sum::<f64>() / data.len() as f64
}

fn accuracy(data: &[(f64, bool)]) -> f64 {
    data.iter().filter(|(score, label)| (*score >= 0.5) == *label).count() as f64 / data.len() as f64
}

/// The share of pairs of a positive and a negative that are in the right order; ties count half.
fn roc_auc(data: &[(f64, bool)]) -> f64 {
    let positives = data.iter().filter(|(_, label)| *label);
    let mut right = 0.0;
    for (positive, _) in positives.clone() {
        for (negative, _) in data.iter().filter(|(_, label)| !*label) {
            right += if positive > negative {
                1.0
            } else if positive < negative {
                0.0
            } else {
                0.5
            };
        }
    }
    let positives = positives.count();
    right / (positives * (data.len() - positives)) as f64
}

#[tokio::test]
async fn d1_performance_is_that_of_a_direct_computation() {
    let (before, now) = (scored(1, 900, 1.0), scored(2, 800, 0.4));
    let report = report(&before, &now).await;
    for (side, data) in [("reference", &before), ("current", &now)] {
        let figures = &report["performance"][side];
        for (name, expected) in [
            ("log_loss", log_loss(data)),
            ("brier_score", brier_score(data)),
            ("accuracy", accuracy(data)),
            ("roc_auc", roc_auc(data)),
        ] {
            let figure = figures[name].as_f64().unwrap_or_else(|| panic!("{side} has no {name}: {figures}"));
            // The profile counts by score bin: docs/detectors.md states the error bound of each figure.
            assert!((figure - expected).abs() < 2e-3, "{side} {name}: {figure}, not {expected}");
        }
    }
}

#[tokio::test]
async fn accuracy_is_of_the_predictions_where_the_file_has_them() {
    let folder = data::folder();
    // Every prediction is 1, whatever the score.
    let rows = scored(5, 400, 1.0);
    let cells = rows.iter().map(|(score, label)| vec![score.to_string(), label.to_string(), "1".to_owned()]);
    let file = csv(folder.path(), "data.csv", &["score", "label", "prediction"], cells);
    let report = data::json(&data::report_of(&file, &file).await);
    let positives = rows.iter().filter(|(_, label)| *label).count() as f64 / 400.0;
    let accuracy = report["performance"]["current"]["accuracy"].as_f64().unwrap();
    assert!((accuracy - positives).abs() < 1e-12, "{accuracy}, not {positives}");
}

#[tokio::test]
async fn d3_one_class_alone_has_no_roc_auc_but_a_log_loss() {
    let all_negative: Vec<(f64, bool)> = scored(3, 300, 1.0).into_iter().map(|(score, _)| (score, false)).collect();
    let report = report(&scored(4, 300, 1.0), &all_negative).await;
    let figures = &report["performance"]["current"];
    assert!(figures.get("roc_auc").is_none(), "{figures}");
    assert!(figures["log_loss"].is_number());
}

#[tokio::test]
async fn without_scores_and_labels_there_are_no_figures() {
    let folder = data::folder();
    let file = csv(folder.path(), "data.csv", &["amount"], (0..50).map(|row| vec![row.to_string()]));
    let report = data::json(&data::report_of(&file, &file).await);
    let nothing = serde_json::json!({ "reference": null, "current": null });
    assert_eq!(report["performance"]["reference"], serde_json::json!({}));
    assert_eq!(report["performance"]["current"], serde_json::json!({}));
    assert_eq!(report["performance"]["reasons"], nothing, "nobody expects figures");
}

#[tokio::test]
async fn a_label_that_is_no_class_or_a_score_that_is_no_probability_gives_no_figures() {
    let folder = data::folder();
    let header = ["score", "label"];
    let file = csv(folder.path(), "data.csv", &header, (0..50).map(|row| vec![row.to_string(), (row % 5).to_string()]));
    let report = data::json(&data::report_of(&file, &file).await);
    assert_eq!(report["performance"]["current"], serde_json::json!({}));
    let reason = report["performance"]["reasons"]["current"].as_str().unwrap();
    assert!(reason.starts_with("48 of the 50 rows"), "{reason}");
}

/// Whatever is wrong with a few rows costs these rows, and is said.
#[tokio::test]
async fn d3_rows_that_are_of_no_use_are_skipped_and_counted() {
    let folder = data::folder();
    let good = scored(6, 400, 0.8);
    let mut rows: Vec<Vec<String>> = cells(&good);
    let odd = [("NaN", "1"), ("1.0001", "0"), ("-0.5", "0"), ("0.5", "2"), ("0.5", "fraud"), ("high", "1")];
    rows.extend(odd.map(|(score, label)| vec!["1".to_owned(), score.to_owned(), label.to_owned()]));
    // Without a score or a label, a row is no part of it.
    rows.extend(
        [("", "1"), ("0.5", ""), ("0.5", "NaN")].map(|(s, l)| vec!["1".to_owned(), s.to_owned(), l.to_owned()]),
    );
    let header = ["amount", "score", "label"];
    let reference = csv(folder.path(), "reference.csv", &header, cells(&good));
    let current = csv(folder.path(), "current.csv", &header, rows);
    let report = data::report_of(&reference, &current).await;
    let performance = &data::json(&report)["performance"];
    assert_eq!(performance["skipped"], serde_json::json!({ "reference": 0, "current": 6 }));
    assert_eq!(performance["current"], performance["reference"], "the same rows count");
    assert!((performance["current"]["log_loss"].as_f64().unwrap() - log_loss(&good)).abs() < 2e-3);
    let text = report::text::render(&report);
    assert!(text.contains("Performance leaves out 6 rows of the current data"), "{text}");
}

#[tokio::test]
async fn d3_a_side_without_figures_says_why() {
    let folder = data::folder();
    let header = ["amount", "score", "label"];
    let reference = csv(folder.path(), "reference.csv", &header, cells(&scored(7, 100, 1.0)));
    let unlabelled =
        csv(folder.path(), "unlabelled.csv", &["amount", "score"], vec![vec!["1".to_owned(), "0.5".to_owned()]]);
    let waiting =
        csv(folder.path(), "waiting.csv", &header, vec![vec!["1".to_owned(), "0.5".to_owned(), String::new()]]);
    let nested = folder.path().join("nested.jsonl");
    std::fs::write(&nested, "{\"amount\": 1, \"score\": [0.5], \"label\": 1}\n").unwrap();
    for (current, reason) in [
        (&unlabelled, "there is no column `label`"),
        (&waiting, "no row has both a score and a label"),
        (&nested, "the column `score` is list"),
    ] {
        let report = data::report_of(&reference, current).await;
        let performance = &data::json(&report)["performance"];
        assert_eq!(performance["reasons"], serde_json::json!({ "reference": null, "current": reason }));
        assert!(performance["reference"]["log_loss"].is_number());
        let text = report::text::render(&report);
        assert!(text.contains(&format!("No performance of the current data: {reason}.")), "{text}");
    }
}
