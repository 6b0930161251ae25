//! What a window is compared with: the accepted windows of the baseline, and each of them against the others.

use std::borrow::Cow;

use crate::kernel::tails::chi_squared_upper;
use crate::profile::{ColumnProfile, WindowProfile};
use crate::univariate::Detector;

use super::MINIMUM_ROWS;
use super::limits::{Scale, Wobble};

/// Windows are taken as samples of one distribution while the evidence against that has at least this p-value.
const STEADY_LEVEL: f64 = 0.2;

/// At most so many windows are kept in a baseline; a longer one is thinned evenly by whoever loads it.
pub const BASELINE_WINDOWS_LIMIT: usize = 512;

/// The accepted windows of a baseline, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// For explanations: "the trailing 28 days".
    pub description: String,
    pub windows: Vec<WindowProfile>,
}

impl Baseline {
    pub fn new(description: impl Into<String>, windows: Vec<WindowProfile>) -> Self {
        Self { description: description.into(), windows }
    }

    pub fn len(&self) -> usize {
        self.windows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Of the input column at that index of the contract's schema.
    pub(super) fn column(&self, index: usize) -> ColumnBaseline<'_> {
        ColumnBaseline::new(self.windows.iter().filter_map(|window| window.columns.get(index).map(Cow::Borrowed)))
    }

    pub(super) fn score(&self) -> ColumnBaseline<'_> {
        ColumnBaseline::new(self.windows.iter().map(|window| Cow::Owned(ColumnProfile::Numeric(window.score.clone()))))
    }

    pub(super) fn prediction(&self) -> ColumnBaseline<'_> {
        let column = |window: &WindowProfile| ColumnProfile::Categorical(window.prediction.clone());
        ColumnBaseline::new(self.windows.iter().map(|window| Cow::Owned(column(window))))
    }
}

/// One column of a baseline.
pub(super) struct ColumnBaseline<'a> {
    /// All windows as one.
    pub pooled: Option<ColumnProfile>,
    pub windows: Vec<Cow<'a, ColumnProfile>>,
    /// For each window, all the others as one.
    others: Vec<ColumnProfile>,
}

impl<'a> ColumnBaseline<'a> {
    /// Windows with too few rows say nothing about how windows usually differ, and are left out.
    fn new(windows: impl Iterator<Item = Cow<'a, ColumnProfile>>) -> Self {
        let windows: Vec<_> = windows.filter(|window| window.rows() >= MINIMUM_ROWS).collect();
        let mut pooled: Option<ColumnProfile> = None;
        for window in &windows {
            match &mut pooled {
                Some(sum) => sum.merge(window),
                None => pooled = Some(window.as_ref().clone()),
            }
        }
        let others = windows.iter().filter_map(|window| Some(pooled.as_ref()?.without(window))).collect();
        Self { pooled, windows, others }
    }

    /// How a detector's statistic usually differs from window to window. Err with the number of windows in which it is
    /// defined, where they are too few.
    pub fn wobble(&self, detector: &dyn Detector) -> Result<Wobble, usize> {
        let pairs = self.others.iter().zip(self.windows.iter().map(Cow::as_ref));
        if detector.scale() != Scale::Positive {
            let values = pairs.filter_map(|(others, window)| detector.statistic(others, window).value());
            return Wobble::to_judge(detector.scale(), false, values);
        }
        let tested: Vec<_> = pairs.map(|(others, window)| detector.tested(others, window)).collect();
        let is_steady = is_steady(tested.iter().filter_map(|(_, p_value)| *p_value));
        Wobble::to_judge(Scale::Positive, is_steady, tested.iter().filter_map(|(statistic, _)| statistic.value()))
    }
}

/// Whether windows differ no more than samples of one distribution do: Fisher's combination of their p-values.
fn is_steady(p_values: impl Iterator<Item = f64>) -> bool {
    let (sum, windows) = p_values.fold((0.0, 0_u32), |(sum, windows), p| (sum - 2.0 * p.max(1e-300).ln(), windows + 1));
    chi_squared_upper(sum, 2.0 * f64::from(windows)) > STEADY_LEVEL
}
