//! Checkpoints on disk: atomic, durable, fenced.

use std::collections::BTreeMap;
use std::path::Path;

use ingest::publication::{Counts, Publication, Watermarks};
use ingest::shard::Changes;
use ingest::state::{Opened, ShardState};
use ingest::{Error, Kind};

fn changes(puts: &[(&str, &str)], deletes: &[&str]) -> Changes {
    Changes {
        puts: puts.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect(),
        deletes: deletes.iter().map(|key| key.as_bytes().to_vec()).collect(),
    }
}

fn publication(sequence: u64) -> Publication {
    Publication {
        model: "m".to_owned(),
        shard: 0,
        shards: 1,
        epoch: 1,
        sequence,
        watermarks: Watermarks::default(),
        offsets: BTreeMap::from([(Kind::Prediction, 17)]),
        counts: Counts::default(),
        parts: Vec::new(),
        dead_letters: Vec::new(),
        history_files: Vec::new(),
    }
}

async fn open(folder: &Path) -> Opened {
    ShardState::open(folder, "a/model", 0).await.unwrap()
}

fn sequences(opened: &Opened) -> Vec<u64> {
    opened.outbox.iter().map(|publication| publication.sequence).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_a_checkpoint_is_there_after_a_crash_with_its_outbox() {
    let folder = tempfile::tempdir().unwrap();
    let Opened { mut state, epoch, entries, outbox, starts } = open(folder.path()).await;
    assert_eq!((entries.len(), outbox.len(), starts.len()), (0, 0, 0));
    state.begin_at(Kind::Label, 40).await.unwrap();
    state.write(changes(&[("s/a", "1"), ("s/b", "2")], &[]), &[publication(7), publication(8)]).await.unwrap();
    state.told(7);
    state.write(changes(&[("s/c", "3")], &["s/a"]), &[publication(300)]).await.unwrap();
    // Not closed: a crash.
    drop(state);
    let opened = open(folder.path()).await;
    assert!(opened.epoch > epoch);
    let second = opened.epoch;
    let entries: Vec<_> = opened.entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
    assert_eq!(entries, [(&b"s/b"[..], &b"2"[..]), (b"s/c", b"3")]);
    assert_eq!(sequences(&opened), [8, 300]);
    assert_eq!(opened.starts, BTreeMap::from([(Kind::Label, 40)]));
    opened.state.close().await.unwrap();
    let third = open(folder.path()).await;
    assert!(third.epoch > second);
    third.state.close().await.unwrap();
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(open(folder.path()).await.epoch > third.epoch, "checkpoints that were removed don't turn time back");
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_a_former_owner_is_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let mut former = open(folder.path()).await.state;
    former.write(changes(&[("s/a", "former")], &[]), &[]).await.unwrap();
    let mut owner = open(folder.path()).await;
    let refused = former.write(changes(&[("s/a", "zombie")], &[]), &[publication(9)]).await.unwrap_err();
    assert!(matches!(refused, Error::Fenced { ref model, shard: 0 } if model == "a/model"), "{refused}");
    owner.state.write(changes(&[("s/b", "owner")], &[]), &[]).await.unwrap();
    owner.state.close().await.unwrap();
    let last = open(folder.path()).await;
    let entries: Vec<_> = last.entries.iter().map(|(_, value)| value.as_slice()).collect();
    assert_eq!(entries, [&b"former"[..], b"owner"]);
    assert!(last.outbox.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_many_checkpoints_are_merged_and_stay_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = open(folder.path()).await.state;
    for number in 0..600_u32 {
        let (key, value) = (format!("s/{:03}", number % 100), number.to_string());
        state.write(changes(&[(&key, &value)], &[]), &[]).await.unwrap();
    }
    drop(state);
    let opened = open(folder.path()).await;
    let sum: u32 = opened.entries.iter().map(|(_, value)| String::from_utf8_lossy(value).parse::<u32>().unwrap()).sum();
    assert_eq!((opened.entries.len(), sum), (100, (500..600).sum()));
}
