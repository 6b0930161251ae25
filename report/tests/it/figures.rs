//! D1: the figures of a report are what a direct computation gives.

use std::sync::Arc;

use arrow::array::{Float64Array, StringArray};

use crate::data::{self, column, detector, normals, numbers_csv};

const TOLERANCE: f64 = 1e-9;

fn close(figure: &serde_json::Value, expected: f64) {
    let figure = figure.as_f64().unwrap();
    assert!((figure - expected).abs() <= TOLERANCE * expected.abs().max(1.0), "{figure} is not {expected}");
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// Share of values at most `x`.
fn share_up_to(sorted: &[f64], x: f64) -> f64 {
    sorted.partition_point(|value| *value <= x) as f64 / sorted.len() as f64
}

/// The largest distance of two empirical distribution functions.
fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (sorted(a), sorted(b));
    a.iter().chain(&b).map(|x| (share_up_to(&a, *x) - share_up_to(&b, *x)).abs()).fold(0.0, f64::max)
}

/// The area between two empirical distribution functions.
fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (sorted(a), sorted(b));
    let mut all: Vec<f64> = a.iter().chain(&b).copied().collect();
    all.sort_by(f64::total_cmp);
    all.windows(2).map(|pair| (share_up_to(&a, pair[0]) - share_up_to(&b, pair[0])).abs() * (pair[1] - pair[0])).sum()
}

#[tokio::test]
async fn d1_kolmogorov_smirnov_and_wasserstein_are_those_of_the_sorted_values() {
    let folder = data::folder();
    // Fewer than 1,024 different values each: the profiles are exact.
    let (before, now) = (normals(1, 900, 10.0, 2.0), normals(2, 700, 10.6, 2.5));
    let reference = numbers_csv(folder.path(), "reference.csv", &before);
    let current = numbers_csv(folder.path(), "current.csv", &now);
    let report = data::json(&data::report_of(&reference, &current).await);
    let ks = detector(&report, "amount", "ks");
    close(&ks["statistic"], kolmogorov_smirnov(&before, &now));
    assert_eq!(ks["method"], "exact");
    close(&detector(&report, "amount", "wasserstein")["statistic"], wasserstein(&before, &now));
    assert_eq!(report["rows"]["reference"], 900);
    assert_eq!(report["rows"]["current"], 700);
    assert_eq!(report["drifted_columns"], serde_json::json!(["amount"]), "0.3 standard deviations in 700 rows");
}

#[tokio::test]
async fn d1_a_data_set_does_not_differ_from_itself() {
    let folder = data::folder();
    let values = normals(3, 5000, 0.0, 1.0);
    let file = numbers_csv(folder.path(), "same.csv", &values);
    let report = data::json(&data::report_of(&file, &file).await);
    for name in ["ks", "wasserstein", "psi", "js", "location", "log_variance", "missing_rate", "non_finite_rate"] {
        let result = detector(&report, "amount", name);
        assert_eq!(result["status"], "scored", "{result}");
        assert!(result["statistic"].as_f64().unwrap().abs() < 1e-12, "{result}");
    }
    assert_eq!(report["drifted_columns"], serde_json::json!([]));
}

#[tokio::test]
async fn d1_the_order_of_the_rows_and_the_format_of_the_file_change_nothing() {
    let folder = data::folder();
    let values = normals(4, 3000, 100.0, 30.0);
    let reversed: Vec<f64> = values.iter().rev().copied().collect();
    let reference = numbers_csv(folder.path(), "reference.csv", &normals(5, 3000, 101.0, 30.0));
    let columns = |values: &[f64]| data::batch(vec![("amount", Arc::new(Float64Array::from(values.to_vec())))]);
    let files = [
        numbers_csv(folder.path(), "current.csv", &values),
        data::parquet(folder.path(), "current.parquet", &columns(&reversed)),
        data::arrow_file(folder.path(), "current.arrow", &columns(&values)),
    ];
    let mut reports = Vec::new();
    for file in &files {
        let report = data::json(&data::report_of(&reference, file).await);
        reports.push(report["columns"].clone());
    }
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0], reports[2]);
}

