//! I2: the final revision of a window depends only on the log.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use ingest::Kind;
use ingest::files::{EventFiles, Replay};
use ingest::publication::{Phase, Publication};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

use crate::stream::{Log, Stream, contract, events, finals, label, operations, prediction, without_labels};

/// Reads both logs, taking turns as told, with a source called idle now and then.
fn interleaved(predictions: &Log, labels: &Log, turns: &[(Kind, u8)]) -> Stream {
    let mut stream = Stream::new(contract());
    let (mut predictions, mut labels) = (predictions.iter(), labels.iter());
    let far = contract::EventTime::parse("2100-01-01T00:00:00Z");
    for (kind, idle) in turns.iter().cycle() {
        let event = match kind {
            Kind::Prediction => predictions.next().map(|event| (Kind::Prediction, event)),
            Kind::Label => labels.next().map(|event| (Kind::Label, event)),
        };
        let event = event
            .or_else(|| predictions.next().map(|event| (Kind::Prediction, event)))
            .or_else(|| labels.next().map(|event| (Kind::Label, event)));
        let Some((kind, event)) = event else { break };
        stream.send_at(kind, far, event);
        match idle {
            0 => stream.shard.set_idle(Kind::Label, true).unwrap(),
            1 => stream.shard.set_idle(Kind::Prediction, true).unwrap(),
            2 => {
                stream.shard.set_idle(Kind::Label, false).unwrap();
                stream.shard.set_idle(Kind::Prediction, false).unwrap();
            }
            _ => {}
        }
        let told = stream.shard.take_publications();
        stream.publications.extend(told);
    }
    stream.finish();
    stream
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn i2_which_topic_is_read_first_and_who_is_idle_change_no_final_revision(
        operations in operations(),
        turns in proptest::collection::vec((prop_oneof![Just(Kind::Prediction), Just(Kind::Label)], 0_u8..12), 1..60),
    ) {
        let events = events(&operations);
        let log = |kind| events.iter().filter(|event| event.0 == kind).map(|event| event.1.clone()).collect::<Log>();
        let (predictions, labels) = (log(Kind::Prediction), log(Kind::Label));
        let expected = interleaved(&predictions, &labels, &[(Kind::Prediction, 9)]);
        let found = interleaved(&predictions, &labels, &turns);
        prop_assert_eq!(found.shard.counts().predictions, expected.shard.counts().predictions);
        prop_assert_eq!(finals(&found.publications), finals(&expected.publications));
        let labels_first = interleaved(&predictions, &labels, &[(Kind::Label, 9)]);
        prop_assert_eq!(finals(&labels_first.publications), finals(&expected.publications));
    }
}

fn replay(folder: &Path, batch_rows: usize) -> Vec<Publication> {
    let (predictions, labels) = (folder.join("predictions.jsonl"), folder.join("labels"));
    let mut files = EventFiles::open(&[predictions], &[labels]).unwrap();
    let mut replay = Replay::new(Arc::new(contract()));
    let mut publications = Vec::new();
    while let Some(told) = replay.next(&mut files, batch_rows).unwrap() {
        publications.extend(told);
    }
    assert!(replay.next(&mut files, batch_rows).unwrap().is_none());
    publications
}

