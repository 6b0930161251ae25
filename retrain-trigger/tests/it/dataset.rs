//! Pinning: no leakage, the same files for the same retraining, and nothing from faults (promises T1, T3, T5).

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchReader, StringArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use contract::artifact::hash_file;
use contract::{EventTime, WallTime};
use ingest::Kind;
use ingest::publication::{Counts, Outcomes};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use retrain_trigger::retraining::State;
use retrain_trigger::world::{Trouble, World};

use crate::scene::{HOUR, Known, Scene, Served, at, label_batch, prediction_batch, retraining, times};

pub fn table(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

pub fn names(table: &RecordBatch) -> Vec<String> {
    table.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn ids(table: &RecordBatch) -> Vec<String> {
    table.column(0).as_string::<i32>().iter().map(|id| id.unwrap().to_owned()).collect()
}

fn lasting<T: std::fmt::Debug>(outcome: Result<T, Trouble>) -> String {
    match outcome.unwrap_err() {
        Trouble::Lasting(words) => words,
        Trouble::Passing(words) => panic!("this doesn't pass: {words}"),
    }
}

fn passing<T: std::fmt::Debug>(outcome: Result<T, Trouble>) -> String {
    match outcome.unwrap_err() {
        Trouble::Passing(words) => words,
        Trouble::Lasting(words) => panic!("this passes: {words}"),
    }
}

/// What a shard says that has taken so many events of each kind.
fn counts(taken: u64) -> String {
    let outcomes = Outcomes { accepted: taken, ..Outcomes::default() };
    serde_json::to_string(&Counts { predictions: outcomes, labels: outcomes, ..Counts::default() }).unwrap()
}

#[tokio::test]
async fn t3_data_are_pinned_when_the_history_of_every_shard_is_listed_and_then_whole() {
    let mut scene = Scene::new().await;
    scene.days(12, 12).await;
    // Another shard has read as far, four events a day, and its files are on the disk.
    let until = (at(12, 12), at(12, 12));
    scene.say(0, 2, until, counts(144)).await;
    scene.say(1, 2, until, counts(48)).await;
    let time = |n: i64| at(n / 4, n % 4 * 6);
    let events: Vec<Served> = (0..48).map(|n| Served::new(format!("other-{n}"), time(n))).collect();
    let known = |n: i64| Known::new(format!("other-{n}"), EventTime::from_micros(time(n).micros() + HOUR), n % 3 == 0);
    let labels: Vec<Known> = (0..48).map(known).collect();
    let offsets: Vec<i64> = (0..48).collect();
    let event_times = events.iter().map(|event| event.time);
    let batch = prediction_batch(&events, &offsets);
    let predictions = scene.file(1, Kind::Prediction, batch, &offsets, event_times).await;
    let batch = label_batch(&labels, &offsets);
    let labels = scene.file(1, Kind::Label, batch, &offsets, labels.iter().map(|label| label.time)).await;

    let effects = scene.effects();
    let words = passing(effects.pin(&retraining("r1")).await);
    assert_eq!(words, "the history lists 0 of the 48 predictions that shard 1 has read");
    assert!(!scene.retraining_folder("r1").join("manifest.json").exists(), "nothing is pinned");
    scene.list(&predictions).await;
    let words = passing(effects.pin(&retraining("r1")).await);
    assert_eq!(words, "the history lists 0 of the 48 labels that shard 1 has read");
    scene.list(&labels).await;
    let manifest = effects.pin(&retraining("r1")).await.unwrap();
    assert_eq!((manifest.from, manifest.to), (at(3, 0), at(12, 0)));
    assert_eq!((manifest.rows, manifest.labelled), (9 * (12 + 4), 9 * (12 + 4)));
}

#[tokio::test]
async fn t3_nothing_is_pinned_before_labels_have_matured_and_a_history_without_events_fails() {
    let mut scene = Scene::new().await;
    scene.read_until(at(12, 12), at(12, 12)).await;
    scene.judged(11, None).await;
    let words = lasting(scene.effects().pin(&retraining("r1")).await);
    assert_eq!(words, "the history has no predictions from 2013-01-04T00:00:00Z to 2013-01-13T00:00:00Z");
    // A young model: labels of its only day mature at 8 o'clock of the next one.
    let mut scene = Scene::new().await;
    scene.predictions(&[Served::new("first", at(11, 3))]).await;
    scene.labels(&[Known::new("first", at(11, 4), true)]).await;
    scene.judged(11, None).await;
    scene.read_until(at(12, 7), at(12, 7)).await;
    let words = passing(scene.effects().pin(&retraining("r1")).await);
    assert_eq!(words, "no prediction is old enough yet: labels have matured until 2013-01-12T00:00:00Z");
    scene.read_until(at(12, 8), at(12, 8)).await;
    let words = lasting(scene.effects().pin(&retraining("r1")).await);
    assert!(words.contains("retrain.policy.minimum_labels asks for 10"), "{words}");
}

#[tokio::test]
async fn t3_events_are_split_by_time_and_none_is_on_both_sides() {
    let mut scene = Scene::new().await;
    scene.days(12, 12).await;
    // An id that was forgotten and used again: in the training data first, then in the held-out data.
    let again = [Served { x: 99.0, ..Served::new("4-0", at(10, 5)) }];
    scene.predictions(&again).await;
    scene.labels(&[Known::new("4-0", at(10, 6), true)]).await;
    let manifest = scene.effects().pin(&retraining("r1")).await.unwrap();
    assert_eq!((manifest.from, manifest.held_out_from, manifest.to), (at(3, 0), at(9, 0), at(12, 0)));
    let folder = scene.retraining_folder("r1");
    let train = table(&folder.join("train.parquet"));
    let held_out = table(&folder.join("held_out.parquet"));
    let truth = table(&folder.join("held_out_truth.parquet"));
    assert_eq!(names(&train), ["event_id", "time", "x", "origin", "version", "label"]);
    assert_eq!(names(&held_out), ["event_id", "time", "x", "origin", "version"]);
    assert_eq!(names(&truth), ["event_id", "time", "_version", "score", "label", "origin"]);
    let (trained, judged): (BTreeSet<_>, BTreeSet<_>) =
        (ids(&train).into_iter().collect(), ids(&held_out).into_iter().collect());
    assert_eq!((trained.len(), judged.len()), (6 * 12 - 1, 3 * 12 + 1), "each event once");
    assert!(trained.is_disjoint(&judged));
    assert!(judged.contains("4-0"));
    assert_eq!(ids(&held_out), ids(&truth));
    for (table, from, to) in [(&train, at(3, 0), at(9, 0)), (&held_out, at(9, 0), at(12, 0))] {
        let times = table.column(1).as_primitive::<TimestampMicrosecondType>();
        let keys: Vec<(i64, String)> = times.values().iter().copied().zip(ids(table)).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|(time, _)| (from.micros()..to.micros()).contains(time)));
    }
    // The event's own version and the feature of that name.
    assert_eq!(truth.column(2).as_string::<i32>().value(0), "1");
    let place = ids(&train).iter().position(|id| id == "5-7").unwrap();
    assert_eq!(train.column(4).as_primitive::<Int64Type>().value(place), 70);
    assert_eq!(train.column(2).as_primitive::<Float64Type>().value(place).to_string(), "7");
    assert!(!train.column(5).as_boolean().value(place));
    assert_eq!((manifest.rows, manifest.labelled, manifest.coverage), (108, 108, 1.0));
    assert_eq!((manifest.train_rows, manifest.held_out_rows), (71, 37));
}

