//! I3: late is visible.

use arrow::array::AsArray;
use ingest::Kind;
use ingest::publication::Phase;

use crate::stream::{Stream, contract};

#[test]
fn i3_late_events_are_counted_kept_and_shown() {
    let mut stream = Stream::new(contract());
    stream.predict("a", 100);
    stream.predict("in time", 119);
    stream.predict("b", 129);
    stream.predict("still in time", 61);
    stream.predict("c", 130);
    stream.predict("late", 119);
    assert_eq!(stream.shard.counts().predictions.late, 1);
    assert_eq!(stream.last(60).rows, 3);
    stream.label("x", 240, true);
    let part = *stream.parts(60).last().unwrap();
    assert_eq!((part.phase, part.late_rows), (Phase::Matured, 1));
    assert_eq!(stream.last(60).rows, 3, "it changes no window");
    let rows = stream.shard.take_rows().unwrap();
    let predictions = rows.iter().filter(|rows| rows.kind == Kind::Prediction);
    let late = predictions.flat_map(|rows| rows.batch.column_by_name("late").unwrap().as_boolean().iter().flatten());
    assert_eq!(late.collect::<Vec<_>>(), [false, false, false, false, false, true]);
}

#[test]
fn i3_late_events_after_the_last_revision_are_counted() {
    let mut stream = Stream::new(contract());
    stream.predict("a", 100);
    stream.label("a", 101, true);
    stream.predict("b", 5_000);
    stream.label("x", 5_000, true);
    assert_eq!(stream.phases(60), [(Phase::Closed, 0), (Phase::Final, 1)]);
    stream.predict("late", 100);
    stream.predict("older than the horizon of duplicates", 90_000);
    stream.predict("late", 100);
    stream.finish();
    assert_eq!(stream.shard.counts().predictions.late, 2);
    assert_eq!(stream.phases(60).len(), 2);
}

#[test]
fn i3_labels_beyond_the_horizon_are_counted() {
    let mut stream = Stream::new(contract());
    stream.predict("a", 100);
    stream.label("a", 701, true);
    assert_eq!(stream.shard.counts().labels.late, 1);
    stream.finish();
    assert_eq!(stream.last(60).performance.labelled(), 0);
}
