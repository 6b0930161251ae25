//! The windows that baselines are made of.

use std::time::Duration;

use contract::{EventTime, Window};
use store::{AcceptedFilter, Choice, Compared, MAX_ROWS, Store, Transaction, WindowRow};

use crate::windows::row;
use crate::{DAY, MODEL, window};

fn filter(compared: Compared, choice: Choice) -> AcceptedFilter {
    AcceptedFilter { compared, choice, layout: 7, size: Duration::from_hours(24), after: None }
}

/// "3 1 carrier=AA": day, version, segment.
async fn told(transaction: &mut Transaction, filter: &AcceptedFilter) -> Vec<String> {
    let rows = transaction.accepted_windows(MODEL, filter).await.unwrap();
    let day = |row: &WindowRow| row.window.start.micros() / DAY;
    rows.iter().map(|row| format!("{} {} {}", day(row), row.version, row.segment).trim().to_owned()).collect()
}

/// Five days of inputs, a version and a segment of it; the third is quarantined, the last is of another layout.
async fn filled(transaction: &mut Transaction) {
    for day in 0..5 {
        let version =
            WindowRow { quarantined: day == 2, matured: day < 4, layout: if day == 4 { 8 } else { 7 }, ..row(day, 0) };
        let inputs = WindowRow { version: String::new(), ..version.clone() };
        let segment = WindowRow { segment: "carrier=AA".to_owned(), ..version.clone() };
        for row in [inputs, version, segment] {
            transaction.upsert_window(&row).await.unwrap();
        }
    }
}

#[tokio::test]
async fn t5_baselines_are_made_of_accepted_windows_of_the_same_layout() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    filled(&mut transaction).await;
    let all = filter(Compared::InputsAndOutputs, Choice::Since(EventTime::MIN));
    assert_eq!(told(&mut transaction, &all).await, ["0", "0 1", "1", "1 1", "3", "3 1", "4 1"]);
    let performance = filter(Compared::Performance, Choice::Since(window(1).start));
    assert_eq!(told(&mut transaction, &performance).await, ["1 1", "1 1 carrier=AA", "3 1", "3 1 carrier=AA"]);
    let other_size = AcceptedFilter { size: Duration::from_hours(1), ..all.clone() };
    assert_eq!(told(&mut transaction, &other_size).await, [""; 0]);

    transaction.hold_out(MODEL, window(1), "", Compared::InputsAndOutputs).await.unwrap();
    transaction.hold_out(MODEL, window(3), "1", Compared::Performance).await.unwrap();
    // A revision leaves it as it is.
    transaction.upsert_window(&WindowRow { version: String::new(), ..row(1, 3) }).await.unwrap();
    assert_eq!(told(&mut transaction, &all).await, ["0", "0 1", "1 1", "3", "3 1", "4 1"]);
    assert_eq!(told(&mut transaction, &performance).await, ["1 1", "1 1 carrier=AA"]);
}

#[tokio::test]
async fn t5_the_first_and_the_newest_are_counted_for_each_version_and_segment() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    filled(&mut transaction).await;
    let first = filter(Compared::InputsAndOutputs, Choice::First(2));
    assert_eq!(told(&mut transaction, &first).await, ["0", "0 1", "1", "1 1"]);
    let newest = filter(Compared::InputsAndOutputs, Choice::Newest(2, EventTime::MIN));
    assert_eq!(told(&mut transaction, &newest).await, ["1", "3", "3 1", "4 1"]);
    let recent = filter(Compared::InputsAndOutputs, Choice::Newest(2, window(4).start));
    assert_eq!(told(&mut transaction, &recent).await, ["1", "3", "4 1"]);
}

#[tokio::test]
async fn an_answer_that_is_cut_goes_on_after_its_last_row() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let start = window(0).start;
    let hour = Duration::from_hours(1);
    for index in 0..=MAX_ROWS / 2 {
        let start = start + hour * index;
        let version = WindowRow { window: Window { start, end: start + hour }, ..row(0, 0) };
        transaction.upsert_window(&WindowRow { version: String::new(), ..version.clone() }).await.unwrap();
        transaction.upsert_window(&version).await.unwrap();
    }
    let mut filter = filter(Compared::InputsAndOutputs, Choice::First(MAX_ROWS));
    filter.size = hour;
    let page = transaction.accepted_windows(MODEL, &filter).await.unwrap();
    assert_eq!(page.len(), MAX_ROWS as usize);
    filter.after = page.last().map(|row| (row.window.start, row.version.clone(), row.segment.clone()));
    let rest = transaction.accepted_windows(MODEL, &filter).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.version.as_str()).collect::<Vec<_>>(), ["", "1"]);
}
