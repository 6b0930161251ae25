//! Columns of the database as the vocabulary's types, and back.

use contract::{EventTime, WallTime, Window};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

pub(crate) fn event_time(row: &SqliteRow, name: &str) -> sqlx::Result<EventTime> {
    row.try_get(name).map(EventTime::from_micros)
}

pub(crate) fn maybe_event_time(row: &SqliteRow, name: &str) -> sqlx::Result<Option<EventTime>> {
    Ok(row.try_get::<Option<i64>, _>(name)?.map(EventTime::from_micros))
}

pub(crate) fn wall_time(row: &SqliteRow, name: &str) -> sqlx::Result<WallTime> {
    row.try_get(name).map(WallTime::from_micros)
}

pub(crate) fn maybe_wall_time(row: &SqliteRow, name: &str) -> sqlx::Result<Option<WallTime>> {
    Ok(row.try_get::<Option<i64>, _>(name)?.map(WallTime::from_micros))
}

pub(crate) fn window(row: &SqliteRow) -> sqlx::Result<Window> {
    Ok(Window { start: event_time(row, "window_start")?, end: event_time(row, "window_end")? })
}

/// A count that the database keeps as a signed 64-bit integer.
pub(crate) fn integer<T: TryFrom<i64>>(row: &SqliteRow, name: &str) -> sqlx::Result<T> {
    let value: i64 = row.try_get(name)?;
    T::try_from(value).map_err(|_| sqlx::Error::ColumnDecode {
        index: name.to_owned(),
        source: format!("{value} is outside the range of the column's type").into(),
    })
}

/// The database's integers are signed; counters that pass 2^63 don't occur, and saturate if they do.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn micros(time: Option<EventTime>) -> Option<i64> {
    time.map(EventTime::micros)
}

/// An offset-free limit for an answer: what the caller asked for, at most [`crate::MAX_ROWS`].
pub(crate) fn limit(asked: Option<u32>) -> i64 {
    i64::from(asked.unwrap_or(crate::MAX_ROWS).min(crate::MAX_ROWS))
}