#[tokio::test]
async fn t3_the_last_label_within_the_horizon_counts_and_no_other() {
    let mut scene = Scene::new().await;
    scene.days(12, 12).await;
    let served = ["corrected", "withdrawn", "too_late", "just", "early", "never"];
    let events: Vec<Served> = served.iter().map(|id| Served::new(*id, at(6, 3))).collect();
    scene.predictions(&events).await;
    let just = EventTime::from_micros(at(8, 3).micros());
    scene
        .labels(&[
            Known::new("corrected", at(6, 9), true),
            Known::new("corrected", at(6, 5), false),
            Known::new("withdrawn", at(6, 4), true),
            Known { id: "withdrawn".to_owned(), time: at(6, 5), label: None },
            Known::new("too_late", EventTime::from_micros(just.micros() + 1), true),
            Known::new("just", just, true),
            Known::new("early", at(6, 2), true),
        ])
        .await;
    // The same instant again: the later offset wins.
    scene.labels(&[Known::new("early", at(6, 2), false)]).await;
    let manifest = scene.effects().pin(&retraining("r1")).await.unwrap();
    let train = table(&scene.retraining_folder("r1").join("train.parquet"));
    let ids = ids(&train);
    let label = |id: &str| ids.iter().position(|known| known == id).map(|row| train.column(5).as_boolean().value(row));
    assert_eq!(label("corrected"), Some(true));
    assert_eq!(label("just"), Some(true));
    assert_eq!(label("early"), Some(false));
    for id in ["withdrawn", "too_late", "never"] {
        assert_eq!(label(id), None, "{id}");
    }
    assert_eq!((manifest.rows, manifest.labelled), (9 * 12 + 6, 9 * 12 + 3));
}

