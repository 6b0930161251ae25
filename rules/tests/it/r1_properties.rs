//! Laws of the lifecycle, on random histories.

use contract::{Finding, Severity, Subject};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use rules::{AlertPhase, AlertState, Evaluation, RuleSet, Stage, evaluate};

use crate::scene::{day, finding, log_loss, rules, unit_change};

fn some_rules() -> RuleSet {
    rules(
        "- alert: Decay\n  when: performance(log_loss)\n  for: 3 windows\n  keep_firing_for: 2 windows\n\
         - alert: Fault\n  when: fault(any)\n\
         - alert: Drift\n  when: drift(any) >= critical or quality(range, temp)\n  for: 2d\n\
         - alert: Labels\n  when: coverage < 0.5 and volume(rows) > 100\n  for: 2 windows\n\
         - alert: Volume\n  when: volume\n  keep_firing_for: 3d\n",
    )
}

/// What one day may bring.
#[derive(Clone, Debug)]
struct Day {
    findings: Vec<Finding>,
    rows: u64,
    coverage: Option<f64>,
    quarantined: bool,
}

fn days() -> impl Strategy<Value = Vec<Day>> {
    let severity =
        || prop_oneof![Just(Severity::None), Just(Severity::Info), Just(Severity::Warning), Just(Severity::Critical)];
    let findings = (severity(), severity(), severity(), severity(), any::<bool>(), any::<bool>()).prop_map(
        |(decay, drift, quality, volume, fault, is_learning)| {
            let mut findings = vec![
                log_loss(0.7, decay),
                finding(Subject::Feature, "temp", "js", drift),
                finding(Subject::Quality, "temp", "range", quality),
                finding(Subject::Volume, "", "volume", volume),
            ];
            if fault {
                findings.push(unit_change("temp"));
            }
            if is_learning {
                findings.iter_mut().filter(|f| f.severity == Severity::None).for_each(|f| f.limit = None);
            }
            findings
        },
    );
    let rows = prop_oneof![Just(0_u64), Just(50), Just(900)];
    let coverage = prop_oneof![Just(None), Just(Some(0.1)), Just(Some(0.9))];
    let day = (findings, rows, coverage, any::<bool>()).prop_map(|(findings, rows, coverage, quarantined)| Day {
        findings,
        rows,
        coverage,
        quarantined,
    });
    proptest::collection::vec(day, 1..25)
}

fn evaluations(days: &[Day]) -> impl Iterator<Item = Evaluation<'_>> {
    days.iter().enumerate().flat_map(|(index, of)| {
        [Stage::Closed, Stage::Matured].map(|stage| Evaluation {
            rows: of.rows,
            coverage: of.coverage,
            quarantined: of.quarantined,
            ..day(index as u32 + 1, stage, &of.findings)
        })
    })
}

proptest! {
    #[test]
    fn r1_the_same_input_gives_the_same_output_and_state_survives_a_restart(days in days()) {
        let rules = some_rules();
        let mut state = AlertState::default();
        for evaluation in evaluations(&days) {
            let transition = evaluate(&rules, &evaluation, &state);
            let restarted: AlertState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            assert_eq!(evaluate(&rules, &evaluation, &restarted), transition);
            // The same window again, after its state was kept, changes nothing.
            let again = evaluate(&rules, &evaluation, &transition.state);
            assert!(again.changes.is_empty() && again.state == transition.state);
            state = transition.state;
        }
    }

    #[test]
    fn r1_the_order_of_findings_does_not_matter(days in days()) {
        let rules = some_rules();
        let (mut forward, mut backward) = (AlertState::default(), AlertState::default());
        let mut reversed = days.clone();
        for day in &mut reversed {
            day.findings.reverse();
        }
        for (one, other) in evaluations(&days).zip(evaluations(&reversed)) {
            let (left, right) = (evaluate(&rules, &one, &forward), evaluate(&rules, &other, &backward));
            assert_eq!(left, right);
            (forward, backward) = (left.state, right.state);
        }
    }

    #[test]
    fn r1_every_alert_walks_along_the_arrows(days in days()) {
        use AlertPhase::{Firing, Inactive, Pending, Resolved};
        let rules = some_rules();
        let mut state = AlertState::default();
        let mut phases = std::collections::BTreeMap::new();
        for evaluation in evaluations(&days) {
            let transition = evaluate(&rules, &evaluation, &state);
            for change in &transition.changes {
                let before = phases.get(&change.fingerprint).copied().unwrap_or(Inactive);
                assert_eq!(change.from, before);
                let arrows = [
                    (Inactive, Pending), (Inactive, Firing), (Pending, Pending), (Pending, Firing), (Pending, Inactive),
                    (Firing, Firing), (Firing, Resolved),
                ];
                assert!(arrows.contains(&(change.from, change.to)), "{:?} > {:?}", change.from, change.to);
                assert!(change.started < evaluation.window.end);
                let after = if change.to == Resolved { Inactive } else { change.to };
                phases.insert(change.fingerprint.clone(), after);
            }
            state = transition.state;
            let standing = phases.values().filter(|phase| **phase != Inactive).count();
            assert_eq!(state.standing(), standing);
        }
    }
}
