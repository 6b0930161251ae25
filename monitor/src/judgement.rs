//! The judgement of one window: which profile is compared with which baseline.

use contract::{Contract, Fault, Finding, Severity};
use detectors::judge::performance::SegmentShare;
use detectors::judge::{self, Levels, MINIMUM_ROWS, Previous, Subject};
use detectors::profile::{PerformanceProfile, WindowProfile};

use crate::baselines::Baselines;
use crate::merge::MergedWindow;

/// Judges inputs (over all versions) and outputs (per version).
pub fn judge_closed(
    contract: &Contract,
    baselines: &Baselines,
    previous: &Previous,
    merged: &MergedWindow,
) -> Vec<Finding> {
    let subject = subject(contract, merged, previous, |profile| profile.rows);
    let mut findings = judge::judge_inputs(&subject, &baselines.inputs(merged.window), &merged.inputs);
    for (version, profile) in merged.versions() {
        let subject = Subject { version, ..subject };
        findings.extend(judge::judge_outputs(&subject, &baselines.outputs(version, merged.window), profile));
    }
    findings
}

/// Judges performance per version. In a quarantined window it is at most `info`: the fault explains it.
pub fn judge_matured(
    contract: &Contract,
    baselines: &Baselines,
    previous: &Previous,
    merged: &MergedWindow,
    is_quarantined: bool,
) -> Vec<Finding> {
    let whole = subject(contract, merged, previous, |profile| profile.performance.labelled());
    let mut findings = Vec::new();
    for (version, profile) in merged.versions() {
        let subject = Subject { version, ..whole };
        let segments = segment_shares(baselines, merged, version);
        let baseline = baselines.performance(version, "", merged.window);
        findings.extend(judge::judge_performance(&subject, &baseline, profile, &segments));
    }
    if is_quarantined {
        for finding in findings.iter_mut().filter(|finding| finding.severity > Severity::Info) {
            finding.severity = Severity::Info;
            finding.explanation.push_str(" The window is quarantined: a fault of the pipeline explains it.");
        }
    }
    findings
}

/// The faults found in a window, in words: "unit_change of dewp, temp (weather)".
pub fn faults(contract: &Contract, findings: &[Finding]) -> Vec<String> {
    let mut kinds: Vec<Fault> = findings.iter().filter_map(|finding| finding.fault).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
        .into_iter()
        .map(|fault| {
            let faulty = |finding: &&Finding| finding.fault == Some(fault);
            let mut columns: Vec<&str> = findings.iter().filter(faulty).map(|f| f.feature.as_str()).collect();
            columns.sort_unstable();
            columns.dedup();
            let source_of = |name: &&str| contract.schema.iter().find(|c| c.name == **name)?.source.as_deref();
            let mut sources: Vec<&str> = columns.iter().filter_map(source_of).collect();
            sources.dedup();
            let sources = if sources.is_empty() { String::new() } else { format!(" (source {})", sources.join(", ")) };
            format!("{fault} of {}{sources}", columns.join(", "))
        })
        .collect()
}

/// `rows`: those of a version that are judged. The versions with enough of them share the budget.
fn subject<'a>(
    contract: &'a Contract,
    merged: &MergedWindow,
    previous: &'a Previous,
    rows: fn(&WindowProfile) -> u64,
) -> Subject<'a> {
    let versions = merged.versions().filter(|(_, profile)| rows(profile) >= MINIMUM_ROWS).count();
    let levels = Levels::for_window(contract, versions);
    Subject { contract, window: merged.window, revision: merged.revision, version: "", previous, levels }
}

fn segment_shares(baselines: &Baselines, merged: &MergedWindow, version: &str) -> Vec<SegmentShare> {
    merged
        .segments(version)
        .map(|(segment, profile)| {
            let mut pooled = PerformanceProfile::default();
            for window in &baselines.performance(version, segment, merged.window).windows {
                pooled.merge(&window.performance);
            }
            SegmentShare { segment: segment.to_owned(), baseline: pooled, current: profile.performance.clone() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use contract::{EventTime, Window};

    use super::*;

    #[test]
    fn d2_the_versions_that_can_be_judged_share_the_budget() {
        let text = "version: 1\nmodel: m\ntask: binary_classification\nsources: { predictions: { topic: t }, labels: { topic: l, \
                    horizon: 7d } }\nfields:\n  predictions: { event_id: /id, time: /time, score: /score }\n  labels: { \
                    event_id: /id, time: /time, label: /label }\nschema:\n  x: { type: float64 }\nwindows: { size: 1d }\n";
        let contract = contract::lower::contract_from_text(text, Path::new("m.yaml")).unwrap();
        let start = EventTime::from_micros(0);
        let window = Window { start, end: start + contract.windows.size };
        // The canary's 5 rows are not judged, and v2 has no labels yet.
        let profile = |rows: u64, labelled: u64| {
            let mut profile = WindowProfile { rows, ..WindowProfile::default() };
            for row in 0..labelled {
                profile.performance.add(0.5, None, row % 2 == 0, 0);
            }
            profile
        };
        let versions = [("v1", profile(100, 90)), ("v2", profile(100, 0)), ("canary", profile(5, 5))];
        let merged = MergedWindow {
            window,
            revision: 0,
            cells: versions.map(|(name, profile)| ((name.to_owned(), String::new()), profile)).into_iter().collect(),
            inputs: WindowProfile::for_contract(&contract),
            is_of_contract: true,
            late: 0,
            closed_by_idleness: false,
            as_of: String::new(),
        };
        let previous = Previous::default();
        let closed = subject(&contract, &merged, &previous, |profile| profile.rows).levels;
        assert_eq!(closed, Levels::for_window(&contract, 2));
        assert!(closed.of_one() < Levels::for_window(&contract, 1).of_one());
        let matured = subject(&contract, &merged, &previous, |profile| profile.performance.labelled()).levels;
        assert_eq!(matured, Levels::for_window(&contract, 1));
    }
}
