//! Odd data: what is borne, and what is refused with its reason.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray};
use serde_json::json;
use trainer::Error;

use crate::sample::{Sample, Workplace, sample, write};

fn small() -> Sample {
    sample(400, 21, 5)
}

fn refusal(work: &Workplace) -> String {
    let error = work.train("out", None).1.unwrap_err();
    assert_eq!(error.class(), trainer::Class::User, "{error}");
    assert!(!work.path("out/metrics.json").exists());
    error.to_string()
}

#[test]
fn holes_strangers_and_monsters_get_scores() {
    let mut training = small();
    let mut held_out = sample(200, 7, 6);
    let monsters = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, -0.0, 1e99];
    let some =
        |rows: usize| (0..rows).map(|row| if row % 3 == 0 { Some(monsters[row / 3 % 7]) } else { Some(row as f64) });
    training.features[0].1 = Arc::new(some(400).collect::<Float64Array>());
    held_out.features[0].1 = Arc::new(some(200).collect::<Float64Array>());
    // Constant and empty in training, and neither later.
    held_out.features[4].1 = Arc::new(some(200).collect::<Float64Array>());
    held_out.features[5].1 = Arc::new(some(200).collect::<Float64Array>());
    let strange = (0..200).map(|row| (row % 2 == 0).then(|| format!("never seen {row}")));
    held_out.features[3].1 = Arc::new(strange.collect::<StringArray>());
    for hidden in [json!([]), json!([8])] {
        let mut work = Workplace::with(&training, json!({"hidden": hidden, "epochs": 2, "batch": 64}));
        work.spec["data"]["held_out"] = write(&held_out.batch(), &work.path("odd.parquet"));
        work.train("out", None).1.unwrap();
        for file in ["held_out_scores.parquet", "training_scores.parquet"] {
            let (_, scores) = work.scores("out", file);
            assert!(scores.iter().all(|score| *score > 0.0 && *score < 1.0), "{file}");
        }
    }
}

#[test]
fn unseen_categories_count_as_the_usual_one() {
    // No training row is `other`.
    let mut training = small();
    training.features[3].1 = Arc::new((0..400).map(|row| Some(["a", "b"][row % 2])).collect::<StringArray>());
    let labels: BooleanArray = (0..400).map(|row| Some(row % 2 == 0)).collect();
    training.labels = labels;
    let mut held_out = training.batch().slice(0, 3);
    let mut work = Workplace::with(&training, json!({"hidden": [], "epochs": 30, "learning_rate": 0.05, "batch": 64}));
    let mut columns = held_out.columns().to_vec();
    // The same row as `a`, as `b`, and as one that nobody knows.
    columns[..3]
        .iter_mut()
        .for_each(|column| *column = arrow::compute::take(column, &Int32Array::from(vec![0, 0, 0]), None).unwrap());
    columns[3] = Arc::new(StringArray::from(vec!["a", "b", "stranger"]));
    held_out = RecordBatch::try_new(held_out.schema(), columns).unwrap();
    work.spec["data"]["held_out"] = write(&held_out, &work.path("three.parquet"));
    work.train("out", None).1.unwrap();
    let (_, scores) = work.scores("out", "held_out_scores.parquet");
    assert!(scores[0] > 0.8 && scores[1] < 0.2 && (0.3..0.7).contains(&scores[2]), "{scores:?}");
}

#[test]
fn t2_data_that_changed_since_they_were_pinned_are_refused() {
    let mut work = Workplace::with(&small(), json!({}));
    let path = work.path("train.parquet");
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    assert!(refusal(&work).contains("the file has changed since"));
    work.spec["data"]["train"] = write(&small().batch(), &path);
    work.spec["data"]["train"]["rows"] = json!(399);
    assert!(refusal(&work).contains("it has 400 rows, and 399 were pinned"));
    work.spec["data"]["train"]["path"] = json!("/does/not/exist.parquet");
    assert!(refusal(&work).contains("No such file"));
    fs::write(&path, "no Parquet").unwrap();
    let sha256 = "8c6e7b1b7d2f5e0e8c2b7cf7ac2b58c7a6c3dca5a5b15f9f8f1d3a3b2a0b1c4d";
    work.spec["data"]["train"] = json!({"path": path, "sha256": sha256, "rows": 1});
    assert!(refusal(&work).contains("was pinned"));
}

#[test]
fn one_class_alone_teaches_nothing() {
    let mut training = small();
    training.labels = BooleanArray::from(vec![true; 400]);
    assert!(refusal(&Workplace::with(&training, json!({}))).contains("all labels are the same"));
    // Nor does a fold without the only week of the other class.
    training.labels = (0..400).map(|row| Some(row < 100)).collect();
    assert!(
        refusal(&Workplace::with(&training, json!({}))).contains("all labels are the same when fold 0 is left out")
    );
}

#[test]
fn columns_that_say_nothing_teach_nothing() {
    let mut training = small();
    for (index, feature) in training.features.iter_mut().enumerate() {
        feature.1 = match index {
            1 => Arc::new(arrow::array::Int64Array::from(vec![7; 400])) as ArrayRef,
            2 => Arc::new(BooleanArray::from(vec![true; 400])),
            3 => Arc::new(StringArray::from(vec!["same"; 400])),
            _ => Arc::new(Float64Array::from(vec![0.3; 400])),
        };
    }
    assert!(refusal(&Workplace::with(&training, json!({}))).contains("every feature is constant"));
}

#[test]
fn rows_without_label_and_columns_of_other_types_are_refused() {
    let with = |index: usize, array: ArrayRef| {
        let mut training = small();
        training.features[index].1 = array;
        Workplace::with(&training, json!({"epochs": 1}))
    };
    let texts = || Arc::new(StringArray::from(vec!["1"; 400])) as ArrayRef;
    assert!(refusal(&with(0, texts())).contains("the column `x` is Utf8, and Float64 is declared"));
    assert!(refusal(&with(2, texts())).contains("the column `flag` is Utf8, and Boolean is declared"));
    assert!(refusal(&with(1, Arc::new(Float64Array::from(vec![1.5; 400])))).contains("the column `n` is Float64"));
    // A narrower type of the same kind is fine.
    with(0, Arc::new((0..400).collect::<Int32Array>())).train("out", None).1.unwrap();
    let mut training = small();
    training.labels = (0..400).map(|row| (row > 0).then_some(row % 2 == 0)).collect();
    assert!(refusal(&Workplace::with(&training, json!({}))).contains("the column `label` lacks 1 values"));
    let mut work = Workplace::with(&small(), json!({}));
    work.spec["columns"][0]["name"] = json!("y");
    assert!(refusal(&work).contains("it has no column `y`"));
}

#[test]
fn cuda_that_is_not_there_is_said() {
    let mut work = Workplace::with(&small(), json!({"epochs": 1}));
    work.spec["device"] = json!("cuda");
    match work.train("out", None).1 {
        Ok(_) => assert!(String::from_utf8_lossy(&work.files("out")["environment.json"]).contains("\"cuda\"")),
        Err(error) => {
            assert!(matches!(error, Error::Device(_)));
            assert!(error.to_string().contains("use device auto or cpu"), "{error}");
            work.spec["device"] = json!("auto");
            work.train("out", None).1.unwrap();
        }
    }
}
