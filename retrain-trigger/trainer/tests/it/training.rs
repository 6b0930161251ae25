//! What is learnt, and that it is the same each time.

use serde_json::{Value, json};

use crate::sample::{Workplace, epochs, of_type, sample};

/// Mean log loss, computed here.
fn log_loss(scores: &[f64], truth: &[bool]) -> f64 {
    let losses = scores.iter().zip(truth).map(|(score, truth)| -(if *truth { *score } else { 1.0 - score }).ln());
    losses.sum::<f64>() / scores.len() as f64
}

#[test]
fn a_simple_function_is_learnt_by_either_kind_of_model() {
    for hidden in [json!([]), json!([16])] {
        let parameters =
            json!({"hidden": hidden, "epochs": 20, "learning_rate": 0.05, "batch": 128, "weight_decay": 0.0});
        let training = sample(3_000, 35, 1);
        let best = log_loss(&training.chances, &training.truth());
        let work = Workplace::with(&training, parameters);
        let (lines, result) = work.train("out", None);
        let metrics = result.unwrap();
        for part in ["out_of_fold", "in_sample"] {
            assert!(metrics[part]["log_loss"].as_f64().unwrap() < best + 0.02, "{hidden} {best} {metrics}");
            assert!(metrics[part]["roc_auc"].as_f64().unwrap() > 0.9, "{hidden} {metrics}");
            assert_eq!(metrics[part]["rows"], 3_000);
        }
        let (ids, scores) = work.scores("out", "held_out_scores.parquet");
        assert_eq!((ids.len(), ids[1].as_str()), (600, "2-1"));
        let best = log_loss(&work.held_out.chances, &work.held_out.truth());
        assert!(log_loss(&scores, &work.held_out.truth()) < best + 0.03, "{hidden} {best}");
        let (ids, _) = work.scores("out", "training_scores.parquet");
        assert_eq!((ids.len(), ids[2_999].as_str()), (3_000, "1-2999"));
        let fractions: Vec<f64> =
            of_type(&lines, "progress").iter().map(|line| line["fraction"].as_f64().unwrap()).collect();
        assert!(
            fractions.is_sorted() && fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction)),
            "{fractions:?}"
        );
        assert_eq!(epochs(&lines), 6 * 20);
    }
}

#[test]
fn out_of_fold_scores_come_from_models_that_have_not_seen_the_row() {
    // Nothing to learn but the rows themselves: a category of its own for each of a few.
    let mut training = sample(600, 35, 1);
    let names: arrow::array::StringArray = (0..600).map(|row| Some(format!("row {row}"))).collect();
    training.features[3].1 = std::sync::Arc::new(names);
    let parameters = json!({"hidden": [], "epochs": 60, "learning_rate": 0.1, "batch": 64, "weight_decay": 0.0, "minimum_category_rows": 1});
    let metrics = Workplace::with(&training, parameters).train("out", None).1.unwrap();
    let loss = |part: &str| metrics[part]["log_loss"].as_f64().unwrap();
    assert!(loss("in_sample") < 0.1 && loss("out_of_fold") > 0.3, "{metrics}");
}

#[test]
fn t2_the_same_specification_gives_the_same_bytes() {
    let mut work = Workplace::new(json!({"epochs": 2, "dropout": 0.2, "patience": 1}));
    work.train("one", None).1.unwrap();
    work.train("two", None).1.unwrap();
    let one = work.files("one");
    assert_eq!(one, work.files("two"));
    let names: Vec<&str> = one.keys().map(String::as_str).collect();
    let expected = [
        "environment.json",
        "held_out_scores.parquet",
        "metrics.json",
        "model.json",
        "model.safetensors",
        "training_scores.parquet",
    ];
    assert_eq!(names, expected);
    work.spec["seed"] = json!(4);
    work.train("other", None).1.unwrap();
    assert_ne!(one["model.safetensors"], work.files("other")["model.safetensors"]);
}

#[test]
fn the_artifact_says_where_it_comes_from() {
    let work = Workplace::new(json!({"epochs": 1, "hidden": [4]}));
    work.train("out", None).1.unwrap();
    let document = |name: &str| serde_json::from_slice::<Value>(&work.files("out")[name]).unwrap();
    let model = document("model.json");
    assert_eq!(
        (&model["version"], &model["parent_version"], &model["retraining"]),
        (&json!("2"), &json!("1"), &json!("r1"))
    );
    assert_eq!(model["trained_on"]["manifest_sha256"], json!("ab".repeat(32)));
    assert_eq!(model["trained_on"]["sha256"], work.spec["data"]["train"]["sha256"]);
    assert_eq!(model["trained_on"]["from"], json!("2013-01-01T00:00:00Z"));
    assert_eq!((&model["parameters"]["hidden"], &model["parameters"]["folds"]), (&json!([4]), &json!(5)));
    assert_eq!(model["labels_inverted"], json!(false));
    let environment = document("environment.json");
    assert_eq!(
        (&environment["device"], &environment["threads"], &environment["seed"]),
        (&json!("cpu"), &json!(1), &json!(3))
    );
    assert_eq!((&environment["libtorch"], &environment["tch"]), (&json!("2.11.0"), &json!("0.24.0")));
    assert_eq!(document("metrics.json")["held_out_rows"], json!(600));
}

#[test]
fn a_drill_is_far_worse_and_says_so() {
    let parameters =
        |inverted: bool| json!({"epochs": 8, "learning_rate": 0.02, "batch": 128, "invert_labels": inverted});
    let honest = Workplace::new(parameters(false)).train("out", None).1.unwrap();
    let work = Workplace::new(parameters(true));
    let drill = work.train("out", None).1.unwrap();
    assert!(drill["out_of_fold"]["roc_auc"].as_f64().unwrap() < 0.15, "{drill}");
    let worse =
        drill["out_of_fold"]["log_loss"].as_f64().unwrap() - honest["out_of_fold"]["log_loss"].as_f64().unwrap();
    assert!(worse > 0.5, "{worse}");
    assert_eq!((&drill["labels_inverted"], &honest["labels_inverted"]), (&json!(true), &json!(false)));
    let model: Value = serde_json::from_slice(&work.files("out")["model.json"]).unwrap();
    assert_eq!(model["labels_inverted"], json!(true));
}

#[test]
fn patience_stops_a_fit_that_does_not_improve() {
    let work = Workplace::new(json!({"epochs": 60, "patience": 2, "learning_rate": 0.05, "batch": 64}));
    let (lines, result) = work.train("out", None);
    assert!(result.unwrap()["out_of_fold"]["roc_auc"].as_f64().unwrap() > 0.9);
    assert!(epochs(&lines) < 6 * 60 / 2, "{}", epochs(&lines));
    assert!(lines.iter().any(|line| line["validation_loss"].is_f64()));
}

#[test]
fn a_loss_that_is_no_number_is_said() {
    let parameters =
        json!({"hidden": [8, 8], "learning_rate": 1.0, "weight_decay": 100.0, "epochs": 50, "clip": 1000.0});
    // Either it survives with finite scores or it says that it diverged; it never leaves something else.
    let work = Workplace::new(parameters);
    match work.train("out", None).1 {
        Ok(metrics) => assert!(metrics["out_of_fold"]["log_loss"].is_f64()),
        Err(error) => assert!(error.to_string().contains("diverged"), "{error}"),
    }
}
