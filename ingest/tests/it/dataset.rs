//! Data files that nobody has prepared for us.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type, TimeUnit};
use contract::{Contract, EventTime};
use datafusion::logical_expr::{ident, lit};
use ingest::dataset::{read, window_profiles};
use ingest::{Error, Kind, Record};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

/// A folder with these text files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

async fn batch(path: &Path) -> RecordBatch {
    let data = read(path).await.unwrap();
    let schema = Arc::new(data.schema().as_arrow().clone());
    concat_batches(&schema, &data.collect().await.unwrap()).unwrap()
}

async fn csv(text: &str) -> RecordBatch {
    let folder = folder(&[("data.csv", text)]);
    batch(&folder.path().join("data.csv")).await
}

/// The error of a file that can't be read, which must name it.
async fn refusal(path: PathBuf) -> String {
    let error = match read(&path).await {
        Err(error) => error,
        Ok(data) => panic!("read {:?}", data.schema()),
    };
    assert!(matches!(error, Error::Format { .. } | Error::File { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(path.file_name().unwrap().to_str().unwrap()), "{text}");
    text
}

#[tokio::test]
async fn d3_csv_columns_have_the_type_of_all_their_rows() {
    let mut text = "late,whole,mixed,flag,day,time,na,word,empty\n".to_owned();
    for row in 0..3_000 {
        let late = if row < 2_000 { String::new() } else { format!("{row}.5") };
        let mixed = if row < 2_500 { row.to_string() } else { "1e-3".to_owned() };
        let na = if row % 3 == 0 { "NA".to_owned() } else { row.to_string() };
        let word = if row % 5 == 0 { "NA" } else { "x" };
        writeln!(text, "{late},{row},{mixed},true,2013-01-01,2013-01-01T05:00:00Z,{na},{word},").unwrap();
    }
    let batch = csv(&text).await;
    let types: Vec<DataType> = batch.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    assert_eq!(
        types,
        [
            DataType::Float64,
            DataType::Int64,
            DataType::Float64,
            DataType::Boolean,
            DataType::Date32,
            time,
            DataType::Int64,
            DataType::Utf8,
            DataType::Null
        ]
    );
    assert_eq!(batch.num_rows(), 3_000);
    assert_eq!(batch.column(0).null_count(), 2_000);
    assert_eq!(batch.column(6).null_count(), 1_000);
    assert_eq!(batch.column(6).as_primitive::<Int64Type>().value(2_999), 2_999);
    assert_eq!(batch.column(7).null_count(), 0, "a word is a word");
}

#[tokio::test]
async fn d3_infinities_constants_nulls_and_few_rows_are_data() {
    let infinite = csv("x,constant,nothing\ninf,1,\n-Infinity,1,\nNaN,1,\n1e308,1,\n").await;
    let values: Vec<f64> = infinite.column(0).as_primitive::<Float64Type>().values().to_vec();
    assert!(
        values[0] == f64::INFINITY
            && values[1] == f64::NEG_INFINITY
            && values[2].is_nan()
            && values[3].total_cmp(&1e308).is_eq()
    );
    assert_eq!(infinite.column(2).data_type(), &DataType::Null);
    for header in ["a,b", "a,b\n", "\u{feff}a,b\r\n"] {
        let empty = csv(header).await;
        assert_eq!((empty.num_rows(), empty.num_columns()), (0, 2), "{header:?}");
        assert_eq!(empty.schema().field(0).name(), "a");
    }
    assert_eq!(csv("a\n7").await.num_rows(), 1);
    assert_eq!(csv(&("a\n".to_owned() + &"1\n".repeat(10))).await.num_rows(), 10);
    let lines = csv("a,b\n\"two\nlines\",1\n\"a \"\"quote\"\"\",2\n").await;
    assert_eq!(lines.column(0).as_string::<i32>().value(0), "two\nlines");
}

#[tokio::test]
async fn d3_names_keep_capitals_dots_and_scripts() {
    let names = ["Größe", "a.b", "SELECT", "用户", "with \"quotes\"", "🎉", "a b*?[c]"];
    let columns = names.map(|name| (name, Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef)).to_vec();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ünï *?[x] %20.parquet");
    write_parquet(&path, columns);
    let data = read(&path).await.unwrap();
    let found: Vec<_> = data.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(found, names);
    for name in names {
        let rows = data.clone().filter(ident(name).gt(lit(1))).unwrap().count().await.unwrap();
        assert_eq!(rows, 2, "{name}");
    }
}

#[tokio::test]
async fn d3_three_hundred_columns() {
    let header: Vec<String> = (0..300).map(|number| format!("c{number}")).collect();
    let row = vec!["0.5"; 300].join(",");
    let wide = csv(&format!("{}\n{row}\n{row}\n", header.join(","))).await;
    assert_eq!((wide.num_columns(), wide.num_rows()), (300, 2));
}

#[tokio::test]
async fn every_format_gives_the_same_rows() {
    let folder = folder(&[
        ("rows.csv", "x,word\n1.5,a\n,b\n"),
        ("rows.jsonl", "{\"x\": 1.5, \"word\": \"a\"}\n{\"word\": \"b\"}\n"),
        ("rows.json", "[{\"x\": 1.5, \"word\": \"a\"}, {\"x\": null, \"word\": \"b\"}]"),
    ]);
    let columns = || {
        vec![
            ("x", Arc::new(Float64Array::from(vec![Some(1.5), None])) as ArrayRef),
            ("word", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef),
        ]
    };
    write_parquet(&folder.path().join("rows.parquet"), columns());
    let arrow = RecordBatch::try_from_iter(columns()).unwrap();
    for name in ["rows.arrow", "rows.feather", "named-otherwise"] {
        let file = std::fs::File::create(folder.path().join(name)).unwrap();
        let mut writer = arrow::ipc::writer::FileWriter::try_new(file, &arrow.schema()).unwrap();
        writer.write(&arrow).unwrap();
        writer.finish().unwrap();
    }
    for name in ["rows.csv", "rows.jsonl", "rows.json", "rows.parquet", "rows.arrow", "rows.feather", "named-otherwise"]
    {
        let batch = batch(&folder.path().join(name)).await;
        let x = batch.column_by_name("x").unwrap().as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
        let word = arrow::compute::cast(batch.column_by_name("word").unwrap(), &DataType::Utf8).unwrap();
        let word = word.as_string::<i32>().iter().flatten().collect::<Vec<_>>();
        assert_eq!((x, word), (vec![Some(1.5), None], vec!["a", "b"]), "{name}");
    }
}

#[tokio::test]
async fn d3_json_columns_have_the_type_of_all_their_rows() {
    let lines = [
        r#"{"whole": 1, "mixed": 1, "odd": 1.5, "flag": true, "list": [1], "object": {"a": 1}, "named": 2, "none": null}"#,
        r#"{"whole": -2, "mixed": 0.5, "odd": "x", "flag": null, "object": {"b": []}, "named": "NaN", "late": "ü"}"#,
        r#"{"odd": {"a": [1, "b"]}, "odd": true, "list": [], "whole": 9}"#,
    ];
    let folder = folder(&[
        ("rows.jsonl", &format!("\u{feff}{}\r\n\n", lines.join("\r\n"))),
        ("rows.json", &format!("\u{feff} [{}]\n", lines.join(",\n"))),
    ]);
    for name in ["rows.jsonl", "rows.json"] {
        let batch = batch(&folder.path().join(name)).await;
        let schema = batch.schema();
        let types: Vec<_> = schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Null, true)));
        let expected = [
            ("whole", &DataType::Int64),
            ("mixed", &DataType::Float64),
            ("odd", &DataType::Utf8),
            ("flag", &DataType::Boolean),
            ("list", &list),
            ("object", &DataType::Struct(Fields::empty())),
            ("named", &DataType::Float64),
            ("none", &DataType::Null),
            ("late", &DataType::Utf8),
        ];
        assert_eq!(types, expected, "{name}");
        let odd = batch.column(2).as_string::<i32>().iter().flatten().collect::<Vec<_>>();
        assert_eq!(odd, ["1.5", "x", "true"], "of a key that is there twice the last value counts");
        let counts: Vec<usize> = batch.columns().iter().map(Array::logical_null_count).collect();
        assert_eq!(counts, [0, 1, 0, 2, 1, 1, 1, 3, 2], "{name}");
        assert!(batch.column(6).as_primitive::<Float64Type>().value(1).is_nan());
    }
}

