//! `bellwether replay`: counts against the log, the same bytes however it is run, and odd streams.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::oracle::{self, SHOP, Tally};
use crate::program::{Answer, bellwether};
use crate::stream::{CONTRACT, Log, rfc3339};

const FILES: [&str; 6] = ["--contract", "shop.yaml", "--predictions", "predictions.jsonl", "--labels", "labels.jsonl"];

fn replay(folder: &Path, more: &[&str]) -> Answer {
    let mut arguments = vec!["replay"];
    arguments.extend(FILES);
    arguments.extend(more);
    bellwether(folder, &arguments)
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_type<'a>(lines: &'a [Value], name: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == name).collect()
}

/// A folder with the shop's contract and a log.
fn folder(log: &Log) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), CONTRACT).unwrap();
    log.write(folder.path());
    folder
}

#[test]
fn i1_every_event_counts_exactly_once() {
    let log = Log::clean(1, 100, 60).with_garbage(40);
    let expected = oracle::expect(&log, &SHOP);
    assert!(
        expected.duplicate > 50 && expected.late > 10 && expected.dead_letters.len() > 100,
        "the log has everything"
    );
    let folder = folder(&log);
    let answer = replay(folder.path(), &["--format", "json"]).exits(0);
    let lines = lines(&answer);

    let summary = lines.last().unwrap();
    let counts = &summary["counts"]["predictions"];
    assert_eq!(counts["accepted"], expected.accepted);
    assert_eq!(counts["duplicate"], expected.duplicate);
    assert_eq!(counts["late"], expected.late);
    assert_eq!(counts["dead_letter"], expected.dead("prediction"));
    let labels = &summary["counts"]["labels"];
    let understood: u64 = ["accepted", "duplicate", "late"].iter().map(|name| labels[name].as_u64().unwrap()).sum();
    assert_eq!(understood, expected.labels);
    assert_eq!(summary["dead_letters"], expected.dead_letters.len());

    assert_eq!(windows(&lines), by_start(&expected));
}

/// What the log says, by the windows' starts as text.
fn by_start(expected: &oracle::Expected) -> BTreeMap<String, Tally> {
    expected.windows.iter().map(|(start, tally)| (rfc3339(*start), *tally)).collect()
}

/// The last revision of each window of version 1 as a whole. The text of a time is cut to milliseconds.
fn windows(lines: &[Value]) -> BTreeMap<String, Tally> {
    let mut windows = BTreeMap::new();
    for line in of_type(lines, "window").into_iter().filter(|line| line["segment"] == "" && line["version"] == "1") {
        let start = line["window_start"].as_str().unwrap().trim_end_matches('Z');
        let start = if start.contains('.') { format!("{start}Z") } else { format!("{start}.000Z") };
        let (rows, labelled) = (line["rows"].as_u64().unwrap(), line["labelled"].as_u64().unwrap());
        let rate = line["figures"]["positive_rate"].as_f64().unwrap_or(0.0);
        windows.insert(start, Tally { rows, labelled, positive: (rate * labelled as f64).round() as u64 });
    }
    windows
}

#[test]
fn i4_dead_letters_name_their_reason_and_position_and_never_show_the_event() {
    let mut log = Log::clean(2, 12, 30).with_garbage(20);
    log.labels[5].bytes = br#"{"id": "e5", "known_at": "SECRET-VALUE", "bought": true}"#.to_vec();
    log.labels[9].bytes = br#"{"id": "e9", "known_at": 1772420000000, "bought": "SECRET-VALUE"}"#.to_vec();
    let expected = oracle::expect(&log, &SHOP);
    let folder = folder(&log);
    let answer = replay(folder.path(), &["--format", "json"]).exits(0);
    let lines = lines(&answer);
    let mut found = BTreeMap::new();
    for letter in of_type(&lines, "dead_letter") {
        let kind = if letter["kind"] == "label" { "label" } else { "prediction" };
        assert!(!letter["detail"].as_str().unwrap().is_empty());
        found.insert((kind, letter["offset"].as_i64().unwrap()), letter["reason"].as_str().unwrap().to_owned());
    }
    let expected: BTreeMap<_, _> =
        expected.dead_letters.iter().map(|(position, reason)| (*position, (*reason).to_owned())).collect();
    // A label's time that is text where milliseconds are declared may be called invalid or of the wrong type.
    let found =
        found.into_iter().map(|(at, reason)| (at, if at == ("label", 5) { "time_invalid".to_owned() } else { reason }));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    assert!(!answer.stdout.contains("SECRET-VALUE") && !answer.stderr.contains("SECRET-VALUE"));
}