#[tokio::test]
async fn d1_missing_values_and_values_that_are_not_finite_are_counted() {
    let folder = data::folder();
    let numbers: Vec<Option<f64>> = (0..1000)
        .map(|row| match row % 10 {
            0 => None,
            1 => Some(f64::NAN),
            2 => Some(f64::INFINITY),
            3 => Some(f64::NEG_INFINITY),
            _ => Some(f64::from(row)),
        })
        .collect();
    let texts: Vec<Option<&str>> = (0..1000).map(|row| (row % 4 != 0).then_some("red")).collect();
    let current = data::batch(vec![
        ("amount", Arc::new(Float64Array::from(numbers))),
        ("colour", Arc::new(StringArray::from(texts))),
    ]);
    let reference = data::batch(vec![
        ("amount", Arc::new(Float64Array::from((0..1000).map(f64::from).collect::<Vec<_>>()))),
        ("colour", Arc::new(StringArray::from(vec!["red"; 1000]))),
    ]);
    let reference = data::parquet(folder.path(), "reference.parquet", &reference);
    let current = data::parquet(folder.path(), "current.parquet", &current);
    let report = data::json(&data::report_of(&reference, &current).await);
    let amount = column(&report, "amount");
    close(&amount["missing"]["current"], 0.1);
    close(&amount["missing"]["reference"], 0.0);
    assert_eq!(amount["non_finite"], serde_json::json!({ "reference": 0, "current": 300 }));
    close(&column(&report, "colour")["missing"]["current"], 0.25);
    assert_eq!(report["drifted_columns"], serde_json::json!(["amount", "colour"]));
}

#[tokio::test]
async fn d1_jensen_shannon_of_categories_is_that_of_their_shares() {
    let folder = data::folder();
    let rows = |counts: [usize; 3]| {
        let names = ["AA", "DL", "UA"].into_iter().zip(counts);
        names.flat_map(|(name, count)| std::iter::repeat_n(vec![name.to_owned()], count)).collect::<Vec<_>>()
    };
    let (before, now) = ([500, 300, 200], [300, 300, 400]);
    let reference = data::csv(folder.path(), "reference.csv", &["carrier"], rows(before));
    let current = data::csv(folder.path(), "current.csv", &["carrier"], rows(now));
    let report = data::json(&data::report_of(&reference, &current).await);
    let result = detector(&report, "carrier", "js");
    let (mut divergence, share) = (0.0, |count: usize| count as f64 / 1000.0);
    for (p, q) in before.into_iter().map(share).zip(now.into_iter().map(share)) {
        let middle = f64::midpoint(p, q);
        divergence += f64::midpoint(p * (p / middle).log2(), q * (q / middle).log2());
    }
    let statistic = result["statistic"].as_f64().unwrap();
    // The distance is the root of the divergence; docs/detectors.md says which of the two, and in which base, the statistic is.
    let candidates = [
        divergence,
        divergence.sqrt(),
        divergence * std::f64::consts::LN_2,
        (divergence * std::f64::consts::LN_2).sqrt(),
    ];
    assert!(
        candidates.iter().any(|candidate| (candidate - statistic).abs() < TOLERANCE),
        "{statistic}: none of {candidates:?}"
    );
    assert_eq!(report["drifted_columns"], serde_json::json!(["carrier"]));
}

#[tokio::test]
async fn d1_values_outside_the_range_of_a_contract_are_counted() {
    let folder = data::folder();
    let contract = folder.path().join("contract.yaml");
    let text = "version: 1\nmodel: shop\ntask: none\nsources: { predictions: { topic: shop } }\n\
                fields: { predictions: { event_id: /id, time: /at } }\n\
                schema: { amount: { type: float64, range: [0, 100] } }\nwindows: { size: 1h }\n";
    std::fs::write(&contract, text).unwrap();
    let contract = contract::lower::read_contract(&contract).unwrap();
    let reference = numbers_csv(folder.path(), "reference.csv", &normals(6, 1000, 50.0, 5.0));
    let mut values = normals(7, 1000, 50.0, 5.0);
    values[..30].fill(100.5);
    values[30..50].fill(-0.5);
    let current = numbers_csv(folder.path(), "current.csv", &values);
    let options = report::Options { contract: Some(&contract) };
    let report = data::json(&report::compare(&reference, &current, options).await.unwrap());
    let range = detector(&report, "amount", "range");
    close(&range["statistic"], 0.05);
    assert!(range["p_value"].as_f64() < range["level"].as_f64(), "{range}");
}

/// At 1 % for the whole report, a report on data of the same source is rarely wrong; 60 reports can't have 6 that are.
#[tokio::test]
async fn d2_reports_on_data_of_one_source_hardly_ever_find_drift() {
    let folder = data::folder();
    let mut wrong = 0;
    for trial in 0..60 {
        let rows = |seed: u64| {
            let (a, b) = (normals(seed, 400, 5.0, 1.0), normals(seed + 7, 400, 0.0, 9.0));
            a.into_iter().zip(b).map(|(a, b)| vec![a.to_string(), (b * b).to_string()]).collect::<Vec<_>>()
        };
        let reference = data::csv(folder.path(), "reference.csv", &["a", "b"], rows(1000 + 20 * trial));
        let current = data::csv(folder.path(), "current.csv", &["a", "b"], rows(90_000 + 20 * trial));
        wrong += u32::from(!data::report_of(&reference, &current).await.drifted_columns.is_empty());
    }
    assert!(wrong < 6, "{wrong} of 60 reports found drift where there is none");
}
