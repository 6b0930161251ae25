//! Promise D2: what lasts is told for as long as it is news, and windows are compared with what can be compared.

use std::sync::Arc;
use std::time::Duration;

use contract::{Contract, EventTime, Finding, Severity, Subject};
use ingest::Publication;
use ingest::publication::{Phase, WindowPart};
use store::{AcceptedFilter, Choice, Compared, FindingFilter, Store, WindowFilter};

use crate::story::told;
use crate::stream::{
    COLUMNS, Day, FINE, MODEL, SHIFTED, contract, contract_with, part, play, publication, publications, window,
};

const TRAILING: &str = "{ inputs: { trailing: 28d }, outputs: { trailing: 28d }, performance: { trailing: 28d } }";
/// Windows that are held out before a shift is accepted.
const CAP: usize = 14;

fn trailing(maturity: &str) -> Arc<Contract> {
    contract_with(maturity, COLUMNS, TRAILING)
}

/// The days on which a subject was beyond its limit in a judging detector, with the longest run that it was part of.
async fn beyond(store: &Store, subject: Subject, detector: &str) -> Vec<(EventTime, u32)> {
    let filter = FindingFilter {
        subject: Some(subject),
        detector: Some(detector.to_owned()),
        min_severity: Severity::Warning,
        ..FindingFilter::default()
    };
    let findings = store.findings(&filter).await.unwrap();
    findings.iter().rev().map(|finding| (finding.window.start, finding.consecutive)).collect()
}

/// The windows whose inputs or outputs may enter baselines: "16" for inputs, "16 1" for version 1.
async fn accepted(store: &Store, compared: Compared) -> Vec<String> {
    let layout = store.windows(MODEL, &WindowFilter::default()).await.unwrap()[0].layout;
    let size = Duration::from_hours(24);
    let filter = AcceptedFilter { compared, choice: Choice::Since(EventTime::MIN), layout, size, after: None };
    let rows = store.accepted_windows(MODEL, &filter).await.unwrap();
    let day = |start: EventTime| start.micros_since(window(0).start) / 86_400_000_000;
    rows.iter().map(|row| format!("{} {}", day(row.window.start), row.version).trim().to_owned()).collect()
}

async fn restarted(contract: &Arc<Contract>, publications: &[Publication]) -> Store {
    let store = Store::in_memory().await.unwrap();
    for publication in publications {
        play(&store, contract, std::slice::from_ref(publication)).await;
    }
    store
}

#[tokio::test]
async fn d2_a_lasting_shift_stands_until_it_is_accepted() {
    // When a window matures, three later ones have been judged at their close.
    let contract = trailing("3d");
    let both = Day { decayed: true, ..SHIFTED };
    let days: Vec<Day> = std::iter::repeat_n(FINE, 16).chain([both; CAP + 4]).collect();
    let publications = publications(&contract, &days);
    let store = Store::in_memory().await.unwrap();
    play(&store, &contract, &publications).await;
    // The last of them is judged without the shift, too, but enters the baseline: what follows is usual.
    let expected: Vec<_> = (0..=CAP).map(|index| (window(16 + index).start, index as u32 + 1)).collect();
    for (subject, detector) in
        [(Subject::Feature, "location"), (Subject::Score, "location"), (Subject::Performance, "log_loss")]
    {
        let found = beyond(&store, subject, detector).await;
        assert_eq!(found[..=CAP], expected, "{subject}");
        assert!(found.len() < CAP + 4, "{subject}: {found:?}");
    }
    let held = |day: &String| (16..16 + CAP).any(|held| *day == held.to_string() || *day == format!("{held} 1"));
    for compared in [Compared::InputsAndOutputs, Compared::Performance] {
        let accepted = accepted(&store, compared).await;
        assert!(!accepted.iter().any(held), "{accepted:?}");
        assert!((16 + CAP..20 + CAP).all(|day| accepted.contains(&format!("{day} 1"))), "{accepted:?}");
    }
    assert_eq!(told(&restarted(&contract, &publications).await).await, told(&store).await);
}

