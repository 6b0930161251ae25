//! Where shards publish to: parts into the store, then the model advances.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::WallTime;
use ingest::publication::{Publication, encode_cells};
use store::{DeadLetterRow, HistoryFileRow, PartRow, ShardRow, Store, Transaction};
use tokio::sync::{Mutex, Notify};

use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::model::ModelMonitor;

/// The monitor of every model of a service.
pub struct Monitor {
    store: Store,
    models: BTreeMap<String, Mutex<ModelMonitor>>,
    metrics: Arc<Metrics>,
    /// Rung when notifications may be waiting.
    pub outbox: Arc<Notify>,
}

impl Monitor {
    pub fn new(store: Store, models: Vec<ModelMonitor>, metrics: Arc<Metrics>) -> Self {
        let models = models.into_iter().map(|model| (model.contract().model.clone(), Mutex::new(model))).collect();
        Self { store, models, metrics, outbox: Arc::new(Notify::new()) }
    }

    /// Records a publication and takes every step that it makes due. Publishing again changes nothing (promise I1).
    pub async fn accept(&self, publication: &Publication) -> Result<Journal> {
        let model = self
            .models
            .get(&publication.model)
            .ok_or_else(|| Error::UnknownModel { model: publication.model.clone() })?;
        // One publication of a model at a time: its shards take turns at the judge.
        let mut model = model.lock().await;
        let mut journal = model.catch_up().await?;
        self.record(publication).await?;
        journal.append(model.advance().await?);
        self.metrics.observe(&journal);
        self.metrics.alerts(&publication.model, model.alert_counts());
        self.outbox.notify_one();
        Ok(journal)
    }

    async fn record(&self, publication: &Publication) -> Result<()> {
        let now = WallTime::now();
        let mut transaction = self.store.begin().await?;
        if transaction.upsert_shard(&shard_row(publication, now)).await? {
            for part in &publication.parts {
                let row = PartRow {
                    model: publication.model.clone(),
                    shard: publication.shard,
                    window: part.window,
                    revision: part.revision,
                    phase: part.phase.name().to_owned(),
                    cells: encode_cells(part),
                    epoch: publication.epoch,
                    sequence: publication.sequence,
                };
                transaction.upsert_part(&row).await?;
            }
            let letters: Vec<_> = publication.dead_letters.iter().map(|letter| dead_letter_row(letter, now)).collect();
            transaction.insert_dead_letters(&letters).await?;
            for file in &publication.history_files {
                transaction.upsert_history_file(&history_row(publication, file)).await?;
            }
        } else {
            note_former_owner(&mut transaction, publication).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// What was told before is no news. What a former owner of the shard tells counts for nothing, and is not an error: an
/// outbox that came back with an old backup must not stop its shard. But it is said.
async fn note_former_owner(transaction: &mut Transaction, publication: &Publication) -> Result<()> {
    let Publication { model, shard, epoch, .. } = publication;
    let newest = transaction.shards(model).await?.iter().find(|row| row.shard == *shard).map_or(0, |row| row.epoch);
    if newest > *epoch {
        tracing::warn!(model, shard, epoch, newest, "left out what a former owner of the shard tells");
    }
    Ok(())
}

#[async_trait::async_trait]
impl ingest::Sink for Monitor {
    async fn publish(&self, publication: Publication) -> std::result::Result<(), ingest::BoxError> {
        self.accept(&publication).await?;
        Ok(())
    }
}

fn shard_row(publication: &Publication, now: WallTime) -> ShardRow {
    let watermarks = &publication.watermarks;
    ShardRow {
        model: publication.model.clone(),
        shard: publication.shard,
        shards: publication.shards,
        epoch: publication.epoch,
        sequence: publication.sequence,
        prediction_watermark: watermarks.prediction,
        label_watermark: watermarks.label,
        predictions_idle: watermarks.predictions_idle,
        labels_idle: watermarks.labels_idle,
        offsets: serde_json::to_string(&publication.offsets).unwrap_or_default(),
        counts: serde_json::to_string(&publication.counts).unwrap_or_default(),
        updated: now,
    }
}

fn dead_letter_row(letter: &ingest::publication::DeadLetter, now: WallTime) -> DeadLetterRow {
    DeadLetterRow {
        model: letter.model.clone(),
        kind: letter.kind.name().to_owned(),
        topic: letter.topic.clone(),
        partition: letter.partition,
        record_offset: letter.offset,
        reason: letter.reason.name().to_owned(),
        detail: letter.detail.clone(),
        payload: letter.payload.clone(),
        seen: now,
    }
}

fn history_row(publication: &Publication, file: &ingest::publication::HistoryFile) -> HistoryFileRow {
    HistoryFileRow {
        model: publication.model.clone(),
        shard: publication.shard,
        kind: file.kind.name().to_owned(),
        path: file.path.clone(),
        rows: file.rows as i64,
        min_time: file.min_time,
        max_time: file.max_time,
        sha256: file.sha256.clone(),
        first_offset: file.first_offset,
        last_offset: file.last_offset,
    }
}
