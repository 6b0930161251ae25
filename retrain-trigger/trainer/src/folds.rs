//! Which model hasn't seen a row: folds in blocks of whole weeks.
//!
//! Scores of rows that a model was trained on flatter it, and so do scores of days whose neighbours it was trained on: delays hang
//! together. So whole weeks of event time are left out in turn, week by week: every fold has some of every season.

use crate::{Error, Result};

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;
const WEEK_MICROS: i64 = 7 * DAY_MICROS;

/// The folds of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    /// How many there are: as many as asked for, or as many blocks as the data have.
    pub count: usize,
    /// The fold of each row.
    pub of: Vec<usize>,
}

/// Whole weeks, counted from the UTC day of the first row; weeks without rows don't count. Data of less than two weeks are split by
/// days, and of less than two days by hours. `times` are in microseconds.
///
/// Errors: [`Error::Unlearnable`] for data of less than two hours.
pub fn assign(times: &[i64], wanted: usize) -> Result<Folds> {
    let first = times.iter().copied().min().unwrap_or(0);
    let midnight = first - first.rem_euclid(DAY_MICROS);
    for (start, length) in [(midnight, WEEK_MICROS), (midnight, DAY_MICROS), (first, HOUR_MICROS)] {
        let blocks: Vec<i64> = times.iter().map(|time| time.saturating_sub(start) / length).collect();
        let mut present = blocks.clone();
        present.sort_unstable();
        present.dedup();
        if present.len() < 2 {
            continue;
        }
        let count = wanted.min(present.len());
        let fold = |block: &i64| present.binary_search(block).unwrap_or(0) % count.max(1);
        return Ok(Folds { count, of: blocks.iter().map(fold).collect() });
    }
    Err(Error::Unlearnable(
        "the training rows cover less than two hours: no block of them can be left out for out-of-fold scores"
            .to_owned(),
    ))
}

/// Which rows are of the newest tenth of the days (at least one day, at most all but one); the days are UTC's. None of them where
/// there is but one day.
pub fn newest_days(times: &[i64]) -> Vec<bool> {
    let mut days: Vec<i64> = times.iter().map(|time| time.div_euclid(DAY_MICROS)).collect();
    let of_rows = days.clone();
    days.sort_unstable();
    days.dedup();
    let newest = if days.len() < 2 { 0 } else { (days.len() / 10).max(1) };
    let bound = days.len().checked_sub(newest).and_then(|at| days.get(at)).copied();
    of_rows.into_iter().map(|day| bound.is_some_and(|bound| day >= bound)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: &[i64]) -> Vec<i64> {
        // Half past midnight on a Friday.
        days.iter().map(|day| (*day + 1) * DAY_MICROS + HOUR_MICROS / 2).collect()
    }

    #[test]
    fn neighbouring_days_are_in_one_fold() {
        let folds = assign(&days(&(0..84).collect::<Vec<_>>()), 5).unwrap();
        assert_eq!(folds.count, 5);
        for (day, fold) in folds.of.iter().enumerate() {
            assert_eq!(*fold, day / 7 % 5, "day {day}");
        }
    }

    #[test]
    fn short_data_have_shorter_blocks() {
        assert_eq!(assign(&days(&(0..21).collect::<Vec<_>>()), 5).unwrap().count, 3);
        let week = assign(&days(&[0, 1, 2, 3, 4, 5, 6]), 5).unwrap();
        assert_eq!(week.of, [0, 1, 2, 3, 4, 0, 1]);
        let hours = assign(&[0, HOUR_MICROS, 2 * HOUR_MICROS], 2).unwrap();
        assert_eq!(hours.of, [0, 1, 0]);
        assert!(assign(&[0, HOUR_MICROS - 1], 2).unwrap_err().to_string().contains("two hours"));
        assert!(assign(&[], 2).is_err());
    }

    #[test]
    fn gaps_leave_no_fold_empty() {
        let folds = assign(&days(&[0, 7, 7 * 5]), 5).unwrap();
        assert_eq!((folds.count, folds.of), (3, vec![0, 1, 2]));
    }

    #[test]
    fn the_newest_tenth_of_the_days_is_told() {
        let newest = newest_days(&days(&(0..30).rev().collect::<Vec<_>>()));
        assert_eq!(newest.iter().take_while(|is_new| **is_new).count(), 3);
        assert_eq!(newest.iter().filter(|is_new| **is_new).count(), 3);
        assert_eq!(newest_days(&days(&[0, 1])), [false, true]);
        assert_eq!(newest_days(&days(&[4, 4])), [false, false]);
        assert!(newest_days(&[]).is_empty());
    }
}
