//! Which events a retraining is about: the newest span whose labels have matured and whose windows were judged.

use std::collections::{BTreeMap, BTreeSet};

use contract::model::{Contract, Retrain};
use contract::time::micros;
use contract::{EventTime, Severity, Window};
use ingest::Kind;
use store::{FindingFilter, HistoryFileRow, MAX_ROWS, ShardRow, Store, WindowFilter};

use super::manifest::{LeftOut, Names, SCHEMA_VERSION, Selection, SourceFile, columns};
use super::{of_store, reach};
use crate::world::{Outcome, Trouble};

/// History files of one retraining: more, and the manifest itself would be large data.
pub(super) const MAX_FILES: usize = 500_000;
/// Runs of quarantined windows whose faults are looked up.
const RUNS_EXPLAINED: usize = 50;

/// Chooses span, left-out windows and history files. Row ranges are the whole files yet. Waits while the history lacks what the
/// shards have read of the span.
pub(super) async fn choose(store: &Store, contract: &Contract, retrain: &Retrain, id: &str) -> Outcome<Selection> {
    let labels = contract.sources.labels.as_ref().ok_or_else(|| {
        Trouble::Lasting("the contract has no source of labels: there is nothing to learn from".to_owned())
    })?;
    let (model, size) = (contract.model.as_str(), contract.windows.size);
    let shards = store.shards(model).await.map_err(of_store)?;
    let matured = read_until(&shards)? - contract.windows.maturity.max(contract.windows.lateness);
    let judged = judged_until(store, model).await?;
    let to = Window::holding(matured, size).start.min(judged);
    let held_out_from = Window::holding(to - retrain.dataset.held_out, size).start;
    let wanted = Window::holding(held_out_from - retrain.dataset.span, size).start;
    let reach = store.history_reach(model).await.map_err(of_store)?;
    reach::is_listed(&shards, &reach, Kind::Prediction, wanted, to)?;
    reach::is_listed(&shards, &reach, Kind::Label, wanted - labels.horizon, to + labels.horizon)?;
    let predictions = history(store, model, "prediction", wanted, to).await?;
    let oldest = predictions.first().ok_or_else(|| reach::nothing_old_enough(&reach, wanted, to))?;
    let from = Window::holding(oldest.min_time, size).start.max(wanted).min(held_out_from);
    let mut files = predictions;
    files.extend(history(store, model, "label", from - labels.horizon, to + labels.horizon).await?);
    if files.len() > MAX_FILES {
        return Err(Trouble::Lasting(format!(
            "the history from {from} to {to} has more than {MAX_FILES} files; make retrain.dataset.span shorter"
        )));
    }
    Ok(Selection {
        schema_version: SCHEMA_VERSION,
        model: model.to_owned(),
        retraining: id.to_owned(),
        from,
        held_out_from,
        to,
        label_horizon: micros(labels.horizon),
        left_out: left_out(store, model, from, to).await?,
        names: Names::of(contract),
        columns: columns(contract),
        segments: retrain.evaluate.segments.clone(),
        files: files.into_iter().map(source_file).collect(),
    })
}

fn source_file(row: HistoryFileRow) -> SourceFile {
    let rows = row.rows.max(0) as u64;
    SourceFile { kind: row.kind, path: row.path, sha256: row.sha256, rows, first: 0, last: rows }
}

/// Until when both predictions and labels have been read.
pub(super) fn read_until(shards: &[ShardRow]) -> Outcome<EventTime> {
    let total = shards.first().map_or(0, |shard| usize::try_from(shard.shards).unwrap_or(0));
    if shards.is_empty() || shards.len() < total {
        return Err(Trouble::Passing("not every shard of the model has said where it is".to_owned()));
    }
    let predictions = until(shards.iter().map(|shard| (shard.prediction_watermark, shard.predictions_idle)));
    let labels = until(shards.iter().map(|shard| (shard.label_watermark, shard.labels_idle)));
    match (predictions, labels) {
        (Some(predictions), Some(labels)) => Ok(predictions.min(labels)),
        (None, _) => Err(Trouble::Passing("not every shard of the model has had a prediction".to_owned())),
        (_, None) => Err(Trouble::Passing("not every shard of the model has had a label".to_owned())),
    }
}