#[tokio::test]
async fn t5_quarantined_windows_and_late_events_teach_nothing() {
    let mut scene = Scene::new().await;
    scene.days(12, 12).await;
    for (day, fault) in [(5, "temp"), (6, "dewp"), (10, "temp")] {
        scene.judged(day, Some(fault)).await;
    }
    scene.predictions(&[Served { is_late: true, ..Served::new("late", at(4, 3)) }]).await;
    scene.labels(&[Known::new("late", at(4, 4), true)]).await;
    let manifest = scene.effects().pin(&retraining("r1")).await.unwrap();
    let folder = scene.retraining_folder("r1");
    let mut used = ids(&table(&folder.join("train.parquet")));
    used.extend(ids(&table(&folder.join("held_out.parquet"))));
    assert!(
        used.iter().all(|id| !id.starts_with("5-") && !id.starts_with("6-") && !id.starts_with("10-") && id != "late")
    );
    assert_eq!((manifest.train_rows, manifest.held_out_rows, manifest.rows), (4 * 12, 2 * 12, 6 * 12));
    assert_eq!(
        manifest.left_out,
        [
            "2013-01-06T00:00:00Z to 2013-01-08T00:00:00Z: unit_change of dewp, temp",
            "2013-01-11T00:00:00Z to 2013-01-12T00:00:00Z: unit_change of temp",
        ]
    );
    let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["late_rows"], 1);
}

#[tokio::test]
async fn t5_windows_that_nobody_has_judged_or_whose_labels_are_young_are_not_used() {
    let mut scene = Scene::new().await;
    scene.days(12, 12).await;
    let effects = scene.effects();
    // Labels have come until 7 o'clock of the day after: an hour short of maturity.
    scene.read_until(at(12, 20), at(12, 7)).await;
    assert_eq!(effects.pin(&retraining("r1")).await.unwrap().to, at(11, 0));
    scene.read_until(at(12, 20), at(12, 8)).await;
    assert_eq!(effects.pin(&retraining("r2")).await.unwrap().to, at(12, 0));
    // Read, and not judged yet.
    scene.read_until(at(14, 0), at(14, 0)).await;
    assert_eq!(effects.pin(&retraining("r3")).await.unwrap().to, at(12, 0));
    scene.judged(12, None).await;
    assert_eq!(effects.pin(&retraining("r4")).await.unwrap().to, at(13, 0));
    // What was pinned stays so.
    assert_eq!(effects.pin(&retraining("r1")).await.unwrap().to, at(11, 0));
}

#[tokio::test]
async fn t1_the_same_retraining_gets_the_same_bytes_for_ever() {
    let mut scene = Scene::new().await;
    scene.days(12, 12).await;
    let folder = scene.retraining_folder("r1");
    let hashes = || {
        ["manifest.json", "train.parquet", "held_out.parquet", "held_out_truth.parquet"]
            .map(|name| hash_file(&folder.join(name)).unwrap().0)
    };
    let first = scene.effects().pin(&retraining("r1")).await.unwrap();
    let before = hashes();
    assert_eq!(first.sha256, before[0]);
    // History grows, and labels are corrected.
    scene.labels(&[Known::new("5-1", at(5, 20), true)]).await;
    scene.predictions(&[Served::new("more", at(5, 3))]).await;
    assert_eq!(scene.effects().pin(&retraining("r1")).await.unwrap(), first);
    // A kill left half a file, someone removed one and changed another.
    std::fs::write(folder.join(".writing-x.tmp"), "half").unwrap();
    std::fs::remove_file(folder.join("train.parquet")).unwrap();
    std::fs::write(folder.join("held_out.parquet"), "changed").unwrap();
    assert_eq!(scene.effects().pin(&retraining("r1")).await.unwrap(), first);
    assert_eq!(hashes(), before);
    assert!(!folder.join(".writing-x.tmp").exists());
    // A kill before the manifest leaves nothing pinned.
    std::fs::remove_file(folder.join("manifest.json")).unwrap();
    assert_eq!(scene.effects().pin(&retraining("r1")).await.unwrap().rows, first.rows + 1);
}

