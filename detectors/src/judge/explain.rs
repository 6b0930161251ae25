//! Sentences for people: what changed, by how much, against what.

use contract::{Finding, Subject as About};

use crate::profile::{CategoricalProfile, ColumnProfile, NumericProfile};

/// How many categories an explanation names.
const NAMED_CATEGORIES: usize = 3;
/// A mean that moved by less than this share of the standard deviation, and a standard deviation by less than this
/// logarithm, are nearly the same: the minimum effects of `location` and `log_variance`.
const ALIKE: f64 = 0.1;
/// Of the quantiles that show a change of shape.
const SHARES: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];

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
            let (statistic, limit) = (number(statistic), number(limit));
            format!("{change} ({} {statistic}, limit {limit}, against {against}).", finding.detector)
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
        ("location" | "log_variance", ColumnProfile::Numeric(before), ColumnProfile::Numeric(now)) => {
            moved(before, now)
        }
        (_, ColumnProfile::Numeric(before), ColumnProfile::Numeric(now)) => {
            reshaped(before, now).unwrap_or_else(|| moved(before, now))
        }
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

/// The quantile that moved most, where mean and standard deviation are nearly what they were.
fn reshaped(before: &NumericProfile, now: &NumericProfile) -> Option<String> {
    let (mean_before, mean_now) = (before.mean()?, now.mean()?);
    let (deviation_before, deviation_now) = (before.standard_deviation()?, now.standard_deviation()?);
    let is_alike = (mean_now - mean_before).abs() < ALIKE * deviation_before
        && (deviation_now / deviation_before).ln().abs() < ALIKE;
    let quantiles = SHARES.iter().zip(before.quantiles(SHARES)).zip(now.quantiles(SHARES));
    let ((share, quantile_before), quantile_now) = quantiles
        .filter(|((_, before), now)| before.total_cmp(now).is_ne())
        .max_by(|((_, a), b), ((_, c), d)| (b - a).abs().total_cmp(&(d - c).abs()))?;
    is_alike.then(|| {
        format!(
            "changed its shape: {:.0} % of its values are up to {} where it was {}, at nearly the same mean ({} → {}) and \
             standard deviation ({} → {})",
            share * 100.0,
            number(quantile_now),
            number(quantile_before),
            number(mean_before),
            number(mean_now),
            number(deviation_before),
            number(deviation_now)
        )
    })
}

fn moved(before: &NumericProfile, now: &NumericProfile) -> String {
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

/// Four decimals for numbers that people read so, more where the first digits are zeros; else four digits and an exponent.
fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let zeros = (-size.log10()).max(0.0).floor() as usize;
    format!("{value:.*}", 4 + zeros)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits_whatever_their_size() {
        let told: Vec<String> = [0.0, 41.2, 0.0595, 0.001_234_5, -3e-9, 1e9].into_iter().map(number).collect();
        assert_eq!(told, ["0", "41.2000", "0.05950", "0.001234", "-3.000e-9", "1.000e9"]);
    }

    #[test]
    fn d4_a_change_of_shape_names_the_quantile_that_moved_most() {
        let profile = |values: &[f64]| {
            let mut profile = NumericProfile::default();
            profile.update_values(values.iter().copied().cycle().take(1_000));
            ColumnProfile::Numeric(profile)
        };
        // The same mean and the same standard deviation.
        let (before, now) = (profile(&[-1.0, 1.0]), profile(&[-2.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0]));
        let explained = |detector| change(About::Feature, "x", detector, Some(0.4), &before, &now);
        let shape = explained("js");
        assert!(
            shape.starts_with("x changed its shape: 99 % of its values are up to 2.0000 where it was 1.0000"),
            "{shape}"
        );
        assert!(shape.contains("at nearly the same mean (0 → 0)"), "{shape}");
        assert!(explained("location").starts_with("x moved: mean 0 → "), "{}", explained("location"));
    }
}
