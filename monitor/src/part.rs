//! The windows of one baseline: which it holds, and which of them judge a window.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::model::{BaselineKind, BaselinePart};
use contract::time::{format_duration, micros};
use contract::{EventTime, Window};
use detectors::judge::baseline::BASELINE_WINDOWS_LIMIT;
use detectors::judge::{Baseline, MINIMUM_BASELINE_WINDOWS};
use detectors::profile::WindowProfile;

/// A learnt baseline is complete with this many accepted windows. A trailing one holds windows out once it has as many,
/// and accepts a shift after as many.
pub const LEARNING_WINDOWS: usize = 14;

/// A version whose newest accepted window is older than this many spans begins anew.
pub(crate) const REACH_SPANS: u32 = 4;

/// What a baseline compares; it holds no more of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Of all versions together.
    Inputs,
    /// Of one version.
    Outputs,
    /// Of one version, or one of its segments.
    Performance,
}

impl Use {
    fn of(self, profile: &WindowProfile) -> WindowProfile {
        let mut held = WindowProfile { rows: profile.rows, ..WindowProfile::default() };
        match self {
            Self::Inputs => held.columns.clone_from(&profile.columns),
            Self::Outputs => {
                held.score = profile.score.clone();
                held.prediction = profile.prediction.clone();
            }
            Self::Performance => held.performance = profile.performance.clone(),
        }
        held
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Never changes.
    Fixed,
    /// The accepted windows of the last so long, and never fewer than [`MINIMUM_BASELINE_WINDOWS`], however old.
    Trailing(Duration),
    /// The first [`LEARNING_WINDOWS`] accepted windows, unless a file seeds it.
    Learnt,
    /// The training data of a registered version, scored by models that hadn't seen them. Never changes.
    Registered,
}

/// The windows of one baseline.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub used: Use,
    pub kind: Kind,
    windows: BTreeMap<Window, WindowProfile>,
}

impl Part {
    pub fn new(part: &BaselinePart, used: Use) -> Self {
        let kind = match part.kind {
            BaselineKind::Fixed(_) => Kind::Fixed,
            BaselineKind::Trailing(span) => Kind::Trailing(span),
            BaselineKind::Training => Kind::Learnt,
        };
        Self { used, kind, windows: BTreeMap::new() }
    }

