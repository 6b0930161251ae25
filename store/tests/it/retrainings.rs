//! Retrainings, what they did, and what people ask of them (promises T1 and T5).

use contract::WallTime;
use store::{CommandRow, EffectRow, Inserted, MAX_EFFECTS, MAX_PENDING_COMMANDS, RetrainingRow, Store};

use crate::{MODEL, window};

pub fn row(id: &str, day: i64, is_active: bool) -> RetrainingRow {
    RetrainingRow {
        kind: "retraining".to_owned(),
        id: id.to_owned(),
        model: MODEL.to_owned(),
        state: if is_active { "requested" } else { "vetoed" }.to_owned(),
        reason: "log loss beyond its limit on three days".to_owned(),
        rule: "PerformanceDecay".to_owned(),
        event_time: window(day).start,
        created: WallTime::from_micros(day),
        updated: WallTime::from_micros(day),
        version: String::new(),
        is_active,
        document: "{}".to_owned(),
    }
}

fn command(id: &str, created: i64) -> CommandRow {
    CommandRow {
        id: id.to_owned(),
        model: MODEL.to_owned(),
        retraining: "r1".to_owned(),
        command: "approve".to_owned(),
        body: "{}".to_owned(),
        by: "ada".to_owned(),
        reason: "figures look right".to_owned(),
        created: WallTime::from_micros(created),
        handled: None,
        outcome: String::new(),
    }
}

#[tokio::test]
async fn a_retraining_is_recorded_once() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.insert_retraining(&row("r1", 1, false)).await.unwrap(), Inserted::New);
    let again = RetrainingRow { state: "requested".to_owned(), ..row("r1", 1, true) };
    assert_eq!(transaction.insert_retraining(&again).await.unwrap(), Inserted::Known);
    assert_eq!(transaction.insert_retraining(&row("r2", 2, false)).await.unwrap(), Inserted::New);
    assert_eq!(transaction.retrainings(MODEL, 10).await.unwrap(), [row("r2", 2, false), row("r1", 1, false)]);
    assert_eq!(transaction.retrainings(MODEL, 1).await.unwrap().len(), 1);
    assert_eq!(transaction.retraining("r1").await.unwrap(), Some(row("r1", 1, false)));
    assert_eq!(transaction.retraining("r3").await.unwrap(), None);
}

#[tokio::test]
async fn t5_a_model_has_one_active_retraining_and_the_transaction_survives_the_refusal() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.insert_retraining(&row("r1", 1, true)).await.unwrap(), Inserted::New);
    assert_eq!(transaction.insert_retraining(&row("r1", 1, true)).await.unwrap(), Inserted::Known);
    assert_eq!(transaction.insert_retraining(&row("r2", 2, true)).await.unwrap(), Inserted::OtherActive);
    assert_eq!(transaction.insert_retraining(&row("r3", 3, false)).await.unwrap(), Inserted::New);
    let other = RetrainingRow { model: "loan".to_owned(), ..row("r4", 4, true) };
    assert_eq!(transaction.insert_retraining(&other).await.unwrap(), Inserted::New);
    // Neither can one that ended come back beside it.
    transaction.update_retraining(&row("r3", 3, true)).await.unwrap_err();
    transaction.commit().await.unwrap();
    assert_eq!(store.active_retraining(MODEL).await.unwrap(), Some(row("r1", 1, true)));
    assert_eq!(store.retraining("r3").await.unwrap(), Some(row("r3", 3, false)));
    assert_eq!(store.active_retraining("loan").await.unwrap(), Some(other));
}

#[tokio::test]
async fn t1_a_retraining_is_kept_as_it_moves_and_makes_room_when_it_ends() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.insert_retraining(&row("r1", 1, true)).await.unwrap();
    let ended = RetrainingRow {
        state: "failed".to_owned(),
        reason: "the gate: worse by 0.02".to_owned(),
        updated: WallTime::from_micros(9),
        version: "2".to_owned(),
        is_active: false,
        document: "{\"attempts\":1}".to_owned(),
        ..row("r1", 1, true)
    };
    // What it began with can't be changed.
    let told = RetrainingRow { rule: "other".to_owned(), created: WallTime::from_micros(7), ..ended.clone() };
    transaction.update_retraining(&told).await.unwrap();
    assert_eq!(transaction.retraining("r1").await.unwrap(), Some(ended));
    assert_eq!(transaction.active_retraining(MODEL).await.unwrap(), None);
    assert_eq!(transaction.insert_retraining(&row("r2", 2, true)).await.unwrap(), Inserted::New);
    transaction.update_retraining(&row("unknown", 1, false)).await.unwrap_err();
}

