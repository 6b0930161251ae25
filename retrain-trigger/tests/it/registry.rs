//! The gate on the held-out rows, and what the registry's store keeps (promises T2, T3).

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use contract::artifact::{hash_file, verify};
use detectors::canary::Phase;
use parquet::arrow::ArrowWriter;
use retrain_trigger::effects::Effects;
use retrain_trigger::world::{Evaluation, Trouble, World};

use crate::dataset::{names, table};
use crate::scene::{Scene, retraining};

/// Pinned data, and what a trainer left.
struct Trained {
    scene: Scene,
    effects: Effects,
}

impl Trained {
    async fn new() -> Self {
        let mut scene = Scene::new().await;
        scene.days(12, 100).await;
        let effects = scene.effects();
        effects.pin(&retraining("r1")).await.unwrap();
        std::fs::create_dir(scene.retraining_folder("r1").join("output")).unwrap();
        let trained = Self { scene, effects };
        trained.write("model.bin", "weights");
        trained.write("metrics.json", r#"{"log_loss": 0.5}"#);
        trained.write("environment.json", r#"{"revision": "abc"}"#);
        trained.write("trainer.log", "...");
        trained
    }

    fn output(&self) -> PathBuf {
        self.scene.retraining_folder("r1").join("output")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.output().join(name), text).unwrap();
    }

    /// (event id, label) of the rows of a data file.
    fn rows(&self, name: &str) -> Vec<(String, bool)> {
        let table = table(&self.scene.retraining_folder("r1").join(name));
        let ids = table.column(0).as_string::<i32>().iter().map(|id| id.unwrap().to_owned());
        let labels = table.column_by_name("label").unwrap().as_boolean().iter().map(Option::unwrap);
        ids.zip(labels).collect()
    }

    /// Scores all held-out rows.
    fn score(&self, score: impl Fn(&str, bool) -> f64) {
        let rows = self.rows("held_out_truth.parquet");
        let lines: Vec<String> = rows.iter().map(|(id, label)| format!("{id},{}\n", score(id, *label))).collect();
        self.write("held_out_scores.csv", &format!("event_id,score\n{}", lines.concat()));
    }

    async fn evaluate(&self) -> Result<Evaluation, Trouble> {
        self.effects.evaluate(&retraining("r1"), Some("1")).await
    }
}

fn sure(_: &str, label: bool) -> f64 {
    if label { 0.9 } else { 0.1 }
}

#[tokio::test]
async fn t3_the_candidate_is_judged_on_the_rows_that_the_stable_version_served() {
    let trained = Trained::new().await;
    trained.score(sure);
    let better = trained.evaluate().await.unwrap();
    assert_eq!(better.gate.phase, Phase::Successful, "{}", better.gate.reason);
    assert_eq!((better.gate.rows, better.gate.blocks), (300, 3));
    assert!((better.gate.candidate.unwrap() - -(0.9_f64.ln())).abs() < 1e-9);
    // Live scores are .3, .34, … .66, and every third label is true.
    assert!((0.6..0.9).contains(&better.gate.stable.unwrap()), "{:?}", better.gate.stable);
    assert_eq!(better.metrics, serde_json::json!({"log_loss": 0.5}));
    trained.score(|_, label| if label { 0.1 } else { 0.9 });
    let worse = trained.evaluate().await.unwrap();
    assert_eq!(worse.gate.phase, Phase::Failed, "{}", worse.gate.reason);
    assert_eq!(worse.sha256, better.sha256, "scores are no part of the artifact");

    // Nobody to compare with, and a version that served nothing.
    let first = trained.effects.evaluate(&retraining("r1"), None).await.unwrap();
    assert_eq!(first.gate.phase, Phase::Successful);
    let other = trained.effects.evaluate(&retraining("r1"), Some("0")).await.unwrap();
    assert_eq!(other.gate.phase, Phase::Inconclusive);
    let expected = "version 0 served 0 of the 300 held-out rows, in 0 blocks of 1d; 200 rows in 3 blocks are needed";
    assert_eq!(other.gate.reason, expected);
}

#[tokio::test]
async fn t3_the_gate_counts_days_whatever_the_windows_are() {
    let mut trained = Trained::new().await;
    trained.score(sure);
    trained.scene.contract.windows.size = std::time::Duration::from_hours(1);
    trained.effects = trained.scene.effects();
    assert_eq!(trained.evaluate().await.unwrap().gate.blocks, 3);
}

#[tokio::test]
async fn e3_a_document_that_a_trainer_nests_without_end_is_refused() {
    let trained = Trained::new().await;
    trained.score(sure);
    trained.write("metrics.json", &format!("{}{}", "[".repeat(127), "]".repeat(127)));
    let trouble = trained.evaluate().await.unwrap_err();
    assert!(matches!(&trouble, Trouble::Lasting(words) if words.ends_with("nested more than 16 deep")), "{trouble}");
    trained.write("metrics.json", &format!("{}{}", "[".repeat(16), "]".repeat(16)));
    assert!(trained.evaluate().await.is_ok());
}

#[tokio::test]
async fn t3_a_candidate_that_is_worse_for_a_protected_value_fails() {
    let trained = Trained::new().await;
    // Events with odd numbers leave from JFK.
    let is_jfk = |id: &str| id.ends_with(['1', '3', '5', '7', '9']);
    trained.score(|id, label| match (is_jfk(id), label) {
        (false, label) => {
            if label {
                0.999
            } else {
                0.001
            }
        }
        (true, label) => {
            if label {
                0.2
            } else {
                0.6
            }
        }
    });
    let gate = trained.evaluate().await.unwrap().gate;
    assert_eq!(gate.phase, Phase::Failed, "{}", gate.reason);
    assert_eq!(gate.worse_segments.len(), 1, "{:?}", gate.worse_segments);
    assert!(gate.worse_segments[0].contains("origin=JFK") && gate.reason.contains("origin=JFK"), "{}", gate.reason);
}

#[tokio::test]
async fn t3_every_held_out_row_needs_one_score() {
    let trained = Trained::new().await;
    let rows = trained.rows("held_out_truth.parquet");
    let lines = |skip: usize, more: &str| -> String {
        let lines: Vec<String> = rows.iter().skip(skip).map(|(id, _)| format!("{id},0.5\n")).collect();
        format!("event_id,score\n{}{more}", lines.concat())
    };
    let twice = format!("{},0.5\n", rows[9].0);
    for (text, expected) in [
        (
            lines(2, ""),
            "of 300 rows 2 have none and 0 have no number from 0 to 1; 0 events are scored more than once, and 0 are",
        ),
        (lines(1, &format!("{},NaN\n", rows[0].0)), "0 have none and 1 have no number"),
        (lines(1, &format!("{},1.01\n", rows[0].0)), "0 have none and 1 have no number"),
        (lines(0, &twice), "0 have none and 0 have no number from 0 to 1; 1 events are scored more than once"),
        (
            lines(1, "stranger,0.5\n"),
            "1 have none and 0 have no number from 0 to 1; 0 events are scored more than once, and 1 are",
        ),
    ] {
        trained.write("held_out_scores.csv", &text);
        let trouble = trained.evaluate().await.unwrap_err();
        assert!(matches!(&trouble, Trouble::Lasting(words) if words.contains(expected)), "{trouble}");
    }
    std::fs::remove_file(trained.output().join("held_out_scores.csv")).unwrap();
    assert!(matches!(trained.evaluate().await, Err(Trouble::Lasting(_))));
    assert!(!trained.scene.registry().exists(), "nothing was kept");
}

#[tokio::test]
async fn t2_what_was_evaluated_is_kept_by_its_content_with_its_lineage() {
    let trained = Trained::new().await;
    trained.score(sure);
    let kept = trained.evaluate().await.unwrap();
    assert_eq!(trained.evaluate().await.unwrap(), kept, "again is the same");
    let folder = PathBuf::from(kept.uri.strip_prefix("file://").unwrap());
    assert_eq!(folder, trained.scene.registry().join("flights").join(format!("sha256-{}", kept.sha256)));
    verify(&folder, &kept.sha256).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["artifact.json", "environment.json", "metrics.json", "model.bin"]);
    let lineage = kept.lineage;
    let (manifest, _) = hash_file(&trained.scene.retraining_folder("r1").join("manifest.json")).unwrap();
    assert_eq!(lineage["manifest"]["sha256"], manifest);
    assert_eq!((&lineage["code_revision"], &lineage["seed"]), (&"abc".into(), &7.into()));
    assert_eq!(lineage["parameters"], serde_json::json!({"epochs": 8, "hidden": [32]}));
    assert_eq!(lineage["command"], serde_json::json!(["sh", "train.sh"]));
    assert_eq!(lineage["gate"]["phase"], "successful");
    // Another model is another artifact, beside it.
    trained.write("model.bin", "other weights");
    assert_ne!(trained.evaluate().await.unwrap().sha256, kept.sha256);
    verify(&folder, &kept.sha256).unwrap();
}

