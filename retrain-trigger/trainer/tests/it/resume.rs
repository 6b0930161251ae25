//! An end in the middle changes nothing.

use serde_json::json;
use trainer::Error;

use crate::sample::{Workplace, epochs, of_type};

/// With everything that a state has to hold: a best epoch, silent units, two layers.
fn workplace() -> Workplace {
    Workplace::new(json!({
        "hidden": [8, 4], "epochs": 3, "batch": 256, "dropout": 0.3, "patience": 2, "folds": 2, "learning_rate": 0.01,
    }))
}

#[test]
fn t1_stopped_anywhere_it_goes_on_to_the_same_bytes() {
    let work = workplace();
    let (whole, result) = work.train("whole", None);
    result.unwrap();
    let mut stops = 0;
    for stop_at in (0..400).step_by(7) {
        let output = format!("stopped-{stop_at}");
        let (first, result) = work.train(&output, Some(stop_at));
        if result.is_ok() {
            break;
        }
        stops += 1;
        assert!(matches!(result, Err(Error::Interrupted)), "{stop_at}: {result:?}");
        let (second, result) = work.train(&output, None);
        result.unwrap();
        assert_eq!(work.files(&output), work.files("whole"), "stopped at question {stop_at}");
        // No epoch twice: the state holds the batch.
        assert_eq!(epochs(&first) + epochs(&second), epochs(&whole), "stopped at question {stop_at}");
        if epochs(&first) > 0 {
            assert_eq!(of_type(&second, "resumed").len(), 1);
        }
    }
    assert!(stops > 10, "{stops}");
}

#[test]
fn t1_stopped_again_and_again_it_arrives() {
    let work = workplace();
    work.train("whole", None).1.unwrap();
    let mut runs = 1;
    // Reading asks some dozen times before the first batch.
    while work.train("torn", Some(40)).1.is_err() {
        runs += 1;
        assert!(runs < 100, "no run gets on");
    }
    assert!(runs > 2, "{runs}");
    assert_eq!(work.files("torn"), work.files("whole"));
}

#[test]
fn a_finished_run_is_not_fitted_again() {
    let work = workplace();
    work.train("out", None).1.unwrap();
    let files = work.files("out");
    let (lines, result) = work.train("out", None);
    result.unwrap();
    assert_eq!((epochs(&lines), of_type(&lines, "resumed").len()), (0, 1));
    assert_eq!(work.files("out"), files);
}

#[test]
fn t1_a_checkpoint_of_another_specification_is_not_used() {
    let mut work = workplace();
    assert!(work.train("out", Some(60)).1.is_err());
    work.spec["seed"] = json!(99);
    let (lines, result) = work.train("out", None);
    result.unwrap();
    assert!(of_type(&lines, "discarded")[0]["reason"].as_str().unwrap().contains("another specification"));
    assert!(of_type(&lines, "resumed").is_empty());
    work.train("fresh", None).1.unwrap();
    assert_eq!(work.files("out"), work.files("fresh"));
    // Where the data lie doesn't matter, nor how long it may take.
    work.spec["limits"]["seconds"] = json!(1);
    let (lines, _) = work.train("out", None);
    assert_eq!(epochs(&lines), 0);
}

#[test]
fn t1_a_damaged_checkpoint_is_not_used() {
    let work = workplace();
    work.train("whole", None).1.unwrap();
    assert!(work.train("out", Some(60)).1.is_err());
    let damaged = std::fs::read_dir(work.path("out/checkpoint")).unwrap().map(|entry| entry.unwrap().path());
    let damaged: Vec<_> = damaged.filter(|path| path.extension().is_some_and(|extension| extension == "f32")).collect();
    assert_eq!(damaged.len(), 1);
    std::fs::write(&damaged[0], [0, 0, 0, 0]).unwrap();
    let (lines, result) = work.train("out", None);
    result.unwrap();
    assert!(of_type(&lines, "discarded")[0]["reason"].as_str().unwrap().contains("is damaged"));
    assert_eq!(work.files("out"), work.files("whole"));
}