/// `--threads` is promised to scripts, and nothing reads it yet: that it changes nothing will be worth more when it does.
#[test]
fn i2_the_bytes_are_the_same_whatever_the_batches_and_threads_say() {
    let help = bellwether(Path::new("."), &["replay", "--help"]).exits(0).stdout;
    assert!(help.contains("this release uses one thread"), "{help}");
    let folder = folder(&Log::clean(3, 40, 40).with_garbage(50));
    for format in ["json", "text"] {
        let usual = replay(folder.path(), &["--all", "--format", format]).exits(0).stdout;
        assert!(usual.len() > 1000);
        for rows in ["1", "7", "8192"] {
            for threads in ["1", "2"] {
                let other =
                    replay(folder.path(), &["--all", "--format", format, "--batch-rows", rows, "--threads", threads]);
                assert!(other.exits(0).stdout == usual, "{format}, --batch-rows {rows} --threads {threads}");
            }
        }
    }
}

/// Files split anywhere are the same stream.
#[test]
fn i2_one_file_or_three_make_the_same_windows() {
    let log = Log::clean(4, 40, 40);
    let folder = folder(&log);
    let whole = lines(&replay(folder.path(), &["--format", "json"]).exits(0));
    let third = log.predictions.len() / 3;
    for (name, part) in [("a", 0..third), ("b", third..2 * third), ("c", 2 * third..log.predictions.len())] {
        let bytes = log.predictions[part].iter().flat_map(|entry| [entry.bytes.as_slice(), b"\n"].concat());
        std::fs::write(folder.path().join(format!("{name}.jsonl")), bytes.collect::<Vec<u8>>()).unwrap();
    }
    let mut arguments = vec!["replay", "--contract", "shop.yaml", "--labels", "labels.jsonl"];
    arguments.extend(["--format", "json", "--predictions", "a.jsonl", "b.jsonl", "c.jsonl"]);
    let parts = lines(&bellwether(folder.path(), &arguments).exits(0));
    assert_eq!(windows(&parts), windows(&whole));
}

#[test]
fn i5_without_labels_there_are_windows_and_no_performance() {
    let log = Log { labels: Vec::new(), ..Log::clean(5, 30, 20) };
    let folder = folder(&log);
    let arguments = ["replay", "--contract", "shop.yaml", "--predictions", "predictions.jsonl", "--format", "json"];
    let lines = lines(&bellwether(folder.path(), &arguments).exits(0));
    assert_eq!(windows(&lines), by_start(&oracle::expect(&log, &SHOP)));
    for line in of_type(&lines, "window") {
        assert_eq!(line["figures"]["performance"], json!({}), "{line}");
    }
}