#[tokio::test]
async fn d2_a_removed_column_is_learnt_anew_and_no_drift() {
    let before = contract("6h");
    let after = contract_with("6h", "  origin: { type: string }", "{ inputs: { trailing: 28d } }");
    let store = Store::in_memory().await.unwrap();
    let old = publications(&before, &[FINE; 16]);
    play(&store, &before, &old).await;

    // The shard ends what was open under the old contract as it stands, with the old columns.
    let mut sequence = old.last().unwrap().sequence;
    let mut tell = |time: EventTime, part: WindowPart| {
        sequence += 1;
        publication(sequence, time, vec![part])
    };
    let mut new = vec![
        tell(
            window(16).start,
            WindowPart { revision: 2, phase: Phase::Final, ..part(&before, 15, FINE, Phase::Final) },
        ),
        tell(window(16).end + before.windows.lateness, part(&before, 16, FINE, Phase::Closed)),
    ];
    for day in 17..30 {
        new.push(tell(window(day).end + after.windows.lateness, part(&after, day, FINE, Phase::Closed)));
    }
    // With another restart amid the learning.
    play(&store, &after, &new[..6]).await;
    play(&store, &after, &new[6..]).await;
    let filter = FindingFilter { from: Some(window(16).start), ..FindingFilter::default() };
    let findings = store.findings(&filter).await.unwrap();
    let strange: Vec<&Finding> = findings.iter().filter(|f| f.severity > Severity::None).collect();
    assert!(strange.is_empty(), "{strange:?}");
    let reason = |day: usize| {
        let found = findings.iter().find(|f| f.window.start == window(day).start && f.detector == "js");
        found.unwrap().reason.clone()
    };
    assert_eq!(reason(16).unwrap(), "learning: the baseline has 0 windows of the 8 needed");
    assert!(reason(20).unwrap().starts_with("learning: "));
    assert_eq!(reason(29), None);
    // The revised window has its rows still, but no columns that could be taken for others.
    let filter = WindowFilter { from: Some(window(15).start), to: Some(window(15).end), ..WindowFilter::default() };
    let rows = store.windows(MODEL, &filter).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.rows, row.revision, row.layout)).collect::<Vec<_>>(), [(400, 2, 0); 3]);
    assert_eq!(told(&store).await.iter().filter(|line| line.starts_with("alert")).count(), 0);
}

#[tokio::test]
async fn d2_a_shift_of_a_day_leaves_no_trace_in_the_baseline() {
    let contract = trailing("6h");
    let days: Vec<Day> = [&[FINE; 16][..], &[SHIFTED], &[FINE; 5], &[SHIFTED], &[FINE]].concat();
    let store = Store::in_memory().await.unwrap();
    play(&store, &contract, &publications(&contract, &days)).await;
    let expected = [(window(16).start, 1), (window(22).start, 1)];
    assert_eq!(beyond(&store, Subject::Feature, "location").await, expected);
    assert_eq!(beyond(&store, Subject::Score, "location").await, expected);
    let accepted = accepted(&store, Compared::InputsAndOutputs).await;
    let has = |day: &str| accepted.contains(&day.to_owned());
    assert!(!has("16") && !has("16 1") && has("17") && has("17 1") && !has("22"), "{accepted:?}");
}

#[tokio::test]
async fn d2_values_that_are_no_numbers_are_told_while_they_come() {
    let contract = trailing("6h");
    let infinite = Day { infinite: true, ..FINE };
    let days: Vec<Day> = [&[FINE; 16][..], &[infinite; 8], &[FINE; 2]].concat();
    let store = Store::in_memory().await.unwrap();
    play(&store, &contract, &publications(&contract, &days)).await;
    let expected: Vec<_> = (0..8).map(|index| (window(16 + index).start, index as u32 + 1)).collect();
    assert_eq!(beyond(&store, Subject::Quality, "non_finite_rate").await, expected);
}
