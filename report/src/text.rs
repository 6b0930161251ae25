//! The report for people: what drifted, how much, and everything else in one line a column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use contract::{Severity, printable};

use crate::compare::{ColumnReport, Report};

/// Plain text, at most 120 columns wide where names allow.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    let (before, now) = (report.rows.reference, report.rows.current);
    let counted = |count: u64, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
    let (rows, columns) = (counted(before, "row"), counted(report.columns.len() as u64, "column"));
    let _ = writeln!(text, "{rows} in the reference, {now} in the current data, {columns}.");
    if let Some(reason) = report.reason {
        let _ = writeln!(text, "{reason}");
    }
    let drifted = report.columns.iter().filter(|column| column.comparison.drifted).count();
    let _ = match drifted {
        0 if report.reason.is_some() => Ok(()),
        0 => writeln!(text, "No column drifted."),
        1 => writeln!(text, "1 column drifted:"),
        many => writeln!(text, "{many} columns drifted:"),
    };
    for column in report.columns.iter().filter(|column| column.comparison.severity > Severity::None) {
        let explanation = printable(&column.comparison.explanation);
        let _ = writeln!(text, "  {:8}  {explanation}", column.comparison.severity);
    }
    text.push('\n');
    table(&mut text, report);
    performance(&mut text, report);
    text
}

fn table(text: &mut String, report: &Report) {
    let lengths = report.columns.iter().map(|column| printable(&column.name).chars().count());
    let width = lengths.max().unwrap_or(0).clamp(6, 40);
    let _ = writeln!(
        text,
        "{:width$}  {:11}  {:8}  {:>19}  strongest evidence",
        "column", "kind", "severity", "missing before, now"
    );
    for column in &report.columns {
        let missing = format!("{} {:>8}", share(column.missing.reference), share(column.missing.current));
        let (name, severity) = (shortened(&printable(&column.name), width), column.comparison.severity.name());
        let _ = writeln!(text, "{name:width$}  {:11}  {severity:8}  {missing:>19}  {}", column.kind, evidence(column));
    }
}

fn shortened(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    name.chars().take(width.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// The judging detector with the smallest p-value, or why there is none.
fn evidence(column: &ColumnReport) -> String {
    let judging = column.comparison.detectors.iter().filter(|result| result.level.is_some());
    let strongest =
        judging.filter_map(|result| Some((result, result.p_value?))).min_by(|(_, a), (_, b)| a.total_cmp(b));
    if let Some((result, p_value)) = strongest {
        let statistic = result.statistic.unwrap_or_default();
        return format!("{} {statistic:.4}, {}", result.detector, probability(p_value));
    }
    let reason = column.comparison.detectors.iter().find_map(|result| result.reason.clone());
    printable(&reason.unwrap_or_else(|| column.comparison.explanation.clone())).into_owned()
}

fn probability(p: f64) -> String {
    match p {
        tiny if tiny < 1e-300 => "p < 1e-300".to_owned(),
        small if small < 1e-4 => format!("p {small:.0e}"),
        p => format!("p {p:.4}"),
    }
}

fn performance(text: &mut String, report: &Report) {
    let (before, now) = (&report.performance.reference, &report.performance.current);
    let names: BTreeSet<&str> = before.keys().chain(now.keys()).copied().collect();
    if !names.is_empty() {
        let _ = writeln!(text, "\n{:20}  {:>9}  {:>9}", "performance", "reference", "current");
    }
    let figure = |figures: &BTreeMap<&str, f64>, name| {
        figures.get(name).map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
    };
    for name in names {
        let _ = writeln!(text, "{name:20}  {:>9}  {:>9}", figure(before, name), figure(now, name));
    }
    let (skipped, reasons) = (report.performance.skipped, &report.performance.reasons);
    let sides =
        [("reference", skipped.reference, &reasons.reference), ("current data", skipped.current, &reasons.current)];
    for (side, skipped, reason) in sides {
        let _ = match (reason, skipped) {
            (Some(reason), _) => writeln!(text, "\nNo performance of the {side}: {reason}."),
            (None, 0) => Ok(()),
            (None, rows) => {
                let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
                let why = "the score is outside [0, 1], or the label neither 0, 1 nor a boolean";
                writeln!(text, "\nPerformance leaves out {rows} of the {side}: {why}.")
            }
        };
    }
}
