//! I4: bad input never stops the stream and is never lost.

use arrow::array::AsArray;
use contract::EventTime;
use contract::model::Privacy;
use ingest::publication::{DeadLetter, Reason};
use ingest::{Kind, PAYLOAD_LIMIT, Record};
use proptest::prelude::*;

use crate::stream::{Stream, contract, label, prediction, prediction_of, shard_of};

fn letters(stream: &mut Stream) -> Vec<DeadLetter> {
    let last = stream.shard.progress();
    stream.publications.drain(..).chain([last]).flat_map(|publication| publication.dead_letters).collect()
}

/// The reason why a prediction is refused, None if it isn't.
fn reason(event: &str) -> Option<Reason> {
    let mut stream = Stream::new(contract());
    stream.send(Kind::Prediction, event);
    let letters = letters(&mut stream);
    assert_eq!(letters.len() as u64, stream.shard.counts().predictions.dead_letter);
    assert!(letters.iter().all(|letter| letter.payload == event.as_bytes() && !letter.detail.contains("secret")));
    letters.first().map(|letter| letter.reason)
}

#[test]
fn i4_each_fault_has_its_reason() {
    let whole = prediction("secret", 100);
    let with = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        whole.replace(from, to)
    };
    assert_eq!(reason(&whole), None);
    for (event, expected) in [
        (String::new(), Reason::Undecodable),
        ("secret".to_owned(), Reason::Undecodable),
        ("[1, 2]".to_owned(), Reason::Undecodable),
        (whole[..whole.len() - 1].to_owned(), Reason::Undecodable),
        (with(r#""id": "secret", "#, ""), Reason::MissingField),
        (with(r#""id": "secret""#, r#""id": null"#), Reason::MissingField),
        (with(r#""id": "secret""#, r#""id": [1]"#), Reason::WrongType),
        (with(r#""t": 100, "#, ""), Reason::MissingField),
        (with(r#""t": 100"#, r#""t": "secret""#), Reason::TimeInvalid),
        (with(r#""t": 100"#, r#""t": -1"#), Reason::TimeInvalid),
        (with(r#""t": 100"#, r#""t": 4102531201"#), Reason::TimeInFuture),
        (with(r#""x": 3.5"#, r#""x": "secret""#), Reason::WrongType),
        (with(r#""n": 3"#, r#""n": 3.5"#), Reason::WrongType),
        (with(r#""flag": false"#, r#""flag": 0"#), Reason::WrongType),
        (with(r#""word": "b""#, r#""word": {}"#), Reason::WrongType),
        (with(r#""score": 0"#, r#""score": "secret""#), Reason::WrongType),
        (with(r#""version": "1""#, r#""version": true"#), Reason::WrongType),
        (with(r#""ms": 5"#, r#""ms": "secret""#), Reason::WrongType),
        (with(r#""class": false"#, r#""class": []"#), Reason::WrongType),
        (with(r#""input""#, r#""inputs""#), Reason::MissingField),
        (prediction_of("secret", 100, "").replace("{}", "[]"), Reason::WrongType),
        (with("\"ms\"", &format!("\"{}\"", "m".repeat(PAYLOAD_LIMIT))), Reason::Oversized),
    ] {
        let found = reason_of_start(&event);
        assert_eq!(found, Some(expected), "{}", event.get(..200).unwrap_or(&event));
    }
}

/// Oversized payloads are cut in the dead letter.
fn reason_of_start(event: &str) -> Option<Reason> {
    if event.len() <= PAYLOAD_LIMIT {
        return reason(event);
    }
    let mut stream = Stream::new(contract());
    stream.send(Kind::Prediction, event);
    let letters = letters(&mut stream);
    assert_eq!(letters[0].payload.len(), PAYLOAD_LIMIT);
    Some(letters[0].reason)
}

#[test]
fn i4_what_is_strange_but_right_is_accepted() {
    let whole = prediction("a", 100);
    for (from, to) in [
        (r#""x": 3.5"#, r#""x": 3"#),
        (r#""x": 3.5"#, r#""x": null"#),
        (r#""x": 3.5"#, r#""x": "NaN""#),
        (r#""x": 3.5"#, r#""x": "-Infinity""#),
        (r#""x": 3.5"#, r#""x": "wrong", "x": 3.5"#),
        (r#""n": 3"#, r#""n": 3.0"#),
        (r#""n": 3, "#, ""),
        (r#""score": 0"#, r#""score": 17.5"#),
        (r#""score": 0, "#, ""),
        (r#""version": "1""#, r#""version": 1"#),
        (r#", "version": "1""#, ""),
        (r#""class": false"#, r#""class": "maybe""#),
        (r#""id": "a""#, r#""id": "\u00e9\n😀""#),
        (r#""id": "a""#, r#""unknown": [{"id": 7}], "id": "a""#),
    ] {
        assert!(whole.contains(from), "{from}");
        assert_eq!(reason(&whole.replace(from, to)), None, "{to}");
    }
}

#[test]
fn i4_another_models_event_is_no_dead_letter() {
    let mut stream = Stream::new(contract());
    stream.send(Kind::Prediction, &prediction("a", 100).replace(r#""name": "m""#, r#""name": "other""#));
    stream.send(Kind::Prediction, r#"{"id": 5}"#);
    stream.send(Kind::Label, &label("a", 100, true).replace("\"m\"", "\"other\""));
    let counts = stream.shard.counts();
    assert_eq!((counts.predictions.other_model, counts.labels.other_model), (2, 1));
    assert_eq!((counts.predictions.total(), counts.labels.total()), (2, 1));
}

#[test]
fn i4_wrong_labels_are_dead_letters() {
    let mut stream = Stream::new(contract());
    stream.predict("a", 100);
    for value in ["null", "2", "\"1\"", "0.5", "[]"] {
        stream.send(Kind::Label, &label("a", 100, true).replace("true", value));
    }
    for value in ["1", "0.0", "false"] {
        stream.send(Kind::Label, &label("a", 101, true).replace("true", value));
    }
    let reasons: Vec<_> = letters(&mut stream).iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons[0], Reason::MissingField);
    assert!(reasons.len() == 5 && reasons[1..].iter().all(|reason| *reason == Reason::WrongType));
    assert_eq!((stream.shard.counts().labels.accepted, stream.shard.counts().labels.duplicate), (2, 1));
}

#[test]
fn i4_a_column_that_changes_its_type_shows_in_the_window() {
    let mut stream = Stream::new(contract());
    stream.predict("a", 100);
    for id in 0..5 {
        stream.send(Kind::Prediction, &prediction_of(id, 110 + id, r#""x": "12", "n": 1, "flag": 7, "word": "a""#));
    }
    // The producer sends nothing else any more: windows close all the same.
    stream.send(Kind::Prediction, &prediction_of("last", 140, r#""x": "12""#));
    let profile = stream.last(60);
    let mistyped: Vec<_> = profile.columns.iter().map(detectors::profile::ColumnProfile::mistyped).collect();
    assert_eq!((profile.rows, mistyped), (1, vec![5, 0, 5, 0]));
    let letters = letters(&mut stream);
    assert_eq!(letters.len(), 6);
    assert_eq!(
        letters[0].detail,
        "feature `x` is text, where a number is expected; feature `flag` is an integer, where a boolean is expected"
    );
    assert_eq!((letters[0].topic.as_str(), letters[0].partition, letters[0].offset), ("predictions", 0, 1));
}

#[test]
fn i4_a_poisoned_time_of_a_file_moves_no_clock() {
    let mut stream = Stream::new(contract());
    let mut send = |id: &str, seconds: i64| stream.send_at(Kind::Prediction, None, prediction(id, seconds).as_bytes());
    let day = 86_400;
    send("a", 100);
    send("b", 101);
    send("poisoned", 80 * day);
    send("c", 102);
    send("a gap", 40 * day);
    send("after the gap", 40 * day + 1);
    send("poisoned at the end", 100 * day);
    stream.finish();
    let letters = letters(&mut stream);
    let offsets: Vec<_> = letters.iter().map(|letter| (letter.offset, letter.reason)).collect();
    assert_eq!(offsets, [(2, Reason::TimeInFuture), (6, Reason::TimeInFuture)]);
    let counts = stream.shard.counts().predictions;
    assert_eq!((counts.accepted, counts.late, counts.total()), (5, 0, 7));
}

#[test]
fn i4_the_only_event_of_a_file_counts() {
    let mut stream = Stream::new(contract());
    stream.send_at(Kind::Prediction, None, prediction("a", 100).as_bytes());
    stream.send_at(Kind::Label, None, label("a", 200, true).as_bytes());
    assert_eq!(stream.shard.counts().predictions.total(), 0, "not confirmed yet");
    stream.finish();
    assert_eq!(stream.last(60).performance.labelled(), 1);
}

#[test]
fn i4_the_brokers_clock_bounds_times() {
    let mut stream = Stream::new(contract());
    let broker = EventTime::parse("1970-01-02T00:00:00Z");
    stream.send_at(Kind::Prediction, broker, prediction("a", 2 * 86_400).as_bytes());
    stream.send_at(Kind::Prediction, broker, prediction("b", 2 * 86_400 + 1).as_bytes());
    assert_eq!(stream.shard.watermark(Kind::Prediction), EventTime::parse("1970-01-03T00:00:00Z"));
    assert_eq!(letters(&mut stream)[0].reason, Reason::TimeInFuture);
}

#[test]
fn i4_dead_letters_do_not_pile_up() {
    let mut shard = shard_of(contract());
    let big = vec![b'x'; PAYLOAD_LIMIT];
    for offset in 0..1_000 {
        let payload = if offset < 500 { &b"x"[..] } else { &big };
        shard.accept(Kind::Prediction, &[Record { offset, timestamp: None, payload: Some(payload) }]).unwrap();
        for publication in shard.take_publications() {
            let bytes: usize = publication.dead_letters.iter().map(|letter| letter.payload.len()).sum();
            assert!(publication.dead_letters.len() <= 256 && bytes <= 5 << 20, "{bytes}");
        }
    }
    assert!(shard.progress().dead_letters.len() < 10);
    shard.accept(Kind::Prediction, &[Record { offset: 1_000, timestamp: None, payload: None }]).unwrap();
    assert_eq!(shard.counts().predictions.dead_letter, 1_001, "a tombstone is one too");
}

#[test]
fn e2_columns_are_hashed_or_left_out() {
    let mut contract = contract();
    contract.schema[0].privacy = Privacy::Hash;
    contract.schema[2].privacy = Privacy::Drop;
    contract.schema[3].privacy = Privacy::Hash;
    contract.schema[1].name = "score".to_owned();
    let mut stream = Stream::new(contract);
    stream.send(Kind::Prediction, &prediction_of("a", 100, r#""x": 1.5, "score": 7, "flag": true, "word": "secret""#));
    stream.send(Kind::Prediction, &prediction_of("b", 100, r#""x": 1.5, "word": "secret""#));
    let rows = stream.shard.take_rows().unwrap();
    let batch = &rows[0].batch;
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    let expected = [
        "event_id",
        "time",
        "version",
        "_score",
        "prediction",
        "latency",
        "error",
        "late",
        "offset",
        "x",
        "score",
        "word",
    ];
    assert_eq!(names, expected);
    let hashes = batch.column_by_name("x").unwrap().as_string::<i32>();
    assert_eq!((hashes.value(0).len(), hashes.value(0)), (32, hashes.value(1)));
    stream.finish();
    let part = *stream.parts(60).last().unwrap();
    let told = format!("{part:?}");
    assert!(!told.contains("secret") && part.cells.len() == 2);
    let words = part.cells[0].profile.columns[3].as_categorical().unwrap();
    assert_eq!(words.counts().map(|(name, count)| (name.len(), count)).collect::<Vec<_>>(), [(32, 2)]);
}

proptest! {
    #[test]
    fn i4_no_bytes_stop_the_stream(payloads in proptest::collection::vec(payload(), 0..40)) {
        let mut stream = Stream::new(contract());
        for payload in &payloads {
            stream.send_at(Kind::Prediction, EventTime::parse("2100-01-01T00:00:00Z"), payload);
            stream.send_at(Kind::Label, None, payload);
        }
        stream.finish();
        let counts = stream.shard.counts();
        prop_assert_eq!(counts.predictions.total() + counts.labels.total(), 2 * payloads.len() as u64);
        let letters: usize = stream.publications.iter().map(|publication| publication.dead_letters.len()).sum();
        prop_assert_eq!(letters as u64, counts.predictions.dead_letter + counts.labels.dead_letter);
    }
}

/// Random bytes, and real events with some of their bytes changed.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let changed = (0_i64..10_000, proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4))
        .prop_map(|(seconds, changes)| {
            let mut payload = prediction(seconds, seconds).into_bytes();
            for (index, byte) in changes {
                let place = index.index(payload.len());
                payload[place] = byte;
            }
            payload
        });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..50), changed]
}