    /// Out of the training data of a registered version. Too few windows to judge by are a beginning, and more are learnt.
    pub fn registered<'a>(used: Use, windows: impl Iterator<Item = (Window, &'a WindowProfile)>) -> Self {
        let mut part = Self { used, kind: Kind::Registered, windows: BTreeMap::new() };
        windows.for_each(|(window, profile)| part.merge(window, profile));
        if part.windows.len() < MINIMUM_BASELINE_WINDOWS {
            part.kind = Kind::Learnt;
        }
        part
    }

    /// No window of the stream changes it.
    pub fn is_given(&self) -> bool {
        matches!(self.kind, Kind::Fixed | Kind::Registered)
    }

    fn merge(&mut self, window: Window, profile: &WindowProfile) {
        let own = self.used.of(profile);
        match self.windows.get_mut(&window) {
            Some(held) => held.merge(&own),
            None => {
                self.windows.insert(window, own);
            }
        }
    }

    pub fn seed(&mut self, window: Window, profile: &WindowProfile) {
        self.windows.insert(window, self.used.of(profile));
    }

    pub fn accept(&mut self, window: Window, profile: &WindowProfile) {
        match self.kind {
            Kind::Fixed | Kind::Registered => {}
            Kind::Learnt => {
                if self.windows.len() < LEARNING_WINDOWS {
                    self.seed(window, profile);
                }
            }
            Kind::Trailing(span) => {
                self.seed(window, profile);
                let oldest = window.end - span;
                while self.windows.len() > MINIMUM_BASELINE_WINDOWS
                    && self.windows.first_key_value().is_some_and(|(first, _)| first.start < oldest)
                {
                    self.windows.pop_first();
                }
            }
        }
    }

    /// The window's profile was revised: labels came or were corrected after it was accepted.
    pub fn revise(&mut self, window: Window, profile: &WindowProfile) {
        if !self.is_given() && self.windows.contains_key(&window) {
            self.seed(window, profile);
        }
    }

    /// The windows that may judge `window`; thinned evenly when there are more than a baseline holds.
    pub fn before(&self, window: Window) -> Baseline {
        let held = self.selected(window);
        let windows = match held.len() {
            0..=BASELINE_WINDOWS_LIMIT => held.into_iter().cloned().collect(),
            // No fixed step, which could keep to certain hours of the day.
            len => (0..BASELINE_WINDOWS_LIMIT)
                .filter_map(|index| held.get(index * len / BASELINE_WINDOWS_LIMIT).copied().cloned())
                .collect(),
        };
        Baseline::new(self.description(), windows)
    }

    /// How many windows may judge `window`.
    pub fn len_before(&self, window: Window) -> usize {
        self.selected(window).len()
    }

    /// Whether it can tell a shift from what it has merely not seen yet, and so may hold windows out: it moves, and has
    /// as many windows as a learnt baseline, or as its span holds.
    pub fn holds_out(&self, window: Window) -> bool {
        let Kind::Trailing(span) = self.kind else { return false };
        let size = window.end.micros_since(window.start).max(1);
        let in_span = usize::try_from(micros(span) / size).unwrap_or(usize::MAX);
        self.len_before(window) >= in_span.clamp(MINIMUM_BASELINE_WINDOWS, LEARNING_WINDOWS)
    }

    /// Whether it moves, and no window that it holds can judge `window` or a later one.
    pub fn is_gone(&self, window: Window) -> bool {
        let newest = self.windows.last_key_value();
        newest.is_none_or(|(newest, _)| newest.start < self.reach(window)) && matches!(self.kind, Kind::Trailing(_))
    }

    /// Oldest first.
    fn selected(&self, window: Window) -> Vec<&WindowProfile> {
        let Kind::Trailing(span) = self.kind else {
            let is_given = self.is_given();
            return self
                .windows
                .iter()
                .filter(|(held, _)| is_given || held.end <= window.start)
                .map(|(_, p)| p)
                .collect();
        };
        let (from, reach) = (window.start - span, self.reach(window));
        let mut held: Vec<&WindowProfile> = self
            .windows
            .iter()
            .rev()
            .filter(|(held, _)| held.end <= window.start && held.start >= reach)
            .enumerate()
            .take_while(|(newer, (held, _))| *newer < MINIMUM_BASELINE_WINDOWS || held.start >= from)
            .map(|(_, (_, profile))| profile)
            .collect();
        held.reverse();
        held
    }

    /// The start of the oldest window that may judge `window`, where there are few. A model always has inputs; a version
    /// that comes back after long may have little in common with what it was.
    fn reach(&self, window: Window) -> EventTime {
        match self.kind {
            Kind::Trailing(span) if self.used != Use::Inputs => window.start - span * REACH_SPANS,
            _ => EventTime::MIN,
        }
    }

    fn description(&self) -> String {
        match self.kind {
            Kind::Fixed => "the reference data".to_owned(),
            Kind::Registered => "the version's training data".to_owned(),
            Kind::Trailing(span) => format!("the trailing {}", format_duration(span)),
            Kind::Learnt => "the first accepted windows".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn hour(index: u32) -> Window {
        let start = EventTime::from_micros(0) + HOUR * index;
        Window { start, end: start + HOUR }
    }

    /// As many rows as the window's number.
    fn profile(index: u32) -> WindowProfile {
        WindowProfile { rows: index.into(), ..WindowProfile::default() }
    }

    fn trailing(hours: u32, used: Use) -> Part {
        Part::new(&BaselinePart { kind: BaselineKind::Trailing(HOUR * hours), history: None }, used)
    }

    fn rows(part: &Part, index: u32) -> Vec<u64> {
        part.before(hour(index)).windows.iter().map(|window| window.rows).collect()
    }

    #[test]
    fn d2_a_thinned_baseline_has_every_hour_of_the_day() {
        let mut part = trailing(672, Use::Inputs);
        (0..672).for_each(|index| part.accept(hour(index), &profile(index)));
        let held = rows(&part, 672);
        assert_eq!(held.len(), BASELINE_WINDOWS_LIMIT);
        assert!(held.is_sorted());
        assert_eq!(held.iter().map(|index| index % 24).collect::<BTreeSet<_>>().len(), 24);
    }

    #[test]
    fn t5_a_trailing_baseline_keeps_eight_windows_however_old() {
        let mut inputs = trailing(10, Use::Inputs);
        let mut outputs = trailing(10, Use::Outputs);
        for index in (0..20).chain([200]) {
            inputs.accept(hour(index), &profile(index));
            outputs.accept(hour(index), &profile(index));
        }
        assert_eq!(rows(&inputs, 201), [13, 14, 15, 16, 17, 18, 19, 200]);
        assert_eq!(rows(&inputs, 9_999).len(), 8);
        // A version reaches back four spans only.
        assert_eq!(rows(&outputs, 201), [200]);
        assert!(!outputs.is_gone(hour(240)) && outputs.is_gone(hour(241)));
        assert!(!inputs.is_gone(hour(9_999)));
    }

    #[test]
    fn d2_windows_are_held_out_once_the_baseline_is_complete() {
        let mut short = trailing(9, Use::Inputs);
        let mut long = trailing(100, Use::Inputs);
        for index in 0..14 {
            assert_eq!((short.holds_out(hour(index)), long.holds_out(hour(index))), (index >= 9, false), "{index}");
            short.accept(hour(index), &profile(index));
            long.accept(hour(index), &profile(index));
        }
        assert!(short.holds_out(hour(14)) && long.holds_out(hour(14)));
        let learnt = Part::new(&BaselinePart { kind: BaselineKind::Training, history: None }, Use::Inputs);
        assert!(!learnt.holds_out(hour(14)));
    }
}
