//! The shipped rule files.

use rules::{Action, AlertSeverity, SHIPPED, Span, shipped};

#[test]
fn e1_every_shipped_file_is_good_and_says_whom_it_wakes() {
    for (name, text) in SHIPPED {
        let set = shipped(name, None).unwrap();
        for rule in set.rules() {
            assert!(rule.annotations.contains_key("summary"), "{name}: {}", rule.alert);
            let above: Vec<&str> = text.lines().take(rule.origin.alert.line - 1).collect();
            assert!(above.last().unwrap().trim_start().starts_with('#'), "{name}: {} has no comment", rule.alert);
        }
    }
}

#[test]
fn input_drift_pages_nobody_by_default() {
    let set = shipped("packs/default.yaml", None).unwrap();
    let pages: Vec<&str> = set
        .rules()
        .iter()
        .filter(|rule| rule.severity == AlertSeverity::Page)
        .map(|rule| rule.alert.as_str())
        .collect();
    assert_eq!(pages, ["PerformanceDecay", "PipelineFault"]);
    assert!(set.rules().iter().all(|rule| !rule.condition.to_string().contains("drift")));
    let decay = &set.rules()[0];
    assert_eq!((decay.hold, decay.keep), (Span::Windows(3), Span::Windows(2)));
    assert_eq!(decay.actions, [Action::Retrain]);
}
