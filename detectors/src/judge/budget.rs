//! From "one false alarm in 30 days" to the level of a single test.

use contract::Contract;
use contract::model::Budget;

use super::columns;

/// The share of the budget that performance has for itself.
pub const PERFORMANCE_SHARE: f64 = 1.0 / 3.0;

/// However few windows a period has, no window's share of the budget exceeds this.
pub const LARGEST_WINDOW_LEVEL: f64 = 0.1;

/// Levels of the tests of one window, shared evenly (Bonferroni: valid however the tests depend on each other).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    /// Family-wise over every test of inputs, outputs and volume in one window.
    pub drift: f64,
    /// Family-wise over the performance of all versions in one window.
    pub performance: f64,
    tests: usize,
    versions: usize,
}

impl Levels {
    /// Of a window in which the outputs, or the performance, of so many versions are judged.
    pub fn for_window(contract: &Contract, versions: usize) -> Self {
        let tests = columns::tests(contract, versions);
        Self::new(contract.budget, contract.windows.size.as_secs_f64(), tests, versions)
    }

    fn new(budget: Budget, window_seconds: f64, tests: usize, versions: usize) -> Self {
        let windows = (budget.per.as_secs_f64() / window_seconds.max(1e-9)).max(1.0);
        let window = (budget.false_alarms / windows).clamp(0.0, LARGEST_WINDOW_LEVEL);
        Self { drift: window * (1.0 - PERFORMANCE_SHARE), performance: window * PERFORMANCE_SHARE, tests, versions }
    }

    /// The level of one test of an input, an output or the volume.
    pub fn of_one(&self) -> f64 {
        self.drift / self.tests.max(1) as f64
    }

    /// The level of the test of one version's performance.
    pub fn of_one_version(&self) -> f64 {
        self.performance / self.versions.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn d2_the_budget_is_shared_over_the_windows_of_its_period() {
        let day = Duration::from_hours(24);
        let levels = Levels::new(Budget { false_alarms: 1.0, per: day * 30 }, 86_400.0, 40, 2);
        assert!((levels.performance - 1.0 / 90.0).abs() < 1e-12);
        assert!((levels.drift - 2.0 / 90.0).abs() < 1e-12);
        assert!((levels.of_one() - 2.0 / 3_600.0).abs() < 1e-12);
        assert!((levels.of_one_version() - 1.0 / 180.0).abs() < 1e-12);
    }

    #[test]
    fn d2_one_long_window_does_not_get_the_whole_budget() {
        let day = Duration::from_hours(24);
        let levels = Levels::new(Budget { false_alarms: 1.0, per: day }, 7.0 * 86_400.0, 1, 1);
        assert!(levels.drift + levels.performance <= LARGEST_WINDOW_LEVEL + 1e-12);
    }
}
