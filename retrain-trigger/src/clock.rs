//! What the monitor has left in the store about a model: its clock, and the faults that stand.

use contract::EventTime;
use store::{ShardRow, Transaction};

/// Under this name the monitor keeps the standing faults, a JSON list of sentences, with each judged window.
pub const FAULTS: &str = "faults";

/// The model's clock: until when every partition that isn't silent has been read. The beginning of time before that.
pub async fn now(transaction: &mut Transaction, model: &str) -> store::Result<EventTime> {
    Ok(of(&transaction.shards(model).await?))
}

/// The same from the shards.
pub fn of(shards: &[ShardRow]) -> EventTime {
    let awake =
        shards.iter().filter(|shard| !shard.predictions_idle).filter_map(|shard| shard.prediction_watermark).min();
    let newest = shards.iter().filter_map(|shard| shard.prediction_watermark).max();
    awake.or(newest).unwrap_or(EventTime::from_micros(0))
}

/// The newest event time that any partition has been read to. Partitions are not in step: evidence may reach so far.
pub fn newest(shards: &[ShardRow]) -> EventTime {
    shards.iter().filter_map(|shard| shard.prediction_watermark).max().unwrap_or(EventTime::from_micros(0))
}

/// Faults of the pipeline in the newest windows, in words.
pub async fn faults(transaction: &mut Transaction, model: &str) -> store::Result<Vec<String>> {
    let text = transaction.progress(model, FAULTS).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}