#[tokio::test]
async fn d3_json_has_a_limit_of_keys_and_many_batches() {
    let keys: Vec<String> = (0..10_001).map(|number| format!("\"k{number}\": 1")).collect();
    let rows = "{\"x\": 1}\n".repeat(20_000);
    let folder = folder(&[
        ("wide.jsonl", &format!("{{{}}}\n", keys.join(","))),
        ("long/a.jsonl", &rows),
        ("long/b.jsonl", &rows),
    ]);
    assert!(refusal(folder.path().join("wide.jsonl")).await.contains("more than 10000 different keys"));
    std::fs::write(folder.path().join("line.jsonl"), " ".repeat(16 << 20)).unwrap();
    assert!(refusal(folder.path().join("line.jsonl")).await.contains("line 1 is longer than 16 MiB"));
    let long = batch(&folder.path().join("long")).await;
    assert_eq!(long.num_rows(), 40_000);
    assert_eq!(long.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>(), 40_000);
}

#[tokio::test]
async fn a_folder_is_one_data_set() {
    let folder = folder(&[
        ("b/dt=2013-01-02/two.csv", "x\n2.5\n"),
        ("a.csv", "x\n1\n"),
        ("_SUCCESS", ""),
        ("README.md", "not data"),
    ]);
    let batch = batch(folder.path()).await;
    let mut values = batch.column(0).as_primitive::<Float64Type>().values().to_vec();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [1.0, 2.5]);
    std::fs::write(folder.path().join("c.csv"), "y\n1\n").unwrap();
    assert!(read(folder.path()).await.unwrap_err().to_string().contains("c.csv"));
    std::fs::write(folder.path().join("c.csv"), "x\n1\n").unwrap();
    std::fs::write(folder.path().join("d.jsonl"), "{}\n").unwrap();
    assert!(read(folder.path()).await.unwrap_err().to_string().contains("several kinds"));
}