#[test]
fn i2_a_replay_is_the_same_whatever_the_batches() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::from("\u{feff}");
    for step in 0..400 {
        lines += &prediction(step, 5_000 + step * 3 - (step % 7) * 4);
        lines += if step % 50 == 0 { "\r\n\n  \nnot an event\n" } else { "\n" };
    }
    std::fs::write(folder.path().join("predictions.jsonl"), lines).unwrap();
    std::fs::create_dir(folder.path().join("labels")).unwrap();
    for part in 0..2 {
        let lines = (0..400).filter(|step| step % 2 == part);
        let lines: String = lines.map(|step| label(step, 5_040 + step * 3, step % 3 == 0) + "\n").collect();
        std::fs::write(folder.path().join(format!("labels/{part}.ndjson")), lines).unwrap();
    }
    std::fs::write(folder.path().join("labels/README.md"), "no events").unwrap();
    let expected = replay(folder.path(), 1);
    for batch_rows in [2, 7, 1_000] {
        assert_eq!(replay(folder.path(), batch_rows), expected);
    }
    let last = expected.last().unwrap();
    assert_eq!((last.counts.predictions.accepted, last.counts.predictions.dead_letter), (400, 8));
    assert_eq!((last.counts.labels.accepted, last.counts.labels.unmatched), (400, 0));
    let labelled: u64 = finals(&expected)
        .values()
        .flat_map(|(_, cells)| cells)
        .filter(|(_, segment, _)| segment.is_empty())
        .map(|(.., bytes)| detectors::profile::WindowProfile::from_bytes(bytes).unwrap().performance.labelled())
        .sum();
    assert_eq!(labelled, 400);
    // Windows are judged as the files go on, not only at their end.
    let clocks: Vec<_> = expected.iter().filter(|p| !p.parts.is_empty()).map(|p| p.watermarks.prediction).collect();
    assert!(clocks.windows(2).all(|pair| pair[0] <= pair[1]) && clocks.len() > 40, "{}", clocks.len());
}

/// Events whose fields are the file's columns.
fn flat_contract() -> contract::Contract {
    let mut contract = without_labels();
    contract.sources.predictions.filter.clear();
    contract.fields.predictions.features = String::new();
    contract.fields.predictions.version = None;
    contract
}

#[test]
fn i2_parquet_files_are_events_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec!["a", "b", "c", "d"]))),
        // Without a zone: UTC.
        ("t", Arc::new(TimestampMillisecondArray::from(vec![100_000, 101_500, 102_000, 103_000]))),
        ("x", Arc::new(Float64Array::from(vec![Some(f64::NAN), None, Some(f64::NEG_INFINITY), Some(1e300)]))),
        ("n", Arc::new(Int64Array::from(vec![Some(7), None, Some(-1), Some(i64::MAX)]))),
        ("score", Arc::new(Float32Array::from(vec![0.1, 0.2, 0.3, 1.0]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let mut files = EventFiles::open(&[path], &[]).unwrap();
    let mut replay = Replay::new(Arc::new(flat_contract()));
    let mut publications = Vec::new();
    while let Some(told) = replay.next(&mut files, 3).unwrap() {
        publications.extend(told);
    }
    let part = publications.iter().flat_map(|publication| &publication.parts).last().unwrap();
    assert_eq!(part.window.start.millis(), 60_000);
    let profile = &part.cells.iter().find(|cell| cell.segment.is_empty()).unwrap().profile;
    let x = profile.columns[0].as_numeric().unwrap();
    assert_eq!((x.rows(), x.nans(), x.nulls(), x.negative_infinities(), x.max()), (4, 1, 1, 1, Some(1e300)));
    let n = profile.columns[1].as_numeric().unwrap();
    assert_eq!((n.nulls(), n.min()), (1, Some(-1.0)));
    assert_eq!((profile.columns[3].nulls(), profile.score.rows(), profile.score.max()), (4, 4, Some(1.0)));
}

#[test]
fn i2_files_that_are_no_event_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert!(EventFiles::open(&[folder.path().to_owned()], &[]).is_err(), "an empty folder");
    assert!(EventFiles::open(&[folder.path().join("missing.jsonl")], &[]).is_err());
    for name in ["events.csv", "events.parquet"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "id,t\n1,2\n").unwrap();
        let told = EventFiles::open(&[path], &[]).err().unwrap().to_string();
        assert!(told.contains(name) && !told.contains("CSV"), "{told}");
    }
}