#[tokio::test]
async fn e3_a_retraining_keeps_its_newest_effects_and_that_its_data_were_pinned() {
    let store = Store::in_memory().await.unwrap();
    let now = WallTime::from_micros(5);
    let mut transaction = store.begin().await.unwrap();
    for effect in ["pin", "train"].into_iter().chain(std::iter::repeat_n("load", MAX_EFFECTS as usize)) {
        transaction.begin_effect("r1", effect, "{}", now).await.unwrap();
    }
    let open = transaction.open_effects("r1").await.unwrap();
    assert_eq!((open[0].effect.as_str(), open[0].sequence, open[1].sequence), ("pin", 1, 3));
}

#[tokio::test]
async fn t1_an_effect_is_recorded_before_and_after() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let now = WallTime::from_micros(5);
    assert_eq!(transaction.begin_effect("r1", "pin_data", "{}", now).await.unwrap(), 1);
    assert_eq!(transaction.begin_effect("r2", "pin_data", "{}", now).await.unwrap(), 1);
    assert!(transaction.end_effect("r1", 1, "done", WallTime::from_micros(6)).await.unwrap());
    assert!(!transaction.end_effect("r1", 1, "failed", now).await.unwrap());
    assert!(!transaction.end_effect("r1", 2, "done", now).await.unwrap());
    assert_eq!(transaction.begin_effect("r1", "train", "{\"attempt\":1}", now).await.unwrap(), 2);
    let pinned = EffectRow {
        retraining: "r1".to_owned(),
        sequence: 1,
        effect: "pin_data".to_owned(),
        detail: "{}".to_owned(),
        begun: now,
        ended: Some(WallTime::from_micros(6)),
        outcome: "done".to_owned(),
    };
    let training = EffectRow {
        sequence: 2,
        effect: "train".to_owned(),
        detail: "{\"attempt\":1}".to_owned(),
        ended: None,
        outcome: String::new(),
        ..pinned.clone()
    };
    assert_eq!(transaction.open_effects("r1").await.unwrap(), std::slice::from_ref(&training));
    assert_eq!(transaction.effects("r1").await.unwrap(), [pinned, training]);
}

#[tokio::test]
async fn an_answer_holds_the_newest_effects_in_order() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for _ in 0..MAX_EFFECTS + 3 {
        transaction.begin_effect("r1", "ask_target", "{}", WallTime::from_micros(5)).await.unwrap();
    }
    let read = transaction.effects("r1").await.unwrap();
    let sequences: Vec<u32> = read.iter().map(|row| row.sequence).collect();
    assert_eq!(sequences, (4..=MAX_EFFECTS + 3).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_command_waits_until_it_is_answered_once() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    assert!(transaction.insert_command(&command("b", 1)).await.unwrap());
    assert!(transaction.insert_command(&command("c", 3)).await.unwrap());
    assert!(transaction.insert_command(&command("a", 2)).await.unwrap());
    let again = CommandRow { reason: "another".to_owned(), ..command("a", 9) };
    assert!(!transaction.insert_command(&again).await.unwrap());
    transaction.insert_command(&CommandRow { model: "loan".to_owned(), ..command("d", 0) }).await.unwrap();
    assert_eq!(transaction.pending_commands(MODEL).await.unwrap(), [command("b", 1), command("a", 2), command("c", 3)]);
    let now = WallTime::from_micros(10);
    assert!(transaction.handle_command("b", "approved", now).await.unwrap());
    assert!(!transaction.handle_command("b", "refused", now).await.unwrap());
    assert!(!transaction.handle_command("x", "approved", now).await.unwrap());
    assert_eq!(transaction.pending_commands(MODEL).await.unwrap(), [command("a", 2), command("c", 3)]);
    // A handled one is still known.
    assert!(!transaction.insert_command(&command("b", 11)).await.unwrap());
}

#[tokio::test]
async fn commands_that_wait_are_bounded() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for index in 0..MAX_PENDING_COMMANDS {
        assert!(transaction.insert_command(&command(&format!("c{index}"), 1)).await.unwrap());
    }
    assert!(!transaction.insert_command(&command("one more", 2)).await.unwrap());
    assert_eq!(transaction.pending_commands(MODEL).await.unwrap().len(), MAX_PENDING_COMMANDS as usize);
    transaction.handle_command("c0", "done", WallTime::from_micros(3)).await.unwrap();
    assert!(transaction.insert_command(&command("one more", 2)).await.unwrap());
}
