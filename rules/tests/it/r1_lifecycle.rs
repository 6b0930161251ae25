//! The life of an alert, case by case, as docs/semantics.md and docs/rules.md have it.

use contract::{Fault, Finding, Severity, Subject};
use rules::{AlertState, Evaluation, Notification, RuleSet, Stage, evaluate};

use crate::scene::{DECAY, Life, context, day, decay, finding, june, log_loss, rules, told, unit_change};

const BAD: Severity = Severity::Warning;
const GOOD: Severity = Severity::None;

#[test]
fn r1_three_windows_in_a_row_fire_and_two_without_resolve() {
    let mut life = Life::new(DECAY);
    let mut steps = Vec::new();
    for (number, severity) in [(1, GOOD), (2, BAD), (3, BAD), (4, BAD), (5, BAD), (6, GOOD), (7, GOOD), (8, GOOD)] {
        steps.push(life.matured(number, 0.7, severity));
    }
    let expected = ["", "inactive>pending", "pending", "pending>firing", "firing", "firing", "firing>resolved", ""];
    assert_eq!(steps, expected);
    assert_eq!(life.state.standing(), 0);
}

#[test]
fn r1_a_run_that_breaks_before_its_time_clears_silently_and_starts_again() {
    let mut life = Life::new(DECAY);
    life.matured(1, 0.7, BAD);
    life.matured(2, 0.7, BAD);
    let findings = [log_loss(0.5, GOOD)];
    let cleared = life.step(&day(3, Stage::Matured, &findings));
    assert!(cleared[0].is_cleared());
    assert_eq!(Notification::from_change(&cleared[0], &context()), None);
    for number in 4..6 {
        life.matured(number, 0.7, BAD);
    }
    assert_eq!(life.matured(6, 0.7, BAD), "pending>firing");
}

#[test]
fn r1_the_condition_that_returns_resets_keep_firing_for() {
    let mut life = Life::new(DECAY);
    for number in 1..=3 {
        life.matured(number, 0.7, BAD);
    }
    let rest: Vec<String> = [(4, GOOD), (5, BAD), (6, GOOD), (7, GOOD)]
        .into_iter()
        .map(|(number, severity)| life.matured(number, 0.7, severity))
        .collect();
    assert_eq!(rest, ["firing", "firing", "firing", "firing>resolved"]);
}

#[test]
fn r1_started_fired_and_resolved_are_event_time() {
    let (firing, resolved) = decay();
    assert_eq!(firing.started, june(17).start);
    assert_eq!(firing.fired, Some(june(19).end + crate::scene::DAY / 2));
    assert_eq!(firing.value, Some(0.912));
    assert_eq!(resolved.started, june(17).start);
    assert_eq!(resolved.fired, firing.fired);
    assert_eq!(resolved.resolved, Some(june(21).end + crate::scene::DAY / 2));
    assert_eq!(resolved.value, Some(0.55), "the figure that ended it");
    assert_eq!(resolved.annotations["summary"], "flights: log loss 0.912 since 2013-06-17T00:00:00Z");
}

#[test]
fn r1_windows_that_cannot_be_told_neither_count_nor_break() {
    let mut life = Life::new(DECAY);
    let bad = [log_loss(0.7, BAD)];
    let empty = Evaluation { rows: 0, ..day(2, Stage::Matured, &[]) };
    let quarantined = Evaluation { quarantined: true, ..day(3, Stage::Matured, &bad) };
    let learning =
        Finding { limit: None, reason: Some("12 labelled rows of the 30 needed".to_owned()), ..log_loss(0.7, GOOD) };
    let learning = [learning];
    assert_eq!(told(&life.step(&day(1, Stage::Matured, &bad))), "inactive>pending");
    assert_eq!(told(&life.step(&empty)), "");
    assert_eq!(told(&life.step(&quarantined)), "");
    assert_eq!(told(&life.step(&day(4, Stage::Matured, &learning))), "");
    assert_eq!(told(&life.step(&day(5, Stage::Matured, &[]))), "");
    assert_eq!(told(&life.step(&day(6, Stage::Matured, &bad))), "pending");
    let firing = life.step(&day(7, Stage::Matured, &bad));
    assert_eq!((told(&firing).as_str(), firing[0].started), ("pending>firing", june(1).start));
    let still = Evaluation { quarantined: true, ..day(8, Stage::Matured, &[]) };
    assert_eq!(told(&life.step(&still)), "", "a fault ends no decay");
}

