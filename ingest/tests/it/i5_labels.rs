//! I5: labels early, late, twice, corrected, never. And I6: what is held has limits.

use detectors::profile::PerformanceProfile;
use ingest::Kind;
use ingest::shard::Limits;

use crate::stream::{Stream, contract, prediction_of, shard_of};

/// Scores are seconds mod 10, in tenths: the performance that these labels (seconds, value, delay) make.
fn expected(predictions: u64, labels: &[(i64, bool, i64)]) -> PerformanceProfile {
    let mut profile = PerformanceProfile::new();
    profile.add_predictions(predictions);
    for (seconds, value, delay) in labels {
        let score = (seconds % 10) as f64 / 10.0;
        profile.add(score, Some(score > 0.5), *value, delay * 1_000_000);
    }
    profile
}

#[test]
fn i5_labels_come_before_after_twice_and_corrected() {
    let mut stream = Stream::new(contract());
    stream.label("early", 95, true);
    stream.predict("early", 103);
    stream.predict("on time", 104);
    stream.predict("never", 105);
    stream.predict("corrected", 106);
    stream.label("on time", 110, false);
    stream.label("on time", 110, false);
    stream.label("corrected", 150, false);
    stream.label("corrected", 170, true);
    stream.label("corrected", 160, false);
    stream.finish();
    let labels = [(103, true, -8), (104, false, 6), (106, true, 64)];
    assert_eq!(stream.last(60).performance, expected(4, &labels));
    let counts = stream.shard.counts().labels;
    assert_eq!((counts.accepted, counts.duplicate, counts.unmatched), (5, 1, 0));
    let segment = stream.last_segment(60, "word=ü").unwrap();
    assert_eq!(segment.performance, expected(1, &[(104, false, 6)]));
    assert_eq!((segment.rows, segment.columns.len(), segment.score.rows()), (1, 0, 1));
}

#[test]
fn i5_labels_of_the_same_time_are_ordered_by_offset() {
    for early in [false, true] {
        let mut stream = Stream::new(contract());
        if !early {
            stream.predict("a", 103);
        }
        stream.label("a", 110, false);
        stream.label("a", 110, true);
        if early {
            stream.predict("a", 103);
        }
        stream.finish();
        assert_eq!(stream.last(60).performance, expected(1, &[(103, true, 7)]), "early: {early}");
    }
}

#[test]
fn i5_an_invalid_newer_label_does_not_hide_a_valid_older_one() {
    for early in [false, true] {
        let mut stream = Stream::new(contract());
        if !early {
            stream.predict("a", 103);
        }
        stream.label("a", 110, true);
        stream.label("a", 704, false);
        if early {
            stream.predict("a", 103);
        }
        stream.finish();
        assert_eq!(stream.last(60).performance, expected(1, &[(103, true, 7)]), "early: {early}");
    }
}

#[test]
fn i5_labels_that_wait_in_vain_are_counted() {
    let mut stream = Stream::new(contract());
    stream.label("nobody", 100, true);
    assert_eq!(stream.shard.held().waiting_labels, 1);
    // Its prediction could lie up to 600 s after it, in the window from 660 to 720.
    stream.predict("a", 729);
    stream.predict("b", 700);
    assert_eq!(stream.shard.held().waiting_labels, 1);
    stream.predict("c", 730);
    assert_eq!((stream.shard.held().waiting_labels, stream.shard.counts().labels.unmatched), (0, 1));
    stream.label("nobody", 101, true);
    assert_eq!((stream.shard.held().waiting_labels, stream.shard.counts().labels.unmatched), (0, 2));
    assert_eq!(stream.shard.counts().labels.accepted, 2);
}

