//! A stored model: the same scores wherever and in whatever company.

use std::fs;

use arrow::array::RecordBatch;
use serde_json::json;
use trainer::{Error, Predictor};

use crate::sample::Workplace;

fn trained(hidden: serde_json::Value) -> Workplace {
    let work = Workplace::new(json!({"hidden": hidden, "epochs": 2, "batch": 128, "learning_rate": 0.01}));
    work.train("out", None).1.unwrap();
    work
}

#[test]
fn t2_a_stored_model_gives_the_scores_of_its_training_in_any_company() {
    for hidden in [json!([]), json!([16]), json!([8, 4])] {
        let work = trained(hidden);
        let predictor = Predictor::load(&work.path("out")).unwrap();
        let (_, at_training) = work.scores("out", "held_out_scores.parquet");
        let batch = work.held_out.feature_batch();
        assert_eq!(predictor.schema().fields().len(), batch.num_columns());
        assert_eq!(predictor.columns()[3].name, "city");
        assert_eq!(predictor.score(&batch).unwrap(), at_training);
        for rows in [1, 7, 64] {
            let in_parts: Vec<f64> = (0..batch.num_rows())
                .step_by(rows)
                .flat_map(|start| predictor.score(&batch.slice(start, rows.min(batch.num_rows() - start))).unwrap())
                .collect();
            assert_eq!(in_parts, at_training, "{rows} rows at a time");
        }
    }
}

#[test]
fn other_columns_are_refused() {
    let work = trained(json!([4]));
    let predictor = Predictor::load(&work.path("out")).unwrap();
    let batch = work.held_out.feature_batch();
    let swapped = batch.project(&[1, 0, 2, 3, 4, 5]).unwrap();
    let error = predictor.score(&swapped).unwrap_err();
    assert!(matches!(error, Error::Input(_)));
    assert!(error.to_string().contains("its column 0 is `n`, and the model's is `x`"), "{error}");
    assert!(predictor.score(&batch.project(&[0, 1]).unwrap()).is_err());
    let empty = RecordBatch::new_empty(predictor.schema());
    assert!(predictor.score(&empty).unwrap().is_empty());
}

#[test]
fn threads_share_a_model() {
    let work = trained(json!([8]));
    let predictor = Predictor::load(&work.path("out")).unwrap();
    let batch = work.held_out.feature_batch();
    let expected = predictor.score(&batch).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| predictor.score(&batch).unwrap())).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

#[test]
fn a_broken_model_is_refused() {
    let work = trained(json!([4]));
    let folder = work.path("out");
    let refusal = || Predictor::load(&folder).unwrap_err().to_string();
    let weights = fs::read(folder.join("model.safetensors")).unwrap();
    fs::write(folder.join("model.safetensors"), &weights[..weights.len() - 4]).unwrap();
    assert!(refusal().contains("model.safetensors"));
    let mut infinite = weights.clone();
    let at = infinite.len() - 4;
    infinite[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(folder.join("model.safetensors"), &infinite).unwrap();
    assert!(refusal().contains("aren't all numbers"), "{}", refusal());
    fs::write(folder.join("model.safetensors"), &weights).unwrap();
    Predictor::load(&folder).unwrap();
    let text = fs::read_to_string(folder.join("model.json")).unwrap();
    let with = |pointer: &str, value: serde_json::Value| {
        let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
        *document.pointer_mut(pointer).unwrap() = value;
        fs::write(folder.join("model.json"), document.to_string()).unwrap();
        refusal()
    };
    assert!(with("/architecture/hidden/0", json!(5)).contains("isn't float32 of the size"));
    assert!(with("/architecture/hidden", json!([1_000_000_000_u64])).contains("at most 50000000"));
    assert!(with("/preprocessing/columns", json!([])).contains("don't belong together"));
    assert!(with("/preprocessing/columns/0/scale", json!(0.0)).contains("the column `x` makes no sense"));
    assert!(with("/schema_version", json!(9)).contains("schema_version is 9"));
    fs::remove_file(folder.join("model.json")).unwrap();
    assert!(refusal().contains("model.json"));
}