/// The smallest watermark of the partitions that aren't silent. Where all are, no more is to be waited for: the largest. Unlike
/// for the model's clock, another topic's watermark never stands in: what has no labels yet is not to be learnt from.
fn until(partitions: impl Iterator<Item = (Option<EventTime>, bool)>) -> Option<EventTime> {
    let mut newest = None;
    let mut smallest: Option<Option<EventTime>> = None;
    for (watermark, is_idle) in partitions {
        newest = newest.max(watermark);
        if !is_idle {
            smallest = Some(smallest.map_or(watermark, |smallest| smallest.min(watermark)));
        }
    }
    smallest.unwrap_or(newest)
}

/// The end of the newest window that the monitor has looked for faults in.
async fn judged_until(store: &Store, model: &str) -> Outcome<EventTime> {
    let newest = WindowFilter {
        segment: Some(String::new()),
        version: Some(String::new()),
        newest_first: true,
        limit: Some(1),
        ..WindowFilter::default()
    };
    let windows = store.window_summaries(model, &newest).await.map_err(of_store)?;
    let newest = windows.first().map(|row| row.window.end);
    newest.ok_or_else(|| Trouble::Passing("no window of the model has been judged yet".to_owned()))
}

/// All history files of a kind that may have events of the span.
pub(super) async fn history(
    store: &Store,
    model: &str,
    kind: &str,
    from: EventTime,
    to: EventTime,
) -> Outcome<Vec<HistoryFileRow>> {
    let mut files: Vec<HistoryFileRow> = Vec::new();
    loop {
        let after = files.last().map(|file| (file.min_time, file.path.clone()));
        let page = store.history_files_between(model, kind, from, to, after).await.map_err(of_store)?;
        let is_last = page.len() < MAX_ROWS as usize;
        files.extend(page);
        if is_last || files.len() > MAX_FILES {
            return Ok(files);
        }
    }
}

/// The quarantined windows of the span, joined where one follows another.
async fn left_out(store: &Store, model: &str, from: EventTime, to: EventTime) -> Outcome<Vec<LeftOut>> {
    let mut filter = WindowFilter {
        segment: Some(String::new()),
        version: Some(String::new()),
        from: Some(from),
        to: Some(to),
        quarantined: Some(true),
        ..WindowFilter::default()
    };
    let mut runs: Vec<LeftOut> = Vec::new();
    loop {
        let page = store.window_summaries(model, &filter).await.map_err(of_store)?;
        filter.from = page.last().map(|row| row.window.end);
        for row in &page {
            match runs.last_mut().filter(|run| run.to == row.window.start) {
                Some(run) => run.to = row.window.end,
                None => runs.push(LeftOut { from: row.window.start, to: row.window.end, faults: String::new() }),
            }
        }
        if page.len() < MAX_ROWS as usize {
            break;
        }
    }
    for run in runs.iter_mut().take(RUNS_EXPLAINED) {
        run.faults = faults(store, model, run.from, run.to).await?;
    }
    Ok(runs)
}

/// Which faults were found in a run of windows: "unit_change of dewp, temp; type_change of hour".
async fn faults(store: &Store, model: &str, from: EventTime, to: EventTime) -> Outcome<String> {
    let filter = FindingFilter {
        model: Some(model.to_owned()),
        min_severity: Severity::Info,
        segment: Some(String::new()),
        from: Some(from),
        to: Some(to),
        ..FindingFilter::default()
    };
    let mut columns: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for finding in store.findings(&filter).await.map_err(of_store)? {
        if let Some(fault) = finding.fault.filter(|fault| fault.name() == finding.detector) {
            columns.entry(fault.name()).or_default().insert(finding.feature);
        }
    }
    let words = columns.into_iter().map(|(fault, columns)| {
        let columns: Vec<String> = columns.into_iter().filter(|column| !column.is_empty()).collect();
        if columns.is_empty() { fault.to_owned() } else { format!("{fault} of {}", columns.join(", ")) }
    });
    Ok(words.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(watermarks: &[(Option<i64>, bool)]) -> Option<i64> {
        let partitions = watermarks.iter().map(|(micros, is_idle)| (micros.map(EventTime::from_micros), *is_idle));
        until(partitions).map(EventTime::micros)
    }

    #[test]
    fn silent_partitions_hold_nothing_back_and_unread_ones_do() {
        assert_eq!(shards(&[(Some(5), false), (Some(3), false)]), Some(3));
        assert_eq!(shards(&[(Some(5), false), (Some(3), true)]), Some(5));
        assert_eq!(shards(&[(Some(5), true), (Some(3), true)]), Some(5));
        assert_eq!(shards(&[(Some(5), false), (None, false)]), None);
        assert_eq!(shards(&[(Some(5), true), (None, true)]), Some(5));
    }
}
