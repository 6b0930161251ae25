//! The judgement of one window: which profile is compared with which baseline.

use contract::{Contract, Fault, Finding, Severity};
use detectors::judge::performance::SegmentShare;
use detectors::judge::{self, Levels, Previous, Subject};
use detectors::profile::PerformanceProfile;

use crate::baselines::Baselines;
use crate::merge::MergedWindow;

/// Judges inputs (over all versions) and outputs (per version).
pub fn judge_closed(
    contract: &Contract,
    baselines: &Baselines,
    previous: &Previous,
    merged: &MergedWindow,
) -> Vec<Finding> {
    let subject = subject(contract, merged, "", previous);
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
    let mut findings = Vec::new();
    for (version, profile) in merged.versions() {
        let subject = subject(contract, merged, version, previous);
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

fn subject<'a>(contract: &'a Contract, merged: &MergedWindow, version: &'a str, previous: &'a Previous) -> Subject<'a> {
    let levels = Levels::for_contract(contract);
    Subject { contract, window: merged.window, revision: merged.revision, version, previous, levels }
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
