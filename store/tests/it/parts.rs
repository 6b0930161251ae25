//! Parts: newer ones replace older ones and make their window dirty.

use store::{PartRow, Store};

use crate::{MODEL, window};

/// A part of the third day.
pub fn row(epoch: u64, sequence: u64, revision: u32) -> PartRow {
    PartRow {
        model: MODEL.to_owned(),
        shard: 0,
        window: window(3),
        revision,
        phase: "closed".to_owned(),
        cells: format!("{epoch}/{sequence}/{revision}").into_bytes(),
        epoch,
        sequence,
    }
}

#[tokio::test]
async fn only_newer_parts_are_kept() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let mut stands = (0, 0, 0);
    // One publication may hold two revisions of a window: the revision decides within a sequence.
    for part in [(1, 3, 0), (1, 3, 1), (1, 3, 0), (1, 2, 5), (1, 4, 2), (2, 1, 0), (1, 9, 9), (2, 1, 0)] {
        let applied = transaction.upsert_part(&row(part.0, part.1, part.2)).await.unwrap();
        assert_eq!(applied, part > stands, "{part:?} over {stands:?}");
        stands = stands.max(part);
        assert_eq!(transaction.parts(MODEL, window(3)).await.unwrap(), [row(stands.0, stands.1, stands.2)]);
    }
}

#[tokio::test]
async fn windows_are_dirty_from_a_change_until_they_are_judged() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for (shard, day) in [(0, 5), (1, 5), (0, 3), (1, 4)] {
        transaction.upsert_part(&PartRow { shard, window: window(day), ..row(1, 1, 0) }).await.unwrap();
    }
    assert_eq!(transaction.dirty_windows(MODEL).await.unwrap(), [window(3), window(4), window(5)]);
    transaction.clear_dirty(MODEL, window(5)).await.unwrap();
    transaction.clear_dirty(MODEL, window(3)).await.unwrap();
    assert_eq!(transaction.dirty_windows(MODEL).await.unwrap(), [window(4)]);

    // An old part again changes nothing; a new one does.
    transaction.upsert_part(&PartRow { window: window(5), ..row(1, 1, 0) }).await.unwrap();
    assert_eq!(transaction.dirty_windows(MODEL).await.unwrap(), [window(4)]);
    transaction.upsert_part(&PartRow { window: window(5), ..row(1, 2, 1) }).await.unwrap();
    assert_eq!(transaction.dirty_windows(MODEL).await.unwrap(), [window(4), window(5)]);
    assert!(transaction.dirty_windows("loan").await.unwrap().is_empty());
}

#[tokio::test]
async fn judged_parts_of_old_windows_are_deleted_and_others_kept() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for day in [1, 2, 3] {
        transaction.upsert_part(&PartRow { window: window(day), ..row(1, 1, 0) }).await.unwrap();
    }
    transaction.clear_dirty(MODEL, window(1)).await.unwrap();
    transaction.clear_dirty(MODEL, window(3)).await.unwrap();
    // Day 2 isn't judged yet; day 3 ends when day 4 begins.
    assert_eq!(transaction.delete_parts(MODEL, window(4).start).await.unwrap(), 1);
    assert!(transaction.parts(MODEL, window(1)).await.unwrap().is_empty());
    assert_eq!(transaction.parts(MODEL, window(2)).await.unwrap().len(), 1);
    assert_eq!(transaction.parts(MODEL, window(3)).await.unwrap().len(), 1);
}