#[test]
fn i5_scores_that_are_none_make_no_figure() {
    let mut stream = Stream::new(contract());
    stream.send(Kind::Prediction, &prediction_of("a", 100, "").replace("\"score\": 0", "\"score\": 1.5"));
    stream.send(Kind::Prediction, &prediction_of("b", 100, "").replace("\"score\": 0", "\"score\": null"));
    stream.send(Kind::Prediction, &prediction_of("c", 100, "").replace("\"score\": 0", "\"score\": \"NaN\""));
    for id in ["a", "b", "c"] {
        stream.label(id, 110, true);
    }
    stream.finish();
    let profile = stream.last(60);
    assert_eq!((profile.performance.labelled(), profile.performance.invalid_scores()), (3, 3));
    assert_eq!((profile.score.rows(), profile.score.nulls(), profile.score.nans()), (3, 1, 1));
}

#[test]
fn i6_versions_and_segments_have_limits() {
    let limits = Limits { versions: 2, segment_values: 2, ..Limits::default() };
    let mut stream = Stream::of(shard_of(contract()).with_limits(limits));
    for id in 0..6 {
        let event = prediction_of(id, 100, &format!(r#""word": "w{id}""#));
        stream.send(Kind::Prediction, &event.replace(r#""version": "1""#, &format!(r#""version": "{}""#, id / 2)));
    }
    let long = format!(r#""word": "{}""#, "w".repeat(200));
    stream.send(Kind::Prediction, &prediction_of("long", 100, &long));
    stream.send(Kind::Prediction, &prediction_of("null", 100, r#""x": 1"#));
    stream.finish();
    let part = stream.parts(60).last().copied().unwrap();
    let cells: Vec<_> =
        part.cells.iter().map(|cell| (cell.version.as_str(), cell.segment.as_str(), cell.profile.rows)).collect();
    let expected = [
        ("0", "", 2),
        ("0", "word=w0", 1),
        ("0", "word=w1", 1),
        ("1", "", 4),
        ("1", "word=w2", 1),
        ("1", "word=w3", 1),
        ("1", "word=other", 1),
        ("other", "", 2),
        ("other", "word=w4", 1),
        ("other", "word=w5", 1),
    ];
    assert_eq!(cells, expected);
}

#[test]
fn i6_rows_have_a_limit() {
    let limits = Limits { rows: 10, ..Limits::default() };
    let mut stream = Stream::of(shard_of(contract()).with_limits(limits));
    (0..10).for_each(|id| stream.predict(id, 100));
    stream.predict("one more", 130);
    let counts = stream.shard.counts();
    assert_eq!((stream.shard.held().rows, counts.evicted.rows), (1, 10));
    assert_eq!(stream.last(60).rows, 10, "the window ended early, but whole");
    stream.label(0, 140, true);
    stream.predict(3, 100);
    stream.finish();
    let counts = stream.shard.counts();
    assert_eq!((counts.predictions.late, counts.labels.unmatched), (1, 1));
}

#[test]
fn i6_windows_have_a_limit() {
    let limits = Limits { windows: 3, ..Limits::default() };
    let mut stream = Stream::of(shard_of(contract()).with_limits(limits));
    (0..10).for_each(|minute| stream.predict(minute, 100 + 60 * minute));
    assert_eq!((stream.shard.held().windows, stream.shard.counts().evicted.windows), (3, 7));
    stream.finish();
    assert_eq!((0..10).map(|minute| stream.last(60 + 60 * minute).rows).sum::<u64>(), 10);
}

#[test]
fn i6_waiting_labels_have_limits() {
    let limits = Limits { waiting_labels: 5, labels_of_one_event: 2, ..Limits::default() };
    let mut stream = Stream::of(shard_of(contract()).with_limits(limits));
    (0..8).for_each(|id| stream.label(id, 100 + id, true));
    assert_eq!((stream.shard.held().waiting_labels, stream.shard.counts().evicted.waiting_labels), (5, 3));
    (0..4).for_each(|time| stream.label(7, 200 + time, time % 2 == 0));
    let counts = stream.shard.counts();
    assert_eq!((counts.labels.accepted, counts.labels.unmatched), (12, counts.evicted.waiting_labels));
    stream.predict(7, 120);
    stream.finish();
    assert_eq!(stream.last(120).performance.labelled(), 1);
}
