//! Sentences for people: what changed, by how much, against what.

use contract::{Finding, Subject as About};

use crate::profile::{CategoricalProfile, ColumnProfile, NumericProfile};

/// How many categories an explanation names.
const NAMED_CATEGORIES: usize = 3;

/// Explains a change of one column.
pub(super) fn column(
    about: About,
    name: &str,
    baseline: &ColumnProfile,
    current: &ColumnProfile,
    finding: &Finding,
    against: &str,
) -> String {
    let change = change(about, name, &finding.detector, finding.statistic, baseline, current);
    match (finding.statistic, finding.limit) {
        (Some(statistic), Some(limit)) => {
            format!("{change} ({} {statistic:.4}, limit {limit:.4}, against {against}).", finding.detector)
        }
        _ => format!("{change} (against {against})."),
    }
}

/// What changed, without the evidence: "temp moved: mean 41.2 → 60.3, …". Without a name, the sentence lacks its subject.
pub(super) fn change(
    about: About,
    name: &str,
    detector: &str,
    statistic: Option<f64>,
    baseline: &ColumnProfile,
    current: &ColumnProfile,
) -> String {
    let what = match about {
        About::Score => "The score",
        About::Prediction => "The predicted class",
        _ => name,
    };
    let change = match (detector, baseline, current) {
        ("missing_rate", ..) => rates("is missing in", missing_share(baseline), missing_share(current)),
        ("non_finite_rate" | "unseen_categories" | "range" | "type_mismatch", ..) => {
            let share = statistic.unwrap_or_default();
            format!("has {} in {} more of the rows", quality_words(detector), percent(share))
        }
        (_, ColumnProfile::Numeric(before), ColumnProfile::Numeric(now)) => numeric_change(before, now),
        (_, ColumnProfile::Categorical(before), ColumnProfile::Categorical(now)) => categorical_change(before, now),
        _ => "changed".to_owned(),
    };
    format!("{what} {change}").trim_start().to_owned()
}

fn quality_words(detector: &str) -> &'static str {
    match detector {
        "non_finite_rate" => "NaN or infinite values",
        "unseen_categories" => "categories that the baseline doesn't know",
        "range" => "values outside the declared range",
        _ => "values of a wrong type",
    }
}

fn missing_share(profile: &ColumnProfile) -> f64 {
    profile.nulls() as f64 / profile.rows().max(1) as f64
}

fn rates(verb: &str, before: f64, now: f64) -> String {
    format!("{verb} {} of the rows instead of {}", percent(now), percent(before))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn numeric_change(before: &NumericProfile, now: &NumericProfile) -> String {
    let (Some(mean_before), Some(mean_now)) = (before.mean(), now.mean()) else { return "changed".to_owned() };
    let deviation = |profile: &NumericProfile| number(profile.standard_deviation().unwrap_or(0.0));
    format!(
        "moved: mean {} → {}, standard deviation {} → {}",
        number(mean_before),
        number(mean_now),
        deviation(before),
        deviation(now)
    )
}

/// Four decimals for numbers that people read so, else four digits and an exponent.
fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) { format!("{value:.4}") } else { format!("{value:.3e}") }
}

/// The categories whose shares moved most.
fn categorical_change(before: &CategoricalProfile, now: &CategoricalProfile) -> String {
    let share = |profile: &CategoricalProfile, count: u64| count as f64 / profile.valid().max(1) as f64;
    let mut shares: std::collections::BTreeMap<&str, (f64, f64)> = std::collections::BTreeMap::new();
    for (name, count) in before.counts() {
        shares.entry(name).or_default().0 = share(before, count);
    }
    for (name, count) in now.counts() {
        shares.entry(name).or_default().1 = share(now, count);
    }
    let mut moved: Vec<_> = shares.into_iter().collect();
    moved.sort_by(|(_, a), (_, b)| (b.1 - b.0).abs().total_cmp(&(a.1 - a.0).abs()));
    let moved: Vec<String> = moved
        .iter()
        .take(NAMED_CATEGORIES)
        .map(|(name, (before, now))| format!("{name} {} → {}", percent(*before), percent(*now)))
        .collect();
    if moved.is_empty() { "changed".to_owned() } else { format!("changed its mix: {}", moved.join(", ")) }
}
