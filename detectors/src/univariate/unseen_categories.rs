//! `unseen_categories`: the share of values whose category the baseline doesn't know.

use contract::Subject;

use crate::Statistic;
use crate::kernel::contingency::fisher_upper;
use crate::profile::{CategoricalProfile, ColumnProfile};

use super::{Detector, Scale};

/// Values of unseen categories among the current ones. Undefined where a side has too many categories to keep their names.
pub struct UnseenCategories;

/// Both sides with names and values.
fn named<'a>(
    baseline: &'a ColumnProfile,
    current: &'a ColumnProfile,
) -> Result<(&'a CategoricalProfile, &'a CategoricalProfile), Statistic> {
    let (Some(before), Some(now)) = (baseline.as_categorical(), current.as_categorical()) else {
        return Err(Statistic::Undefined("the column is not categorical on both sides"));
    };
    if before.is_collapsed() || now.is_collapsed() {
        return Err(Statistic::Undefined("there are too many categories to keep their names"));
    }
    Statistic::require(before.valid().min(now.valid()), 1)?;
    Ok((before, now))
}

fn unseen<'a>(before: &'a CategoricalProfile, now: &'a CategoricalProfile) -> impl Iterator<Item = u64> + 'a {
    now.counts().filter(|(name, _)| before.count(name) == Some(0)).map(|(_, count)| count)
}

impl Detector for UnseenCategories {
    fn name(&self) -> &'static str {
        "unseen_categories"
    }

    fn applies_to(&self, column: &ColumnProfile) -> bool {
        column.as_categorical().is_some()
    }

    fn statistic(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic {
        match named(baseline, current) {
            Ok((before, now)) => Statistic::of(unseen(before, now).sum::<u64>() as f64 / now.valid() as f64),
            Err(reason) => reason,
        }
    }

    /// Rare categories turn up for the first time all the time, so the rows of unseen categories aren't independent draws.
    /// Given how often each category occurs on both sides together, two exact tests, by Bonferroni: that all rows of the
    /// largest unseen category are current ones (times the number of categories), and that of the categories which occur
    /// once so many are current.
    fn p_value(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        let (before, now) = named(baseline, current).ok()?;
        let Some(largest) = unseen(before, now).max() else { return Some(1.0) };
        let categories = before.counts().count() + unseen(before, now).count();
        let concentrated = categories as f64 * fisher_upper(0, before.valid(), largest, now.valid());
        let once_now = unseen(before, now).filter(|count| *count == 1).count() as u64;
        let once_before =
            before.counts().filter(|(name, count)| *count == 1 && now.count(name) == Some(0)).count() as u64;
        let scattered = fisher_upper(once_before, before.valid(), once_now, now.valid());
        Some((2.0 * concentrated.min(scattered)).min(1.0))
    }

    /// The smallest share that a single unseen category would need.
    fn threshold(&self, baseline: &ColumnProfile, current: &ColumnProfile, level: f64) -> Option<f64> {
        let (before, now) = named(baseline, current).ok()?;
        let categories = before.counts().count() + unseen(before, now).count().max(1);
        let is_beyond =
            |rows: u64| 2.0 * categories as f64 * fisher_upper(0, before.valid(), rows, now.valid()) < level;
        if !is_beyond(now.valid()) {
            return None;
        }
        let (mut low, mut high) = (1, now.valid());
        while low < high {
            let middle = low + (high - low) / 2;
            if is_beyond(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(high as f64 / now.valid() as f64)
    }

    fn scale(&self) -> Scale {
        Scale::Rate
    }

    fn subject(&self) -> Subject {
        Subject::Quality
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(counts: &[(&str, u64)]) -> ColumnProfile {
        let mut profile = CategoricalProfile::new();
        for (name, count) in counts {
            profile.add(name, *count);
        }
        ColumnProfile::Categorical(profile)
    }

    #[test]
    fn a_new_category_is_evidence_and_a_new_straggler_is_not() {
        let before = column(&[("a", 5_000), ("b", 9_000), ("once", 1)]);
        let new = column(&[("a", 200), ("b", 290), ("new", 10)]);
        assert_eq!(UnseenCategories.statistic(&before, &new), Statistic::Value(0.02));
        assert!(UnseenCategories.p_value(&before, &new).unwrap() < 1e-10);
        let straggler = column(&[("a", 200), ("b", 299), ("new", 1)]);
        assert!(UnseenCategories.p_value(&before, &straggler).unwrap() > 0.05);
        assert_eq!(UnseenCategories.p_value(&before, &column(&[("a", 3)])), Some(1.0));
        let threshold = UnseenCategories.threshold(&before, &new, 1e-5).unwrap();
        assert!(threshold > 0.002 && threshold < 0.02, "{threshold}");
    }

    #[test]
    fn d3_names_that_were_given_up_have_no_unseen_ones() {
        let mut many = CategoricalProfile::new();
        (0..2_000).for_each(|i| many.add(&format!("user-{i}"), 1));
        let many = ColumnProfile::Categorical(many);
        assert_eq!(UnseenCategories.statistic(&many, &column(&[("a", 3)])).status(), "undefined");
        assert_eq!(UnseenCategories.statistic(&column(&[]), &column(&[("a", 3)])).status(), "insufficient_data");
    }
}