#[tokio::test]
async fn t1_a_history_file_that_was_changed_is_named() {
    let mut scene = Scene::new().await;
    scene.days(12, 12).await;
    let file = scene.predictions(&[Served::new("more", at(5, 3))]).await;
    let path = scene.state().join(&file.path);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let words = lasting(scene.effects().pin(&retraining("r1")).await);
    assert!(words.contains("was changed") && words.contains(&file.path), "{words}");
    std::fs::remove_file(&path).unwrap();
    let words = lasting(scene.effects().pin(&retraining("r1")).await);
    assert!(words.contains(&file.path), "{words}");
}

#[tokio::test]
async fn files_of_an_earlier_contract_fit_in() {
    let mut scene = Scene::new().await;
    scene.days(12, 12).await;
    // Without `origin`, and with whole numbers for `x`.
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("event_id", Arc::new(StringArray::from(vec!["old"]))),
        ("time", times([at(5, 3)].into_iter())),
        ("_version", Arc::new(StringArray::from(vec!["1"]))),
        ("score", Arc::new(Float64Array::from(vec![0.5]))),
        ("late", Arc::new(BooleanArray::from(vec![false]))),
        ("offset", Arc::new(Int64Array::from(vec![9_000]))),
        ("x", Arc::new(Int64Array::from(vec![3]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    scene.write(Kind::Prediction, batch, &[9_000], [at(5, 3)].into_iter()).await;
    scene.labels(&[Known::new("old", at(5, 4), true)]).await;
    scene.effects().pin(&retraining("r1")).await.unwrap();
    let train = table(&scene.retraining_folder("r1").join("train.parquet"));
    let row = ids(&train).iter().position(|id| id == "old").unwrap();
    assert_eq!(train.column(2).as_primitive::<Float64Type>().value(row).to_string(), "3");
    assert!(train.column(3).is_null(row));
}

#[tokio::test]
async fn e3_old_retrainings_keep_their_manifest_alone() {
    let mut scene = Scene::new().await;
    scene.days(12, 12).await;
    for n in 0..12 {
        let mut ended = retraining(&format!("r{n}"));
        (ended.event_time, ended.state) = (at(n, 0), State::Failed);
        let mut transaction = scene.store.begin().await.unwrap();
        transaction.insert_retraining(&ended.to_row(WallTime::from_micros(n))).await.unwrap();
        transaction.commit().await.unwrap();
        let output = scene.retraining_folder(&ended.id).join("output");
        std::fs::create_dir_all(&output).unwrap();
        std::fs::write(output.join("weights"), "many").unwrap();
        std::fs::write(scene.retraining_folder(&ended.id).join("manifest.json"), "{}").unwrap();
    }
    scene.effects().pin(&retraining("new")).await.unwrap();
    for n in 0..12 {
        let folder = scene.retraining_folder(&format!("r{n}"));
        assert!(folder.join("manifest.json").is_file());
        assert_eq!(folder.join("output").exists(), n >= 2, "r{n}");
    }
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let mut scene = Scene::new().await;
    let effects = scene.effects();
    assert!(matches!(effects.pin(&retraining("r0")).await, Err(Trouble::Passing(_))), "no shard has said a word");
    scene.days(12, 12).await;
    scene.contract.retrain.as_mut().unwrap().policy.minimum_labels = 109;
    let words = lasting(scene.effects().pin(&retraining("r1")).await);
    let expected = "108 of 108 predictions from 2013-01-04T00:00:00Z to 2013-01-13T00:00:00Z have a label, and \
                    retrain.policy.minimum_labels asks for 109";
    assert_eq!(words, expected);
    assert!(!scene.retraining_folder("r1").join("manifest.json").exists(), "nothing is pinned");

    let mut scene = Scene::new().await;
    let hour = |n: i64| EventTime::from_micros(at(0, 0).micros() + n * HOUR);
    let events: Vec<Served> = (0..288).map(|n| Served::new(n.to_string(), hour(n))).collect();
    let labels: Vec<Known> = (0..288).map(|n| Known::new(n.to_string(), hour(n + 1), n >= 216)).collect();
    scene.predictions(&events).await;
    scene.labels(&labels).await;
    scene.judged(11, None).await;
    scene.read_until(at(12, 12), at(12, 12)).await;
    let words = lasting(scene.effects().pin(&retraining("r1")).await);
    assert!(words.contains("none of the 144 training rows") && words.contains("has the label true"), "{words}");
    scene.contract.retrain.as_mut().unwrap().dataset.held_out = std::time::Duration::from_hours(24 * 12);
    let words = lasting(scene.effects().pin(&retraining("r2")).await);
    assert!(words.contains("no prediction from 2013-01-01T00:00:00Z to 2013-01-01T00:00:00Z has a label"), "{words}");
}
