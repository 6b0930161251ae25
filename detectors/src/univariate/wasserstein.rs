//! `wasserstein`: how far the values moved, all told.

use crate::Statistic;
use crate::kernel::tails::{student_limit, student_upper};
use crate::profile::ColumnProfile;

use super::pair::{Area, NumericPair, moments, numeric, unit};
use super::{Detector, Scale};

/// The first Wasserstein distance of the finite values: the area between the two distribution functions, in the column's
/// own unit. Its effect is the same in standard deviations of the baseline, or of both sides as one where the baseline is
/// constant.
pub struct Wasserstein;

/// The null of the distance, as far as it is needed.
///
/// Under the null the distance is the largest of a family of Gaussian variables: ∫ h (F - G) over functions |h| ≤ 1. The
/// variance of each is at most that of h = 1, the difference of means, since the covariances of a Brownian bridge are
/// nowhere negative. So by the Gaussian isoperimetric inequality (Borell, 1975; Tsirelson, Ibragimov and Sudakov, 1976) and
/// since the median of a convex function of Gaussians is at most its mean (Kwapień, 1994), P(W ≥ E W + u) is at most the
/// normal tail of u / σ. That bound is the p-value: too large, but never too small, once means are close to normal. The
/// standard error and Student's tail are those of the test of means, with its caution about skewness.
struct Null {
    expected: f64,
    standard_error: f64,
    degrees: f64,
}

impl Null {
    fn p_value(&self, distance: f64) -> f64 {
        if distance <= self.expected {
            return 1.0;
        }
        student_upper((distance - self.expected) / self.standard_error, self.degrees)
    }

    fn limit(&self, level: f64) -> f64 {
        self.expected + student_limit(level, self.degrees) * self.standard_error
    }
}

fn area(baseline: &ColumnProfile, current: &ColumnProfile) -> Result<Area, Statistic> {
    let (before, now) = numeric(baseline, current, 1)?;
    Ok(NumericPair::new(before, now).area())
}

fn null(baseline: &ColumnProfile, current: &ColumnProfile, area: &Area) -> Option<Null> {
    let (before, now) = numeric(baseline, current, 2).ok()?;
    let (left, right) = (moments(before)?, moments(now)?);
    let test = crate::kernel::moments::widest(&left, &right)?;
    let standard_error = test.standard_error * area.scale;
    let is_sound = standard_error > 0.0 && area.expected.is_finite();
    is_sound.then_some(Null { expected: area.expected, standard_error, degrees: test.degrees })
}

impl Detector for Wasserstein {
    fn name(&self) -> &'static str {
        "wasserstein"
    }

    fn applies_to(&self, column: &ColumnProfile) -> bool {
        column.as_numeric().is_some()
    }

    fn statistic(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic {
        match area(baseline, current) {
            Ok(area) => Statistic::of(area.distance / area.scale),
            Err(reason) => reason,
        }
    }

    fn effect(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic {
        let (area, (before, now)) = match (area(baseline, current), numeric(baseline, current, 1)) {
            (Ok(area), Ok(pair)) => (area, pair),
            (Err(reason), _) | (_, Err(reason)) => return reason,
        };
        if area.distance == 0.0 {
            return Statistic::Value(0.0);
        }
        let effect = unit(before, now).map(|unit| area.distance / unit / area.scale);
        Statistic::of_option(effect, "there is no spread to measure by")
    }

    /// An upper bound ([`Null`]). Equal constants are no evidence.
    fn p_value(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        self.tested(baseline, current).1
    }

    fn tested(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> (Statistic, Option<f64>) {
        let area = match area(baseline, current) {
            Ok(area) => area,
            Err(reason) => return (reason, None),
        };
        let p_value = if area.distance == 0.0 {
            Some(1.0)
        } else {
            null(baseline, current, &area).map(|null| null.p_value(area.distance))
        };
        (Statistic::of(area.distance / area.scale), p_value)
    }

    fn threshold(&self, baseline: &ColumnProfile, current: &ColumnProfile, level: f64) -> Option<f64> {
        let area = area(baseline, current).ok()?;
        let limit = null(baseline, current, &area)?.limit(level) / area.scale;
        limit.is_finite().then_some(limit)
    }

    fn scale(&self) -> Scale {
        Scale::Positive
    }

    fn error_bound(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        let area = area(baseline, current).ok()?;
        Some(area.bound / area.scale).filter(|bound| bound.is_finite())
    }
}