#[tokio::test]
async fn files_of_a_folder_may_differ_in_numeric_types() {
    let folder = tempfile::tempdir().unwrap();
    write_parquet(&folder.path().join("1.parquet"), vec![("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]);
    write_parquet(&folder.path().join("2.parquet"), vec![("x", Arc::new(Float64Array::from(vec![1.5])) as ArrayRef)]);
    let mut values = batch(folder.path()).await.column(0).as_primitive::<Float64Type>().values().to_vec();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [1.0, 1.5]);
    let flags = vec![("x", Arc::new(BooleanArray::from(vec![true])) as ArrayRef)];
    write_parquet(&folder.path().join("3.parquet"), flags);
    let error = read(folder.path()).await.unwrap_err().to_string();
    assert!(error.contains("`x`") && error.contains("3.parquet"), "{error}");
}

#[tokio::test]
async fn e1_files_that_are_no_data_say_why() {
    let folder = folder(&[
        ("empty.csv", ""),
        ("ragged.csv", "a,b\n1,2\n3\n"),
        ("twice.csv", "a,b,a\n1,2,3\n"),
        ("lies.parquet", "a,b\n1,2\n"),
        ("table.xlsx", "PK\u{3}\u{4}"),
        ("rows.tsv", "a\tb\n"),
        ("broken.jsonl", "{\"a\": 1}\n\n{\"a\": \n"),
        ("words.jsonl", "{\"a\": 1}\n{\"a\": oops}\n"),
        ("numbers.jsonl", "{\"a\": 1}\n17\n"),
        ("broken.json", "[{\"a\": 1},\n{\"a\": 1}\n"),
        ("after.json", "[{\"a\": 1}]\n]"),
        ("short.csv", "a,b,c\n1,2,3\n1\n"),
        ("open.csv", "a,b\n1,x\n2,\"y\n3,z\n4,z\n"),
        ("reopened.csv", "a,b\n1,x\n2,\"y\n3,\"z\"\n4,z\n"),
        ("semicolons.csv", "a;b\n1;2\n"),
        ("tabs.csv", "a\tb\n1\t2\n"),
        ("mixed/a.csv", "a\n1\n"),
        ("mixed/b.jsonl", "{}\n"),
        ("evil.csv", "\u{1b}[2J,\u{1b}[2J\n1,2\n"),
        ("nothing/README.md", "no data"),
    ]);
    std::fs::write(folder.path().join("latin.csv"), b"a\nM\xfcller\n").unwrap();
    std::fs::write(folder.path().join("cut.parquet"), b"PAR1 and no more").unwrap();
    let one = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    write_parquet(&folder.path().join("same.parquet"), vec![("x", one()), ("x", one())]);
    let same = RecordBatch::try_from_iter(vec![("x", one()), ("x", one())]).unwrap();
    let file = std::fs::File::create(folder.path().join("stream.arrow")).unwrap();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(file, &same.schema()).unwrap();
    writer.write(&same).unwrap();
    writer.finish().unwrap();
    for (name, part) in [
        ("missing.csv", "No such file"),
        ("empty.csv", "0 bytes"),
        ("ragged.csv", "line 3"),
        ("twice.csv", "`a` is there twice"),
        ("latin.csv", "line 2 is not UTF-8"),
        ("lies.parquet", "does not begin as Parquet"),
        ("table.xlsx", "compressed"),
        ("rows.tsv", "neither its name nor its content"),
        ("broken.jsonl", "line 3: the JSON ends too early"),
        ("words.jsonl", "line 2: malformed JSON"),
        ("numbers.jsonl", "line 2: no JSON object"),
        ("broken.json", "line 3: the JSON ends too early"),
        ("after.json", "line 2: malformed JSON"),
        ("short.csv", "line 3: 1 value where the header has 3"),
        ("open.csv", "line 3: a quote opens there and never ends"),
        ("reopened.csv", "line 3: a quote opens there and doesn't end where its value does"),
        ("semicolons.csv", "it has one column `a;b`: is `;` the separator?"),
        ("tabs.csv", "it has one column `a\\tb`: is `\\t` the separator?"),
        ("mixed", "a.csv is CSV, "),
        ("evil.csv", "column `\\u{1b}[2J` is there twice"),
        ("same.parquet", "column `x` is there twice"),
        ("stream.arrow", "column `x` is there twice"),
        ("cut.parquet", "Parquet"),
        ("nothing", "no data files"),
    ] {
        let text = refusal(folder.path().join(name)).await;
        assert!(text.contains(part), "{name}: {text}");
    }
}

const CONTRACT: &str = r#"
version: 1
model: m
task: binary_classification
sources:
  predictions: { topic: p, format: json }
  labels: { topic: l, format: json, horizon: 1d }
fields:
  predictions: { event_id: /id, time: /time, version: /version, features: "", score: /score, prediction: /class }
  labels: { event_id: /id, time: /time, label: /label }
schema: { x: { type: float64 }, n: { type: int64 }, word: { type: string }, flag: { type: boolean }, absent: { type: float64 } }
segments: [ word ]
windows: { size: 1h, lateness: 5m }
"#;

fn contract() -> Contract {
    let folder = folder(&[("contract.yaml", CONTRACT)]);
    match contract::lower::read_contract(&folder.path().join("contract.yaml")) {
        Ok(contract) => contract,
        Err(errors) => panic!("{errors:?}"),
    }
}

/// The same rows as a stream of events, as CSV and as JSON lines.
fn sample() -> (Vec<String>, Vec<String>, String, String) {
    let (mut predictions, mut labels) = (Vec::new(), Vec::new());
    let mut csv = "time,version,score,prediction,label,x,n,word,flag\n".to_owned();
    let mut json = String::new();
    let begin = EventTime::parse("2013-05-09T00:00:00Z").unwrap();
    for row in 0..2_000_i64 {
        let time = begin + std::time::Duration::from_secs(row as u64 * 7);
        let (version, score) = (if row % 4 == 0 { "2" } else { "1" }, (row % 100) as f64 / 100.0);
        let (x, word) = ((row * row % 977) as f64 / 3.0, ["007", "b", "ü"][row as usize % 3]);
        let (class, label, flag) = (row % 100 >= 50, row % 7 == 0, row % 2 == 0);
        let event = format!(
            r#""time": "{time}", "version": "{version}", "score": {score}, "x": {x}, "n": {row}, "word": "{word}", "flag": {flag}"#
        );
        predictions.push(format!(r#"{{"id": "{row}", "class": {class}, {event}}}"#));
        if row % 5 != 0 {
            labels.push(format!(r#"{{"id": "{row}", "time": "{time}", "label": {label}}}"#));
        }
        let known = if row % 5 == 0 { String::new() } else { u8::from(label).to_string() };
        writeln!(csv, "{time},{version},{score},{class},{known},{x},{row},{word},{flag}").unwrap();
        let known = if row % 5 == 0 {
            "null"
        } else if label {
            "true"
        } else {
            "false"
        };
        writeln!(json, "{{\"prediction\": {class}, \"label\": {known}, {event}}}").unwrap();
    }
    (predictions, labels, csv, json)
}

type Cells = BTreeMap<(String, String), Vec<u8>>;

#[tokio::test]
async fn i2_a_file_makes_the_cells_that_the_stream_makes() {
    let contract = Arc::new(contract());
    let (predictions, labels, csv, json) = sample();
    let topics = BTreeMap::from([(Kind::Prediction, "p".to_owned()), (Kind::Label, "l".to_owned())]);
    let identity = ingest::shard::Identity { shard: 0, shards: 1, topics };
    let mut shard = ingest::shard::Shard::new(Arc::clone(&contract), identity, 1).unwrap();
    for (kind, events) in [(Kind::Label, &labels), (Kind::Prediction, &predictions)] {
        let records: Vec<Record<'_>> = events
            .iter()
            .enumerate()
            .map(|(offset, event)| Record { offset: offset as i64, timestamp: None, payload: Some(event.as_bytes()) })
            .collect();
        shard.accept(kind, &records).unwrap();
    }
    shard.finish().unwrap();
    let mut expected: BTreeMap<EventTime, Cells> = BTreeMap::new();
    for part in shard.take_publications().into_iter().flat_map(|publication| publication.parts) {
        let cells = part.cells.into_iter().map(|cell| ((cell.version, cell.segment), cell.profile.to_bytes()));
        expected.insert(part.window.start, cells.collect());
    }
    assert_eq!(expected.len(), 4);
    let folder = folder(&[("rows.csv", &csv), ("rows.jsonl", &json)]);
    for name in ["rows.csv", "rows.jsonl"] {
        let windows = window_profiles(&folder.path().join(name), &contract).await.unwrap();
        let found: BTreeMap<EventTime, Cells> = windows
            .into_iter()
            .map(|(window, cells)| {
                let cells = cells.into_iter().map(|cell| ((cell.version, cell.segment), cell.profile.to_bytes()));
                (window.start, cells.collect())
            })
            .collect();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        for (start, cells) in &expected {
            assert_eq!(found[start].keys().collect::<Vec<_>>(), cells.keys().collect::<Vec<_>>(), "{name} {start}");
            assert!(found[start] == *cells, "{name}: profiles of {start} differ");
        }
    }
}

#[tokio::test]
async fn d3_wrong_types_in_a_file_are_counted_where_they_are() {
    let folder = folder(&[
        (
            "rows.csv",
            "time,x,n\n2013-05-09T00:00:00Z,1.5,1\n2013-05-09T00:01:00Z,n/a?,2\n2013-05-09T00:02:00Z,2,2.5\n,3,3\n",
        ),
        ("untimed.csv", "x,n\n1,2\n"),
        ("numbers.csv", "time,x\n17,2\n"),
    ]);
    let contract = contract();
    let windows = window_profiles(&folder.path().join("rows.csv"), &contract).await.unwrap();
    let [(_, cells)] = windows.as_slice() else { panic!("{} windows", windows.len()) };
    let [cell] = cells.as_slice() else { panic!("{} cells", cells.len()) };
    let columns: Vec<_> = cell.profile.columns.iter().map(|c| (c.rows(), c.nulls(), c.mistyped())).collect();
    assert_eq!(cell.profile.rows, 1);
    assert_eq!(columns, [(1, 0, 1), (1, 0, 1), (1, 1, 0), (1, 1, 0), (1, 1, 0)]);
    let error = window_profiles(&folder.path().join("untimed.csv"), &contract).await.unwrap_err().to_string();
    assert!(error.contains("no column `time`"), "{error}");
    let error = window_profiles(&folder.path().join("numbers.csv"), &contract).await.unwrap_err().to_string();
    assert!(error.contains("`time` is Int64"), "{error}");
}
