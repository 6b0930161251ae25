//! T3, T4 and D3: the gate, operations, and what no input may do to a comparison.

#![expect(clippy::print_stdout, reason = "the figures that were measured are part of the promise")]

use std::collections::BTreeMap;

use detectors::canary::{
    Arm, Gate, GateRow, Interval, MAX_BLOCKS, Observation, Operations, Paired, Phase, Settings, Unpaired, Verdict,
    gate, gate_segments, loss,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use crate::simulation::Random;

const SETTINGS: Settings =
    Settings { gross_harm: 0.25, margin: 0.02, share: 0.1, level: 0.05, minimum_blocks: 3, steps: 3 };

/// Rows of days whose differences are `means`, each with its own number of rows.
fn rows(means: &[f64], counts: &[usize]) -> Vec<GateRow> {
    let mut random = Random::new(41);
    let mut rows = Vec::new();
    for (day, (mean, count)) in means.iter().zip(counts).enumerate() {
        for _ in 0..*count {
            let stable = 0.3 + random.exponential() * 0.3;
            rows.push(GateRow { block: day as i64, stable, candidate: stable + mean });
        }
    }
    rows
}

#[test]
fn d1_the_gate_agrees_with_a_clustered_regression_on_a_constant() {
    // NumPy and SciPy: differences by hand, CR1 standard error, scipy.stats.t.
    let losses = [
        (0, 0.50, 0.42),
        (0, 0.70, 0.51),
        (0, 0.20, 0.26),
        (1, 0.90, 0.75),
        (1, 0.61, 0.40),
        (2, 0.33, 0.35),
        (2, 0.80, 0.62),
        (2, 0.45, 0.30),
        (2, 1.20, 0.88),
        (3, 0.55, 0.51),
        (3, 0.10, 0.14),
        (3, 0.95, 0.70),
    ];
    let rows: Vec<GateRow> =
        losses.iter().map(|&(block, stable, candidate)| GateRow { block, stable, candidate }).collect();
    let Gate { phase, stable, candidate, difference, rows, blocks, .. } = gate(&rows, 0.0);
    let Interval { estimate, lower, upper } = difference.unwrap();
    let expected = [0.607_5, 0.486_666_666_667, -0.120_833_333_333, -0.202_675_770_597, -0.038_990_896_069];
    for (figure, expected) in [stable.unwrap(), candidate.unwrap(), estimate, lower, upper].into_iter().zip(expected) {
        assert!((figure - expected).abs() < 1e-9, "{figure} for {expected}");
    }
    assert_eq!((phase, rows, blocks), (Phase::Successful, 12, 4));
}

#[test]
fn t3_the_gate_asks_for_more_than_the_margin_on_every_likely_day() {
    let counts = [900, 950, 870, 910, 940, 700, 720];
    let retrained = rows(&[-0.21, -0.35, -0.05, -0.31, -0.12, -0.2, -0.4], &counts);
    assert_eq!(gate(&retrained, 0.0).phase, Phase::Successful);
    let strict = gate(&retrained, 0.2);
    assert_eq!(strict.phase, Phase::Inconclusive, "{}", strict.reason);
    assert!(strict.reason.contains("not shown to be better by more than 0.200"), "{}", strict.reason);
    let one_good_day = gate(&rows(&[0.02, 0.01, -0.6, 0.0, 0.02, 0.01, 0.0], &counts), 0.0);
    assert_eq!(one_good_day.phase, Phase::Inconclusive, "{}", one_good_day.reason);
    let equal = gate(&rows(&[0.0; 7], &counts), 0.0);
    assert_eq!(equal.phase, Phase::Failed, "an equal candidate isn't better: {}", equal.reason);
    let inverted = gate(&rows(&[0.9, 0.7, 0.8, 1.0, 0.6, 0.8, 0.9], &counts), 0.0);
    assert!(inverted.phase == Phase::Failed && inverted.reason.contains("7 days"), "{}", inverted.reason);
    let short = gate(&rows(&[-0.5, -0.5], &counts), 0.0);
    assert!(short.phase == Phase::Inconclusive && short.difference.is_none(), "{}", short.reason);
}

#[test]
fn t3_a_protected_segment_that_gets_worse_is_named() {
    let days = [0.0, 0.02, -0.02, 0.01, -0.01, 0.02, -0.02];
    let shifted = |by: f64| days.map(|day| day + by);
    let segments: BTreeMap<String, Vec<GateRow>> = [
        ("origin=EWR", rows(&shifted(-0.1), &[300; 7])),
        ("origin=JFK", rows(&shifted(0.08), &[250; 7])),
        ("origin=LGA", rows(&days, &[200; 7])),
        ("carrier=OO", rows(&shifted(0.5), &[2; 7])),
    ]
    .into_iter()
    .map(|(name, rows)| (name.to_owned(), rows))
    .collect();
    let worse = gate_segments(&segments);
    assert_eq!(worse.len(), 1, "{worse:?}");
    assert!(worse[0].starts_with("origin=JFK (0.080 worse"), "{worse:?}");
    assert!(gate_segments(&BTreeMap::new()).is_empty());
}

#[test]
fn t3_equal_segments_are_named_by_luck_in_at_most_one_of_twenty_gates() {
    let mut random = Random::new(42);
    let mut named = 0;
    for _ in 0..300 {
        let segments: BTreeMap<String, Vec<GateRow>> = (0..10)
            .map(|segment| {
                let means: Vec<f64> = (0..7).map(|_| 0.1 * random.normal()).collect();
                (format!("s={segment}"), rows(&means, &[15; 7]))
            })
            .collect();
        named += usize::from(!gate_segments(&segments).is_empty());
    }
    println!("gates of 10 equal segments that name one: {named} of 300");
    assert!(named <= 25, "{named}");
}

/// Runs requests of both arms and tells after how many of the candidate it failed.
fn operate(seed: u64, errors: (f64, f64), slower: f64, requests: usize) -> Option<usize> {
    let mut random = Random::new(seed);
    let mut operations = Operations::new(2.0, 0.02, 0.05, 3);
    let mut candidates = 0;
    for request in 1..=requests {
        let is_candidate = random.uniform() < 0.1;
        let (arm, rate, factor) =
            if is_candidate { (Arm::Candidate, errors.1, slower) } else { (Arm::Stable, errors.0, 1.0) };
        candidates += usize::from(is_candidate);
        let latency = 0.004 * factor * (0.6 * random.normal()).exp();
        operations.observe(arm, Some(latency), random.uniform() < rate);
        if request % 100 == 0 && operations.verdict().phase == Phase::Failed {
            return Some(candidates);
        }
    }
    None
}

#[test]
fn t4_errors_and_latency_end_a_step_and_equal_arms_do_not() {
    let count = |errors, slower| (0..60).filter_map(|seed| operate(seed, errors, slower, 12_000)).collect::<Vec<_>>();
    let (equal, edge) = (count((0.05, 0.05), 1.0).len(), count((0.01, 0.03), 1.9).len());
    println!("operations failed: equal arms {equal} of 60, at the edge of what is granted {edge} of 60");
    assert!(equal == 0 && edge <= 3);
    for (name, errors, slower, limit) in [
        ("10 % errors", (0.01, 0.1), 1.0, 600),
        ("5 times slower", (0.01, 0.01), 5.0, 600),
        ("all errors", (0.0, 1.0), 1.0, 120),
    ] {
        let mut found: Vec<usize> = count(errors, slower);
        found.sort_unstable();
        println!(
            "operations, {name}: found after {} candidate requests at the median, {} at most",
            found[30], found[59]
        );
        assert!(found.len() == 60 && found[59] <= limit, "{name}: {found:?}");
    }
}

#[test]
fn t4_operations_say_what_they_saw() {
    let mut operations = Operations::new(2.0, 0.02, 0.05, 3);
    assert!(operations.verdict().reason.contains("100 are needed"));
    for request in 0..2_000 {
        operations.observe(Arm::Stable, Some(0.004), request % 100 == 0);
        operations.observe(Arm::Candidate, Some(0.0048), request % 100 == 0);
    }
    let verdict = operations.verdict();
    assert_eq!((verdict.phase, verdict.labelled_candidate), (Phase::Inconclusive, 0));
    assert!(
        verdict.reason.starts_with("errors 1.0 % against 1.0 %; 95th percentile of latency 1."),
        "{}",
        verdict.reason
    );
    for _ in 0..2_000 {
        operations.observe(Arm::Candidate, Some(0.1), true);
    }
    let verdict = operations.verdict();
    assert_eq!(verdict.phase, Phase::Failed);
    assert!(verdict.reason.contains("points more") && verdict.reason.contains("times stable's"), "{}", verdict.reason);
}

#[test]
fn e3_a_comparison_holds_a_bounded_number_of_days() {
    let (mut unpaired, mut paired) = (Unpaired::new(SETTINGS), Paired::new(SETTINGS));
    for block in 0..2 * MAX_BLOCKS as i64 {
        for _ in 0..10 {
            for arm in [Arm::Stable, Arm::Candidate] {
                unpaired.observe(&Observation { block, arm, loss: 0.5 });
            }
            paired.observe(block, 0.0);
        }
    }
    assert_eq!((unpaired.verdict().blocks, paired.verdict().blocks), (400, 400));
    assert_eq!(unpaired.verdict().labelled_candidate, 8_000);
}

#[test]
fn t4_few_early_labels_are_no_day() {
    let mut comparison = Unpaired::new(SETTINGS);
    for block in 0..5 {
        for event in 0..100 {
            comparison.observe(&Observation { block, arm: Arm::Stable, loss: 0.5 + 0.001 * f64::from(event) });
        }
        let labels = if block < 2 { 100 } else { 9 };
        for event in 0..labels {
            comparison.observe(&Observation { block, arm: Arm::Candidate, loss: 0.5 + 0.001 * f64::from(event) });
        }
    }
    let verdict = comparison.verdict();
    assert_eq!((verdict.phase, verdict.blocks), (Phase::Inconclusive, 2));
    assert!(
        verdict.blocked.is_none() && verdict.reason.starts_with("2 of 3 days have labels enough"),
        "{}",
        verdict.reason
    );
}

#[test]
fn t4_a_split_that_was_not_asked_for_is_told() {
    let mut comparison = Unpaired::new(SETTINGS);
    for event in 0..2_000 {
        let arm = if event % 4 == 0 { Arm::Candidate } else { Arm::Stable };
        comparison.observe(&Observation { block: event / 500, arm, loss: loss(0.3, event % 3 == 0) });
    }
    let reason = comparison.verdict().reason;
    assert!(reason.ends_with("(the candidate has 25 % of the labelled events, and was to have 10 %)"), "{reason}");
}

/// All that a score or a loss may be.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => 0.0..3.0_f64,
        1 => any::<f64>(),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), Just(3.0), Just(f64::MAX)],
    ]
}

