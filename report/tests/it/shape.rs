//! The JSON form, key by key, as the interfaces have it.

use serde_json::Value;

use crate::data::{self, column, normals};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn example() -> Value {
    let folder = data::folder();
    let rows = |seed: u64, mean: f64| {
        let numbers = normals(seed, 1200, mean, 1.0).into_iter().zip(normals(seed + 1, 1200, 0.0, 1.0));
        numbers
            .map(|(a, b)| vec![a.to_string(), if b > 0.0 { "north" } else { "south" }.to_owned()])
            .collect::<Vec<_>>()
    };
    let reference = data::csv(folder.path(), "reference.csv", &["amount", "region"], rows(10, 0.0));
    let current = data::csv(folder.path(), "current.csv", &["amount", "region"], rows(20, 1.5));
    data::json(&data::report_of(&reference, &current).await)
}

#[tokio::test]
async fn the_keys_are_those_of_the_interface() {
    let report = example().await;
    let mut found = keys(&report);
    found.sort_unstable();
    let expected = [
        "columns",
        "drifted_columns",
        "multivariate",
        "performance",
        "product_version",
        "rows",
        "schema_version",
        "seconds",
        "severity",
    ];
    assert_eq!(found, expected);
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["product_version"], env!("CARGO_PKG_VERSION"));
    for part in ["read", "profile", "judge"] {
        assert!(report["seconds"][part].as_f64().unwrap() >= 0.0);
    }
    let amount = column(&report, "amount");
    for key in ["name", "kind", "missing", "non_finite", "detectors", "drifted", "severity", "explanation"] {
        assert!(amount.get(key).is_some(), "{key} is not there: {amount}");
    }
    assert_eq!(amount["kind"], "numeric");
    assert_eq!(column(&report, "region")["kind"], "categorical");
}

#[tokio::test]
async fn a_drifted_column_says_how_strong_and_how_large_and_why() {
    let report = example().await;
    let amount = column(&report, "amount");
    assert_eq!(amount["drifted"], true);
    assert_eq!(amount["severity"], "critical", "1.5 standard deviations");
    assert!(amount["explanation"].as_str().unwrap().starts_with("amount "), "{}", amount["explanation"]);
    let location = data::detector(&report, "amount", "location");
    for key in ["statistic", "effect", "p_value", "level", "threshold"] {
        assert!(location[key].is_number(), "{key}: {location}");
    }
    assert!(location["p_value"].as_f64() < location["level"].as_f64());
    assert!(location["statistic"].as_f64().unwrap().abs() > location["threshold"].as_f64().unwrap().abs());
    let region = column(&report, "region");
    assert_eq!(region["drifted"], false, "{region}");
    assert_eq!(region["severity"], "none");
}

#[tokio::test]
async fn the_threshold_is_on_the_scale_of_the_statistic_at_the_level() {
    let report = example().await;
    for column in report["columns"].as_array().unwrap() {
        for result in column["detectors"].as_array().unwrap().iter().filter(|result| result["threshold"].is_number()) {
            let is_beyond = result["statistic"].as_f64().unwrap().abs() > result["threshold"].as_f64().unwrap().abs();
            let is_unlikely = result["p_value"].as_f64().unwrap() < result["level"].as_f64().unwrap();
            assert_eq!(is_beyond, is_unlikely, "{result}");
        }
    }
}

/// The family-wise level is shared by all tests of the report: 1 % in all.
#[tokio::test]
async fn the_levels_of_all_tests_add_up_to_one_percent() {
    let report = example().await;
    let columns = report["columns"].as_array().unwrap();
    let levels: f64 = columns
        .iter()
        .flat_map(|column| column["detectors"].as_array().unwrap())
        .filter_map(|result| result["level"].as_f64())
        .sum();
    assert!(levels <= 0.01 + 1e-12 && levels > 0.005, "{levels}");
}
