//! The names that rules may use are the names that the judge gives: neither crate knows the other.

use contract::Subject;
use detectors::judge::performance::{METRICS, TESTED_METRIC};
use detectors::univariate::builtin_detectors;
use rules::condition::vocabulary;

#[test]
fn conditions_know_the_metrics_and_detectors_that_are_judged() {
    assert_eq!(vocabulary::METRICS, METRICS);
    assert_eq!(vocabulary::TESTED_METRIC, TESTED_METRIC);
    let mut quality: Vec<&str> =
        builtin_detectors().iter().filter(|d| d.subject() == Subject::Quality).map(|d| d.name()).collect();
    let mut known = vocabulary::QUALITY;
    quality.sort_unstable();
    known.sort_unstable();
    assert_eq!(quality, known);
}