#[test]
fn i2_states_are_published_in_order() {
    let mut stream = Stream::new(contract());
    stream.predict("a", 100);
    stream.predict("b", 129);
    assert_eq!(stream.phases(60), []);
    stream.predict("c", 130);
    assert_eq!(stream.phases(60), [(Phase::Closed, 0)]);
    stream.label("a", 239, true);
    assert_eq!(stream.phases(60), [(Phase::Closed, 0)]);
    stream.label("x", 240, true);
    assert_eq!(stream.phases(60), [(Phase::Closed, 0), (Phase::Matured, 1)]);
    // A correction shows when labels pass the next multiple of the window's size.
    stream.label("a", 250, false);
    stream.label("x", 299, false);
    assert_eq!(stream.phases(60).len(), 2);
    stream.label("x", 300, false);
    assert_eq!(stream.phases(60)[2], (Phase::Revised, 2));
    assert_eq!(stream.last(60).performance.positives(), 0);
    stream.label("x", 360, false);
    assert_eq!(stream.phases(60).len(), 3, "nothing changed");
    stream.label("a", 361, true);
    stream.label("x", 729, true);
    stream.label("x", 730, true);
    // The multiple that 729 passed told the change already; nothing is left to tell.
    assert_eq!(stream.phases(60), [(Phase::Closed, 0), (Phase::Matured, 1), (Phase::Revised, 2), (Phase::Revised, 3)]);
    assert_eq!(stream.shard.held().windows, 2, "late predictions could still be counted");
    stream.predict("d", 729);
    assert_eq!(stream.shard.held().windows, 3);
    stream.predict("e", 730);
    assert_eq!(stream.shard.held().windows, 2, "the windows from 120 and from 720");
    assert_eq!(stream.phases(60).len(), 4);
}

#[test]
fn i2_a_window_closed_because_of_idleness_says_so_and_takes_rows_still() {
    let mut stream = Stream::new(contract());
    stream.predict("a", 100);
    stream.label("a", 131, true);
    stream.shard.set_idle(Kind::Prediction, true).unwrap();
    stream.publications.extend(stream.shard.take_publications());
    assert_eq!(stream.phases(60), [(Phase::Closed, 0)]);
    assert!(stream.parts(60)[0].closed_by_idleness);
    stream.shard.set_idle(Kind::Prediction, false).unwrap();
    stream.predict("b", 101);
    stream.predict("c", 130);
    assert_eq!(stream.phases(60), [(Phase::Closed, 0), (Phase::Closed, 1)]);
    assert_eq!(stream.last(60).rows, 2);
}

#[test]
fn i2_without_labels_predictions_are_the_only_clock() {
    let mut stream = Stream::new(without_labels());
    stream.predict("a", 100);
    stream.predict("b", 130);
    stream.predict("c", 240);
    assert_eq!(stream.phases(60), [(Phase::Closed, 0), (Phase::Final, 1)]);
    assert_eq!(stream.last(60).performance.predictions(), 0);
    stream.finish();
    assert_eq!(stream.phases(240), [(Phase::Closed, 0), (Phase::Final, 1)]);
    assert_eq!(stream.shard.held().windows, 0);
}

#[test]
fn i2_at_the_end_of_input_clocks_go_from_due_to_due() {
    let mut stream = Stream::new(contract());
    stream.predict("a", 100);
    stream.predict("b", 125);
    stream.label("a", 110, true);
    stream.finish();
    let told: Vec<_> = stream
        .publications
        .iter()
        .flat_map(|publication| {
            let clock = publication.watermarks.prediction.unwrap().millis() / 1_000;
            publication.parts.iter().map(move |part| (clock, part.window.start.millis() / 1_000, part.phase))
        })
        .collect();
    let expected =
        [(130, 60, Phase::Closed), (190, 120, Phase::Closed), (240, 60, Phase::Matured), (300, 120, Phase::Matured)];
    assert_eq!(told, expected);
    assert!(stream.parts(60)[0].closed_by_idleness);
}