fn block() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -3..6_i64, 1 => any::<i64>()]
}

fn check(interval: Option<Interval>) {
    if let Some(Interval { estimate, lower, upper }) = interval {
        assert!(estimate.is_finite() && lower.is_finite() && upper.is_finite(), "{estimate} {lower} {upper}");
        assert!(lower <= estimate && estimate <= upper, "{estimate} {lower} {upper}");
    }
}

fn check_verdict(verdict: &Verdict) {
    check(verdict.gross);
    check(verdict.blocked);
    assert!(!verdict.reason.contains("NaN") && !verdict.reason.contains("inf"), "{}", verdict.reason);
    let text = serde_json::to_string(verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), *verdict);
}

proptest! {
    #[test]
    fn d3_no_input_makes_a_comparison_give_nan_or_panic(
        events in vec((block(), any::<bool>(), value(), 1..40_usize), 0..60),
        numbers in vec(value(), 4), minimum_blocks in any::<u32>(), steps in any::<u32>()
    ) {
        let given = Settings {
            gross_harm: numbers[0], margin: numbers[1], share: numbers[2], level: numbers[3], minimum_blocks, steps
        };
        for settings in [SETTINGS, given, Settings { minimum_blocks: 0, ..given }] {
            let (mut unpaired, mut paired) = (Unpaired::new(settings), Paired::new(settings));
            let mut operations = Operations::new(numbers[0], numbers[1], numbers[2], steps);
            for (block, is_candidate, value, times) in &events {
                let arm = if *is_candidate { Arm::Candidate } else { Arm::Stable };
                for _ in 0..*times {
                    unpaired.observe(&Observation { block: *block, arm, loss: *value });
                    paired.observe(*block, if *is_candidate { *value } else { -*value });
                    operations.observe(arm, Some(*value), *is_candidate);
                }
            }
            [unpaired.verdict(), paired.verdict(), operations.verdict()].iter().for_each(check_verdict);
            check(operations.errors());
            check(operations.latency());
        }
    }

    #[test]
    fn d3_no_rows_make_the_gate_give_nan_or_panic(rows in vec((block(), value(), value()), 0..300), margin in value()) {
        let rows: Vec<GateRow> =
            rows.into_iter().map(|(block, stable, candidate)| GateRow { block, stable, candidate }).collect();
        let answer = gate(&rows, margin);
        check(answer.difference);
        assert!([answer.stable, answer.candidate].into_iter().flatten().all(f64::is_finite));
        assert_eq!(answer.stable.is_none(), answer.rows == 0);
        let named = gate_segments(&BTreeMap::from([("a".to_owned(), rows)]));
        assert!(named.iter().all(|name| !name.contains("NaN") && !name.contains("inf")), "{named:?}");
    }

    #[test]
    fn d3_every_score_has_a_loss(score in any::<f64>(), label in any::<bool>()) {
        assert!((0.0..=3.0).contains(&loss(score, label)));
    }
}
