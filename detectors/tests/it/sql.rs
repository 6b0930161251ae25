//! The stream, SQL and reports share one accumulator.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BinaryArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int32Type};
use datafusion::prelude::{SessionConfig, SessionContext, col};
use detectors::aggregates::{self, numeric_profile, numeric_profile_in_range};
use detectors::profile::{CategoricalProfile, ColumnProfile, NumericProfile};

const ROWS: usize = 30_000;

fn batch() -> RecordBatch {
    let values = (0..ROWS).map(|row| (row % 11 > 0).then(|| ((row * 7_919) % 10_007) as f64 * 0.31 - 900.0));
    let names = (0..ROWS).map(|row| (row % 13 > 0).then(|| ["Ärzte", "b", "c"][row * row % 3]));
    RecordBatch::try_from_iter([
        ("amount", Arc::new(values.collect::<Float64Array>()) as Arc<dyn Array>),
        ("count", Arc::new((0..ROWS as i64).map(|row| row % 50).collect::<Int64Array>()) as Arc<dyn Array>),
        ("name", Arc::new(names.clone().collect::<StringArray>()) as Arc<dyn Array>),
        ("coded", Arc::new(names.collect::<DictionaryArray<Int32Type>>()) as Arc<dyn Array>),
        ("day", Arc::new((0..ROWS as i64).map(|row| row % 4).collect::<Int64Array>()) as Arc<dyn Array>),
    ])
    .unwrap()
}

/// Four partitions of small batches, so that states are merged.
fn context() -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4).with_batch_size(512));
    aggregates::register(&context);
    let batch = batch();
    let quarters = (0..4).map(|part| vec![batch.slice(part * ROWS / 4, ROWS / 4)]).collect();
    let table = datafusion::datasource::MemTable::try_new(batch.schema(), quarters).unwrap();
    context.register_table("events", Arc::new(table)).unwrap();
    context
}

fn direct() -> (NumericProfile, CategoricalProfile) {
    let (mut amount, mut name) = (NumericProfile::default(), CategoricalProfile::new());
    amount.update(batch().column(0)).unwrap();
    name.update(batch().column(2)).unwrap();
    (amount, name)
}

async fn one_row(context: &SessionContext, query: &str) -> RecordBatch {
    let batches = context.sql(query).await.unwrap().collect().await.unwrap();
    batches.into_iter().find(|batch| batch.num_rows() > 0).unwrap()
}

fn bytes(batch: &RecordBatch, column: usize) -> &[u8] {
    let column: &BinaryArray = batch.column(column).as_binary::<i32>();
    column.value(0)
}

#[tokio::test]
async fn profiles_in_sql_have_the_bytes_of_the_stream() {
    let context = context();
    let (amount, name) = direct();
    let query = "SELECT numeric_profile(amount), categorical_profile(name), categorical_profile(coded) FROM events";
    let row = one_row(&context, query).await;
    assert_eq!(bytes(&row, 0), amount.to_bytes());
    assert_eq!(bytes(&row, 1), name.to_bytes());
    assert_eq!(bytes(&row, 2), name.to_bytes());
    let table = context.table("events").await.unwrap();
    let by_api = table.aggregate(vec![], vec![numeric_profile(col("amount"))]).unwrap().collect().await.unwrap();
    assert_eq!(bytes(&by_api[0], 0), amount.to_bytes());
}

#[tokio::test]
async fn days_merge_to_the_whole() {
    let context = context();
    let query = "SELECT merge_profiles(p) FROM (SELECT day, numeric_profile(amount) AS p FROM events GROUP BY day)";
    assert_eq!(bytes(&one_row(&context, query).await, 0), direct().0.to_bytes());
}

#[tokio::test]
async fn detectors_in_sql_are_the_detectors() {
    let context = context();
    let query = "SELECT ks(b, c), psi(b, c), wasserstein(b, c), unseen_categories(b, c), outside_range(b, c) FROM \
                 (SELECT numeric_profile(amount) FILTER (WHERE day < 3) AS b, \
                 numeric_profile(amount) FILTER (WHERE day = 3) AS c FROM events)";
    let row = one_row(&context, query).await;
    for column in 0..3 {
        let statistic = row.column(column).as_primitive::<Float64Type>();
        assert!(statistic.is_valid(0) && statistic.value(0).is_finite(), "{column}");
    }
    assert!(row.column(3).is_null(0) && row.column(4).is_null(0));
}

#[tokio::test]
async fn a_declared_range_is_counted() {
    let context = context();
    let table = context.table("events").await.unwrap();
    let ranged = numeric_profile_in_range(col("count"), (10.0, 40.0));
    let row = table.aggregate(vec![], vec![ranged]).unwrap().collect().await.unwrap();
    let ColumnProfile::Numeric(profile) = ColumnProfile::from_any_bytes(bytes(&row[0], 0)).unwrap() else { panic!() };
    assert_eq!((profile.below_range(), profile.above_range()), (ROWS as u64 / 5, ROWS as u64 * 9 / 50));
}

#[tokio::test]
async fn d3_no_rows_and_wrong_types_are_answered() {
    let context = context();
    let row = one_row(&context, "SELECT numeric_profile(amount), merge_profiles(NULL) FROM events WHERE day > 9").await;
    assert_eq!(bytes(&row, 0), NumericProfile::default().to_bytes());
    assert!(row.column(1).is_null(0));
    let wrong = context.sql("SELECT numeric_profile(name) FROM events").await;
    assert!(wrong.unwrap_err().to_string().contains("cast the column first"));
}