#[tokio::test]
async fn the_baseline_is_the_training_data_with_scores_out_of_fold() {
    let trained = Trained::new().await;
    trained.score(sure);
    // Without them: the held-out rows.
    let held_out = trained.evaluate().await.unwrap();
    let baseline = table(&PathBuf::from(&held_out.baseline));
    assert_eq!(names(&baseline), ["time", "x", "origin", "version", "_version", "score", "prediction", "label"]);
    assert_eq!(baseline.num_rows(), 300);
    let scores = baseline.column(5).as_primitive::<Float64Type>();
    let labels = baseline.column(7).as_primitive::<arrow::datatypes::Int64Type>();
    assert!(
        scores
            .values()
            .iter()
            .zip(labels.values())
            .all(|(score, label)| score.total_cmp(&sure("", *label == 1)).is_eq())
    );

    let rows = trained.rows("train.parquet");
    // All but one, as Parquet.
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("score", Arc::new(Float64Array::from_iter_values(rows.iter().skip(1).map(|_| 0.25)))),
        ("event_id", Arc::new(StringArray::from_iter_values(rows.iter().skip(1).map(|(id, _)| id)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(trained.output().join("training_scores.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let out_of_fold = trained.evaluate().await.unwrap();
    let path = PathBuf::from(&out_of_fold.baseline);
    assert_eq!(table(&path).num_rows(), 599);
    // As the monitor reads baselines: a window a day, with labels and scores.
    let windows = ingest::dataset::window_profiles(&path, &trained.scene.contract).await.unwrap();
    assert_eq!(windows.len(), 6);
    let whole = windows[3].1.iter().find(|cell| cell.segment.is_empty()).unwrap();
    assert_eq!((whole.version.as_str(), whole.profile.rows, whole.profile.performance.labelled()), ("2", 100, 100));
}

#[tokio::test]
async fn an_artifact_that_was_made_elsewhere_is_taken_in_with_its_reference_data() {
    let trained = Trained::new().await;
    trained.score(sure);
    let baseline = trained.evaluate().await.unwrap().baseline;
    let source = trained.scene.folder.path().join("made elsewhere");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("model.bin"), "first").unwrap();
    let plain = trained.effects.import(source.clone(), "1").await.unwrap();
    assert_eq!(plain.baseline, "");
    std::fs::copy(&baseline, source.join("reference.parquet")).unwrap();
    let imported = trained.effects.import(source.clone(), "1").await.unwrap();
    assert_eq!((imported.sha256.as_str(), imported.uri.as_str()), (plain.sha256.as_str(), plain.uri.as_str()));
    assert_eq!(hash_file(&PathBuf::from(&imported.baseline)).unwrap(), hash_file(&PathBuf::from(baseline)).unwrap());
    assert_eq!(imported.lineage["imported_from"], source.to_str().unwrap());
    verify(&PathBuf::from(imported.uri.strip_prefix("file://").unwrap()), &imported.sha256).unwrap();
    let trouble = trained.effects.import(source.join("nowhere"), "1").await.unwrap_err();
    assert!(matches!(&trouble, Trouble::Lasting(words) if words.contains("nowhere")), "{trouble}");
}
