//! D2: the budget of a window is shared over all of its tests.

use detectors::judge::{self, Baseline, Levels, Previous, Subject};
use detectors::profile::WindowProfile;

use crate::simulation::{Cell, Random, contract_with, subject, window};

#[test]
fn d2_every_test_of_a_window_has_an_even_share_of_its_budget() {
    const JUDGED: usize = 2;
    let contract = contract_with(
        "  x: { type: float64, range: [-9, 9] }\n  c: { type: string }\n  shown: { type: float64, judge: false }\n",
    );
    let mut random = Random::new(31);
    let mut make = || {
        let mut day = window(&contract, 300, |column| match column {
            1 => Cell::Name(format!("level-{}", random.zipf(4))),
            _ => Cell::Number(random.normal()),
        });
        for _ in 0..300 {
            let score = random.uniform();
            day.score.update_values([score]);
            day.prediction.add(if score > 0.5 { "true" } else { "false" }, 1);
            day.performance.add(score, Some(score > 0.5), random.uniform() < score, 0);
        }
        day
    };
    let baseline = Baseline::new("the trailing 28d", (0..28).map(|_| make()).collect());
    let now: WindowProfile = make();
    let previous = Previous::default();
    for versions in [1, 2, 7] {
        let levels = Levels::for_window(&contract, versions);
        let whole = Subject { levels, ..subject(&contract, 28, &previous) };
        let mut drift = judge::judge_inputs(&whole, &baseline, &now);
        let mut performance = Vec::new();
        for version in ["a", "b", "c", "d", "e", "f", "g"].into_iter().take(versions) {
            let subject = Subject { version, ..whole };
            drift.extend(judge::judge_outputs(&subject, &baseline, &now));
            performance.extend(judge::judge_performance(&subject, &baseline, &now, &[]));
        }
        let given: Vec<f64> = drift.iter().filter_map(|finding| finding.level).collect();
        assert!(given.iter().all(|level| level.total_cmp(&levels.of_one()).is_eq()));
        // Whether a judged column froze is a test without a finding.
        let sum = given.iter().sum::<f64>() + JUDGED as f64 * levels.of_one();
        assert!((sum / levels.drift - 1.0).abs() < 1e-12, "{versions} versions: {sum} of {}", levels.drift);
        let tested = performance.iter().filter(|finding| finding.detector == judge::performance::TESTED_METRIC);
        let sum: f64 = tested.filter_map(|finding| finding.level).sum();
        assert!((sum / levels.performance - 1.0).abs() < 1e-12, "{versions} versions: {sum}");
    }
}

#[test]
fn d2_windows_that_are_too_small_to_use_are_not_counted_as_learnt() {
    let contract = contract_with("  x: { type: float64 }\n");
    let mut random = Random::new(32);
    let mut make = |rows: usize| window(&contract, rows, |_| Cell::Number(random.normal()));
    let mut days: Vec<_> = (0..28).map(|_| make(20)).collect();
    for (usable, reason) in [(0, "0 windows"), (2, "2 windows"), (7, "7 windows")] {
        days.iter_mut().take(usable).for_each(|day| *day = make(100));
        let baseline = Baseline::new("the trailing 28d", days.clone());
        let findings = judge::judge_inputs(&subject(&contract, 28, &Previous::default()), &baseline, &make(100));
        let location = findings.iter().find(|finding| finding.detector == "location").unwrap();
        let expected = format!("learning: the baseline has {reason} of the 8 needed");
        assert_eq!(location.reason.as_deref(), Some(expected.as_str()));
    }
}