#[test]
fn r1_a_window_without_rows_says_what_was_found_in_it() {
    let mut life = Life::new("- alert: PipelineFault\n  when: fault(any)\n- alert: Drift\n  when: drift(any)\n");
    // Every event had a value of a wrong type: all of them are dead letters.
    let verdict = Finding {
        fault: Some(Fault::TypeChange),
        statistic: None,
        limit: None,
        ..finding(Subject::Feature, "temp", "type_change", Severity::Critical)
    };
    let unseen = Finding {
        statistic: None,
        limit: None,
        reason: Some("0 rows of the 30 needed".to_owned()),
        ..finding(Subject::Feature, "wind", "js", GOOD)
    };
    let findings = [verdict, unseen.clone()];
    let changes = life.step(&Evaluation { rows: 0, coverage: None, ..day(1, Stage::Closed, &findings) });
    let fired: Vec<&str> = changes.iter().filter(|change| change.is_firing()).map(|change| &*change.rule).collect();
    assert!(fired.contains(&"PipelineFault"), "{changes:?}");
    assert_eq!(changes[0].annotations["fault"], "type_change");
    let nothing = [unseen];
    let changes = life.step(&Evaluation { rows: 0, coverage: None, ..day(2, Stage::Closed, &nothing) });
    assert_eq!(told(&changes), "", "a window in which nothing was found ends no fault");
}

#[test]
fn r1_durations_are_event_time() {
    let mut life = Life::new("- alert: A\n  when: drift(any)\n  for: 3d\n  keep_firing_for: 36h\n");
    let bad = [finding(Subject::Feature, "temp", "js", BAD)];
    let good = [finding(Subject::Feature, "temp", "js", GOOD)];
    let mut phases = Vec::new();
    // A day without a window passes in event time all the same.
    for (number, findings) in [(1, &bad), (2, &bad), (4, &bad), (5, &good), (6, &good)] {
        phases.push(told(&life.step(&day(number, Stage::Closed, findings))));
    }
    assert_eq!(phases, ["inactive>pending", "pending", "pending>firing", "firing", "firing>resolved"]);
}

#[test]
fn r1_without_for_an_alert_fires_at_once_and_resolves_at_once() {
    for hold in ["", "  for: 0\n", "  for: 0s\n", "  for: 1 window\n"] {
        let mut life = Life::new(&format!("- alert: PipelineFault\n  when: fault(any)\n{hold}"));
        let faulty = [unit_change("temp"), unit_change("dewp")];
        let firing = life.step(&day(9, Stage::Closed, &faulty));
        assert_eq!(told(&firing), "inactive>firing");
        assert_eq!(firing[0].annotations["feature"], "dewp, temp");
        assert_eq!(firing[0].annotations["fault"], "unit_change");
        assert_eq!(told(&life.step(&day(10, Stage::Closed, &faulty))), "firing");
        let mended = [finding(Subject::Feature, "temp", "location", GOOD)];
        assert_eq!(told(&life.step(&day(11, Stage::Closed, &mended))), "firing>resolved");
    }
}

#[test]
fn r1_rules_are_evaluated_at_the_stage_where_their_figures_are_known() {
    let text = "- alert: Decay\n  when: performance(log_loss)\n- alert: Drift\n  when: drift(any)\n- alert: Labels\n  when: coverage < 0.5\n";
    let mut life = Life::new(text);
    let all = [log_loss(0.7, BAD), finding(Subject::Feature, "temp", "js", BAD)];
    let names = |changes: &[rules::AlertChange]| changes.iter().map(|change| change.rule.clone()).collect::<Vec<_>>();
    let evaluation = Evaluation { coverage: Some(0.1), ..day(1, Stage::Closed, &all) };
    assert_eq!(names(&life.step(&evaluation)), ["Drift"]);
    let evaluation = Evaluation { stage: Stage::Matured, ..evaluation };
    assert_eq!(names(&life.step(&evaluation)), ["Decay", "Labels"]);
}

