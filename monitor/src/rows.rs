//! The store's rows of a merged window: one a version, one a version's segment, one for the inputs of all versions.

use std::collections::BTreeMap;

use contract::{Contract, Finding, Subject, WallTime};
use detectors::judge::performance::{METRICS, metric};
use detectors::profile::WindowProfile;
use retrain_trigger::Standing;
use store::{Figure, Figures, WindowRow};

use crate::journal::WindowEntry;
use crate::layout;
use crate::merge::MergedWindow;

pub(crate) fn windows(
    contract: &Contract,
    merged: &MergedWindow,
    findings: &[Finding],
    is_matured: bool,
    is_quarantined: bool,
    now: WallTime,
) -> Vec<WindowRow> {
    let whole = (String::new(), String::new());
    let inputs = std::iter::once((&whole, &merged.inputs));
    inputs
        .chain(merged.cells.iter())
        .map(|((version, segment), profile)| WindowRow {
            model: contract.model.clone(),
            version: version.clone(),
            segment: segment.clone(),
            window: merged.window,
            revision: merged.revision,
            rows: profile.rows as i64,
            labelled: profile.performance.labelled() as i64,
            coverage: profile.performance.coverage(),
            matured: is_matured,
            quarantined: is_quarantined,
            layout: if merged.is_of_contract { layout::layout(contract) } else { layout::OTHER },
            figures: figures(contract, merged, profile, version, segment, findings).to_json(),
            profile: profile.to_bytes(),
            as_of: merged.as_of.clone(),
            first_judged: now,
            updated: now,
        })
        .collect()
}

/// Figures of one row. Intervals and limits come from the whole version's findings.
fn figures(
    contract: &Contract,
    merged: &MergedWindow,
    profile: &WindowProfile,
    version: &str,
    segment: &str,
    findings: &[Finding],
) -> Figures {
    let performance: BTreeMap<String, Figure> = METRICS
        .iter()
        .filter(|_| profile.performance.labelled() > 0)
        .map(|name| {
            let statistic = metric(&profile.performance, name);
            let finding = findings.iter().filter(|_| segment.is_empty()).find(|finding| {
                finding.subject == Subject::Performance && finding.detector == *name && finding.version == version
            });
            let figure = Figure {
                value: statistic.value(),
                interval: finding.and_then(|finding| finding.interval),
                limit: finding.and_then(|finding| finding.limit),
                reason: statistic.value().is_none().then(|| statistic.to_string()),
            };
            ((*name).to_owned(), figure)
        })
        .collect();
    let missing = contract.schema.iter().zip(&profile.columns);
    let missing =
        missing.filter_map(|(column, values)| Some((column.name.clone(), share(values.nulls(), values.rows())?)));
    Figures {
        performance,
        mean_score: profile.score.mean(),
        positive_rate: share(profile.performance.positives(), profile.performance.labelled()),
        missing: missing.collect(),
        errors: profile.errors,
        late: merged.late,
        closed_by_idleness: merged.closed_by_idleness,
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What `replay` prints of a row; the inputs of all versions are printed with the versions.
pub(crate) fn window_entry(row: &WindowRow, stage: &'static str) -> Option<WindowEntry> {
    (!row.version.is_empty() || !row.segment.is_empty()).then(|| WindowEntry {
        model: row.model.clone(),
        version: row.version.clone(),
        segment: row.segment.clone(),
        window: row.window.into(),
        revision: row.revision,
        stage,
        rows: row.rows as u64,
        labelled: row.labelled as u64,
        coverage: row.coverage,
        figures: Figures::from_json(&row.figures),
        quarantined: row.quarantined,
    })
}

pub(crate) fn standing_json(standing: &Standing) -> String {
    serde_json::to_string(standing).unwrap_or_default()
}
