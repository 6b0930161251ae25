//! The windows that baselines are made of: judged, neither quarantined nor held out.

use std::time::Duration;

use contract::time::micros;
use contract::{EventTime, Window};
use sqlx::sqlite::SqliteExecutor;
use sqlx::{QueryBuilder, Sqlite};

use crate::column::limit;
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};
use crate::windows::WindowRow;

/// Start, version and segment of a window's row.
pub type WindowKey = (EventTime, String, String);

/// What a baseline compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The inputs of all versions, and the outputs of each.
    InputsAndOutputs,
    /// The performance of versions and their segments, once it has matured.
    Performance,
}

/// How many windows of each version and segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Those that start at this time or later.
    Since(EventTime),
    /// The first so many.
    First(u32),
    /// The newest so many, however old; of a version none that starts before the time.
    Newest(u32, EventTime),
}

/// Which accepted windows to read: oldest first, at most [`crate::MAX_ROWS`] in one answer.
#[derive(Clone, Debug)]
pub struct AcceptedFilter {
    pub compared: Compared,
    pub choice: Choice,
    /// Inputs of another layout don't count ([`WindowRow::layout`]).
    pub layout: i64,
    /// Windows of another size don't count.
    pub size: Duration,
    /// The last row of the page before.
    pub after: Option<WindowKey>,
}

reads! {
    /// A model's accepted windows with their profiles.
    accepted_windows(model: &str, filter: &AcceptedFilter) -> Vec<WindowRow> = select;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str, filter: &AcceptedFilter) -> Result<Vec<WindowRow>> {
    let (direction, of_each) = match filter.choice {
        Choice::Since(_) => ("ASC", i64::MAX),
        Choice::First(of_each) => ("ASC", i64::from(of_each)),
        Choice::Newest(of_each, _) => ("DESC", i64::from(of_each)),
    };
    // Ranked are keys alone: profiles are large.
    let mut query = QueryBuilder::new(format!(
        "SELECT windows.* FROM windows JOIN (
             SELECT version AS v, segment AS s, window_start AS w,
                    ROW_NUMBER() OVER (PARTITION BY version, segment ORDER BY window_start {direction}) AS place
             FROM windows WHERE NOT quarantined AND model = "
    ));
    query.push_bind(model.to_owned());
    push_conditions(&mut query, filter);
    query.push(") AS ranked ON version = v AND segment = s AND window_start = w WHERE model = ");
    query.push_bind(model.to_owned()).push(" AND place <= ").push_bind(of_each);
    if let Some((start, version, segment)) = &filter.after {
        query.push(" AND (window_start, version, segment) > (").push_bind(start.micros()).push(", ");
        query.push_bind(version.clone()).push(", ").push_bind(segment.clone()).push(")");
    }
    query.push(" ORDER BY window_start, version, segment LIMIT ").push_bind(limit(None));
    query.build_query_as().fetch_all(executor).await.doing("read accepted windows")
}

fn push_conditions(query: &mut QueryBuilder<Sqlite>, filter: &AcceptedFilter) {
    query.push(" AND window_end - window_start = ").push_bind(micros(filter.size));
    match filter.compared {
        Compared::InputsAndOutputs => {
            query.push(" AND segment = '' AND NOT held_out AND (version <> '' OR layout = ");
            query.push_bind(filter.layout).push(")");
        }
        Compared::Performance => {
            query.push(" AND version <> '' AND matured AND NOT performance_held_out");
        }
    }
    match filter.choice {
        Choice::Since(from) => {
            query.push(" AND window_start >= ").push_bind(from.micros());
        }
        Choice::First(_) => {}
        Choice::Newest(_, from) => {
            query.push(" AND (version = '' OR window_start >= ").push_bind(from.micros()).push(")");
        }
    }
}

impl Transaction {
    /// Keeps a judged window out of baselines: its inputs (no version), a version's outputs, or a version's performance with
    /// its segments. Revisions of the window leave that as it is.
    pub async fn hold_out(&mut self, model: &str, window: Window, version: &str, compared: Compared) -> Result<()> {
        let change = match compared {
            Compared::InputsAndOutputs => {
                "UPDATE windows SET held_out = TRUE
                 WHERE model = $1 AND window_start = $2 AND version = $3 AND segment = ''"
            }
            Compared::Performance => {
                "UPDATE windows SET performance_held_out = TRUE
                 WHERE model = $1 AND window_start = $2 AND version = $3"
            }
        };
        sqlx::query(change)
            .bind(model)
            .bind(window.start.micros())
            .bind(version)
            .execute(&mut *self.inner)
            .await
            .doing("hold a window out of baselines")?;
        Ok(())
    }
}