#[test]
fn r2_any_column_is_one_conversation_and_versions_are_annotations() {
    let mut life = Life::new("- alert: Drift\n  when: drift(any)\n- alert: Decay\n  when: performance(log_loss)\n");
    let many: Vec<Finding> = (0..12).map(|i| finding(Subject::Feature, &format!("c{i:02}"), "js", BAD)).collect();
    let changes = life.step(&day(1, Stage::Closed, &many));
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].feature.as_str(), changes[0].findings.len()), ("", 12));
    assert_eq!(changes[0].annotations["feature"], "c00, c01, c02, c03, c04, c05, c06, c07, c08, c09 and 2 more");
    // Another column drifts: the same alert.
    let other = [finding(Subject::Score, "", "js", BAD)];
    let again = life.step(&day(2, Stage::Closed, &other));
    assert_eq!((told(&again).as_str(), &again[0].fingerprint), ("firing", &changes[0].fingerprint));
    assert_eq!(again[0].annotations["feature"], "score");

    let versions = [
        Finding { version: "v2".to_owned(), ..log_loss(0.5, GOOD) },
        Finding { version: "v1".to_owned(), ..log_loss(0.9, BAD) },
    ];
    let old = life.step(&day(1, Stage::Matured, &versions));
    assert_eq!(old[0].annotations["version"], "v1");
    let promoted = [Finding { version: "v2".to_owned(), ..log_loss(0.5, GOOD) }];
    let resolved = life.step(&day(2, Stage::Matured, &promoted));
    assert!(resolved[0].is_resolved() && resolved[0].fingerprint == old[0].fingerprint);
}

#[test]
fn r2_a_named_column_is_part_of_the_identity() {
    let mut life = Life::new("- alert: A\n  when: drift(temp)\n- alert: B\n  when: quality(missing_rate, temp)\n");
    let findings = [
        finding(Subject::Feature, "temp", "js", BAD),
        finding(Subject::Feature, "wind", "js", Severity::Critical),
        finding(Subject::Quality, "temp", "missing_rate", GOOD),
        finding(Subject::Quality, "temp", "range", BAD),
    ];
    let changes = life.step(&day(1, Stage::Closed, &findings));
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].feature, "temp");
    assert_eq!(changes[0].fingerprint, rules::fingerprint("flights", "A", "", "temp"));
}

#[test]
fn r2_each_segment_is_a_conversation_of_its_own() {
    let mut life = Life::new("- alert: Decay\n  when: performance(log_loss)\n");
    let segment = |name: &str, severity| Finding { segment: name.to_owned(), ..log_loss(0.9, severity) };
    let findings = [log_loss(0.5, GOOD), segment("origin=EWR", BAD), segment("origin=JFK", BAD)];
    let changes = life.step(&day(1, Stage::Matured, &findings));
    let segments: Vec<&str> = changes.iter().map(|change| change.segment.as_str()).collect();
    assert_eq!(segments, ["origin=EWR", "origin=JFK"]);
    let findings = [log_loss(0.5, GOOD), segment("origin=EWR", GOOD), segment("origin=JFK", BAD)];
    assert_eq!(told(&life.step(&day(2, Stage::Matured, &findings))), "firing>resolved firing");
}

#[test]
fn r1_an_alert_whose_rule_is_gone_is_over() {
    let mut life = Life::new("- alert: A\n  when: drift(temp)\n- alert: B\n  when: drift(temp)\n  for: 3 windows\n");
    let findings = [finding(Subject::Feature, "temp", "js", BAD)];
    life.step(&day(1, Stage::Closed, &findings));
    let none = evaluate(&RuleSet::default(), &day(2, Stage::Closed, &findings), &life.state);
    let mut phases = told(&none.changes).split(' ').map(str::to_owned).collect::<Vec<_>>();
    phases.sort();
    assert_eq!(phases, ["firing>resolved", "pending>inactive"]);
    assert!(none.changes.iter().all(|change| change.annotations["resolution"] == "the rule was removed"));
    // About another column under the same name: another alert.
    let other = evaluate(&rules("- alert: A\n  when: drift(wind)\n"), &day(2, Stage::Closed, &findings), &life.state);
    assert!(other.changes.iter().any(|change| change.rule == "A" && change.is_resolved()));
}

#[test]
fn t5_a_rule_asks_for_retraining_once_when_it_fires() {
    let mut life = Life::new(DECAY);
    let bad = [log_loss(0.7, BAD)];
    let asked: Vec<bool> =
        (1..=5).map(|number| life.step(&day(number, Stage::Matured, &bad))[0].asks_for_retraining()).collect();
    assert_eq!(asked, [false, false, true, false, false]);
}

#[test]
fn e3_alerts_that_stand_are_bounded() {
    let mut life = Life::new("- alert: Decay\n  when: performance(log_loss)\n");
    let findings: Vec<Finding> = (0..=rules::state::ALERTS_LIMIT)
        .map(|index| Finding { segment: format!("s{index}"), ..log_loss(0.9, BAD) })
        .collect();
    let transition = evaluate(&life.rules, &day(1, Stage::Matured, &findings), &AlertState::default());
    assert_eq!((transition.state.standing(), transition.left_out), (rules::state::ALERTS_LIMIT, 1));
    life.state = transition.state;
    assert_eq!(life.step(&day(1, Stage::Matured, &findings)).len(), 0);
}
