//! Whether the history lists what the shards have read.
//!
//! A shard says with every publication how far it has read and how many events it has taken; the history files come with a
//! checkpoint's first one, so all that it speaks of is listed. Where it isn't (an older version told the files last, a manifest was
//! restored from an older backup), data that were pinned now would lack rows for ever, and without a word.

use contract::EventTime;
use ingest::Kind;
use ingest::publication::Counts;
use store::{HistoryReach, ShardRow};

use crate::world::{Outcome, Trouble};

/// Waits for the first shard that has taken events of the span which aren't listed.
pub(super) fn is_listed(
    shards: &[ShardRow],
    reach: &[HistoryReach],
    kind: Kind,
    from: EventTime,
    to: EventTime,
) -> Outcome<()> {
    for shard in shards {
        let listed = reach.iter().find(|reach| reach.shard == shard.shard && reach.kind == kind.name());
        if let Some(taken) = missing(shard, listed, kind, from, to) {
            let listed = listed.map_or(0, |listed| listed.rows);
            return Err(Trouble::Passing(format!(
                "the history lists {listed} of the {taken} {}s that shard {} has read",
                kind.name(),
                shard.shard
            )));
        }
    }
    Ok(())
}

/// How many events the shard has taken, if it is certain that some of `[from, to)` aren't listed. It is not
/// - where the newest event that moved its clock is: files are listed in order, so all before are. What is older may have been
///   given up for the space;
/// - where that one lies before the span, or there never was one: silent partitions hold nothing back;
/// - where as many rows are listed as were taken: an event of a wrong type moves the clock, and is in no history.
fn missing(shard: &ShardRow, listed: Option<&HistoryReach>, kind: Kind, from: EventTime, to: EventTime) -> Option<u64> {
    let watermark = match kind {
        Kind::Prediction => shard.prediction_watermark,
        Kind::Label => shard.label_watermark,
    };
    let watermark = watermark.filter(|watermark| *watermark >= from)?;
    if listed.is_some_and(|listed| listed.max_time >= watermark.min(to)) {
        return None;
    }
    let counts: Counts = serde_json::from_str(&shard.counts).ok()?;
    let outcomes = match kind {
        Kind::Prediction => counts.predictions,
        Kind::Label => counts.labels,
    };
    let taken = outcomes.accepted + outcomes.late;
    let rows = listed.map_or(0, |listed| u64::try_from(listed.rows).unwrap_or(0));
    (rows < taken).then_some(taken)
}

/// Why no prediction of `[from, to)` is listed: a young model's will be old enough, and of others nothing comes.
pub(super) fn nothing_old_enough(reach: &[HistoryReach], from: EventTime, to: EventTime) -> Trouble {
    let predictions = reach.iter().filter(|reach| reach.kind == Kind::Prediction.name());
    match predictions.map(|reach| reach.max_time).max() {
        Some(newest) if newest >= to => {
            Trouble::Passing(format!("no prediction is old enough yet: labels have matured until {to}"))
        }
        _ => Trouble::Lasting(format!("the history has no predictions from {from} to {to}")),
    }
}

#[cfg(test)]
mod tests {
    use contract::WallTime;
    use ingest::publication::Outcomes;

    use super::*;

    /// A shard that has read until `watermark` and taken so many predictions.
    fn shard(watermark: Option<i64>, taken: u64) -> ShardRow {
        let predictions = Outcomes { accepted: taken.saturating_sub(1), late: taken.min(1), ..Outcomes::default() };
        ShardRow {
            model: "m".to_owned(),
            shard: 1,
            shards: 2,
            epoch: 1,
            sequence: 1,
            prediction_watermark: watermark.map(EventTime::from_micros),
            label_watermark: None,
            predictions_idle: true,
            labels_idle: true,
            offsets: "{}".to_owned(),
            counts: serde_json::to_string(&Counts { predictions, ..Counts::default() }).unwrap(),
            updated: WallTime::from_micros(0),
        }
    }

    /// Whether a span from 100 to 200 waits for it.
    fn waits(shard: &ShardRow, listed: Option<(i64, i64)>) -> bool {
        let listed = listed.map(|(rows, max_time)| HistoryReach {
            shard: 1,
            kind: "prediction".to_owned(),
            rows,
            max_time: EventTime::from_micros(max_time),
        });
        let (from, to) = (EventTime::from_micros(100), EventTime::from_micros(200));
        missing(shard, listed.as_ref(), Kind::Prediction, from, to).is_some()
    }

    #[test]
    fn t3_files_that_are_not_listed_yet_are_waited_for() {
        assert!(waits(&shard(Some(250), 9), None));
        assert!(waits(&shard(Some(250), 9), Some((8, 199))));
        assert!(waits(&shard(Some(150), 9), Some((8, 149))), "silent since, and what it had counts");
        assert!(!waits(&shard(Some(250), 9), Some((9, 250))));
    }

    #[test]
    fn t3_nothing_is_waited_for_that_never_comes() {
        assert!(!waits(&shard(None, 0), None), "a partition without any event");
        assert!(!waits(&shard(Some(99), 9), None), "all of it is older than the span");
        assert!(!waits(&shard(Some(250), 9), Some((2, 250))), "the oldest files are gone");
        assert!(!waits(&shard(Some(250), 9), Some((5, 200))), "beyond the span nothing is needed");
        assert!(!waits(&shard(Some(250), 9), Some((9, 120))), "events of a wrong type moved its clock");
        let silent = ShardRow { counts: "{}".to_owned(), ..shard(Some(250), 9) };
        assert!(!waits(&silent, None), "it doesn't say how many it has taken");
    }
}
