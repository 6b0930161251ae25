//! Promise I1: a shard's publication is applied once, and never over a newer one.

use contract::{EventTime, WallTime};
use store::{ShardRow, Store};

use crate::{DAY, MODEL};

pub fn row(epoch: u64, sequence: u64) -> ShardRow {
    ShardRow {
        model: MODEL.to_owned(),
        shard: 0,
        shards: 2,
        epoch,
        sequence,
        prediction_watermark: Some(EventTime::from_micros(4 * DAY)),
        label_watermark: None,
        predictions_idle: false,
        labels_idle: true,
        offsets: "{\"predictions/0\": 10}".to_owned(),
        counts: "{\"prediction\": {\"accepted\": 10}}".to_owned(),
        updated: WallTime::from_micros(5),
    }
}

#[tokio::test]
async fn only_newer_publications_are_applied() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let mut stands = (0, 0);
    for (epoch, sequence) in [(2, 5), (2, 5), (2, 4), (1, 9), (2, 6), (3, 1), (2, 7), (3, 2)] {
        let applied = transaction.upsert_shard(&row(epoch, sequence)).await.unwrap();
        assert_eq!(applied, (epoch, sequence) > stands, "{epoch}/{sequence} over {stands:?}");
        if applied {
            stands = (epoch, sequence);
        }
        assert_eq!(transaction.shards(MODEL).await.unwrap(), [row(stands.0, stands.1)]);
    }
}

#[tokio::test]
async fn shards_come_by_index_and_by_model() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for shard in [1, 0] {
        transaction.upsert_shard(&ShardRow { shard, ..row(1, 1) }).await.unwrap();
    }
    transaction.upsert_shard(&ShardRow { model: "loan".to_owned(), ..row(1, 1) }).await.unwrap();
    transaction.commit().await.unwrap();
    let found: Vec<i32> = store.shards(MODEL).await.unwrap().iter().map(|row| row.shard).collect();
    assert_eq!(found, [0, 1]);
    assert_eq!(store.shards("loan").await.unwrap().len(), 1);
}