/// D3: streams with next to nothing, or with odd values, in them.
#[test]
fn d3_odd_streams_end_with_a_summary() {
    let event = |index: i64, input: &str| {
        let at = rfc3339(crate::stream::BEGIN + index * 60_000_000);
        format!(
            r#"{{"id": "é-{index}", "at": "{at}", "model": {{"version": "μ"}}, "input": {input}, "output": {{"p": 0.25}}}}"#
        )
    };
    let stream = |count: i64, input: &str| (0..count).map(|index| event(index, input)).collect::<Vec<_>>();
    let usual = r#"{"amount": 1.5, "visits": 3, "country": "DE", "returning": true}"#;
    let cases = [
        ("no event", Vec::new(), 0),
        ("one event", stream(1, usual), 1),
        ("ten events", stream(10, usual), 10),
        ("constant columns", stream(3000, usual), 3000),
        ("nulls", stream(3000, r#"{"amount": null, "visits": null, "country": null, "returning": null}"#), 3000),
        ("no column at all", stream(3000, "{}"), 3000),
        (
            "unicode",
            stream(3000, r#"{"amount": 2, "visits": 1, "country": "東京 \"🦀\" \u00e9", "returning": false}"#),
            3000,
        ),
        (
            "numbers at the edge",
            stream(3000, r#"{"amount": 1.7976931348623157e308, "visits": -9223372036854775808}"#),
            3000,
        ),
    ];
    for (name, events, rows) in cases {
        let folder = folder(&Log::default());
        std::fs::write(folder.path().join("predictions.jsonl"), events.join("\n")).unwrap();
        let answer = replay(folder.path(), &["--all", "--format", "json"]).exits(0);
        assert!(!answer.stdout.contains("NaN") && !answer.stdout.contains("inf"), "{name}");
        let lines = lines(&answer);
        let summary = lines.last().unwrap();
        assert_eq!(summary["type"], "summary", "{name}");
        let accepted = summary["counts"].pointer("/predictions/accepted").and_then(Value::as_u64).unwrap_or(0);
        assert_eq!(accepted, rows, "{name}: {summary}");
        replay(folder.path(), &[]).exits(0);
    }
}

#[test]
fn d3_three_hundred_columns() {
    let folder = tempfile::tempdir().unwrap();
    let columns: Vec<String> = (0..300).map(|index| format!("  column_{index}: {{ type: float64 }}")).collect();
    let head = CONTRACT.split("schema:").next().unwrap();
    let contract =
        format!("{head}schema:\n{}\nwindows: {{ size: 1h, lateness: 5m, maturity: 3h }}\n", columns.join("\n"));
    std::fs::write(folder.path().join("shop.yaml"), contract).unwrap();
    let mut numbers = crate::stream::Numbers::seeded(6);
    let events: Vec<String> = (0..600)
        .map(|index| {
            let input: Vec<String> =
                (0..300).map(|column| format!(r#""column_{column}": {}"#, numbers.uniform())).collect();
            let at = rfc3339(crate::stream::BEGIN + index * 60_000_000);
            let (input, version) = (input.join(", "), r#"{"version": "1"}"#);
            format!(
                r#"{{"id": "{index}", "at": "{at}", "model": {version}, "input": {{{input}}}, "output": {{"p": 0.5}}}}"#
            )
        })
        .collect();
    std::fs::write(folder.path().join("predictions.jsonl"), events.join("\n")).unwrap();
    std::fs::write(folder.path().join("labels.jsonl"), "").unwrap();
    let lines = lines(&replay(folder.path(), &["--all", "--format", "json"]).exits(0));
    assert_eq!(lines.last().unwrap()["counts"]["predictions"]["accepted"], 600);
    assert!(lines.iter().any(|line| line["feature"] == "column_299"));
}

#[test]
fn i4_ids_of_64_unsigned_bits_join_their_labels() {
    let (first, last) = (1_u64 << 63, u64::MAX);
    let at = rfc3339(crate::stream::BEGIN);
    let input = r#"{"amount": 1, "visits": 18446744073709551615, "country": "DE", "returning": true}"#;
    let event = |id: &str, input: &str| {
        format!(
            r#"{{"id": {id}, "at": "{at}", "model": {{"version": "1"}}, "input": {input}, "output": {{"p": 0.5}}}}"#
        )
    };
    let predictions = [event(&first.to_string(), "{}"), event(&format!("\"{last}\""), "{}"), event("1", input)];
    let label = |id: u64| format!(r#"{{"id": {id}, "known_at": 1772409700000, "bought": true}}"#);
    let folder = folder(&Log::default());
    std::fs::write(folder.path().join("predictions.jsonl"), predictions.join("\n")).unwrap();
    std::fs::write(folder.path().join("labels.jsonl"), [label(first), label(last)].join("\n")).unwrap();
    let lines = lines(&replay(folder.path(), &["--format", "json"]).exits(0));
    assert_eq!(windows(&lines).into_values().collect::<Vec<_>>(), [Tally { rows: 2, labelled: 2, positive: 2 }]);
    let letters = of_type(&lines, "dead_letter");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["detail"], "feature `visits` is too large for int64");
}

#[test]
fn d3_text_holds_no_control_characters_of_the_data() {
    let mut log = Log::clean(8, 6, 50);
    for entry in &mut log.predictions {
        let text = String::from_utf8(entry.bytes.clone()).unwrap();
        let evil = r#""version": "1\u001b[2J\u202e\n"#;
        assert!(text.contains(r#""version": "1"#), "{text}");
        entry.bytes = text.replace(r#""version": "1"#, evil).into_bytes();
    }
    let folder = folder(&log);
    let text = replay(folder.path(), &["--all"]).exits(0).stdout;
    assert!(text.contains("version 1\\u{1b}[2J\\u{202e}\\n"), "{text}");
    assert!(!text.replace('\n', "").contains(|c: char| c.is_control() || c == '\u{202e}'));
}

#[test]
fn the_text_of_a_replay() {
    let folder = folder(&Log::clean(7, 6, 50).with_garbage(100));
    insta::assert_snapshot!(replay(folder.path(), &[]).exits(0).stdout);
}
