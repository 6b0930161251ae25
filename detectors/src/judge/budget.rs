//! From "one false alarm in 30 days" to the level of a single test.

use contract::Contract;
use contract::model::Budget;

/// The share of the budget that whole-model performance has for itself.
pub const PERFORMANCE_SHARE: f64 = 1.0 / 3.0;

/// However few windows a period has, no window's share of the budget exceeds this.
pub const LARGEST_WINDOW_LEVEL: f64 = 0.1;

/// Levels of the tests of one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    /// Family-wise over every test of inputs and outputs in one window.
    pub drift: f64,
    /// Of the one test of whole-model performance.
    pub performance: f64,
}

impl Levels {
    pub fn for_contract(contract: &Contract) -> Self {
        Self::new(contract.budget, contract.windows.size.as_secs_f64())
    }

    fn new(budget: Budget, window_seconds: f64) -> Self {
        let windows = (budget.per.as_secs_f64() / window_seconds.max(1e-9)).max(1.0);
        let window = (budget.false_alarms / windows).clamp(0.0, LARGEST_WINDOW_LEVEL);
        Self { drift: window * (1.0 - PERFORMANCE_SHARE), performance: window * PERFORMANCE_SHARE }
    }

    /// The level of one drift test among `tests` (Bonferroni: valid however the columns depend on each other).
    pub fn of_one(&self, tests: usize) -> f64 {
        self.drift / tests.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn d2_the_budget_is_shared_over_the_windows_of_its_period() {
        let day = Duration::from_hours(24);
        let levels = Levels::new(Budget { false_alarms: 1.0, per: day * 30 }, 86_400.0);
        assert!((levels.performance - 1.0 / 90.0).abs() < 1e-12);
        assert!((levels.drift - 2.0 / 90.0).abs() < 1e-12);
        assert!((levels.of_one(40) - 2.0 / 3_600.0).abs() < 1e-12);
    }

    #[test]
    fn d2_one_long_window_does_not_get_the_whole_budget() {
        let day = Duration::from_hours(24);
        let levels = Levels::new(Budget { false_alarms: 1.0, per: day }, 7.0 * 86_400.0);
        assert!(levels.drift + levels.performance <= LARGEST_WINDOW_LEVEL + 1e-12);
    }
}
