//! One model, from one due step to the next. Each step is one transaction; a crash repeats a step, never its effect.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::{Contract, EventTime, Finding, Severity, Window};
use detectors::judge::{MINIMUM_ROWS, Previous};
use rules::{AlertPhase, AlertState, Evaluation, RuleSet};
use serde::{Deserialize, Serialize};
use store::{Store, WindowFilter, WindowSummary};

use crate::baselines::Baselines;
use crate::clock::{self, Stage, Step};
use crate::commit::{self, Committed};
use crate::error::{Error, Result};
use crate::holding::{self, Side};
use crate::journal::Journal;
use crate::judgement;
use crate::layout::layout;
use crate::merge::{MergedWindow, merge};
use crate::registered::Known;

/// What a model is monitored by.
pub struct ModelSetup {
    pub contract: Arc<Contract>,
    pub rules: Arc<RuleSet>,
    pub delivery: Arc<commit::DeliveryPlan>,
    /// Retrainings that are let through are carried out here, and not by someone else.
    pub carries_out: bool,
}

/// How far the judge is; kept in the store with every step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// Start of the newest window that was judged at its close.
    pub closed: Option<EventTime>,
    /// Windows judged at their close whose performance isn't judged yet. Bounded by maturity / window size.
    pub waiting: Vec<Window>,
    /// Faults of the newest judged window, in words; empty when none stands.
    pub faults: Vec<String>,
    /// What lay beyond its limit in the newest window whose performance was judged, as it was judged then: a later
    /// revision of that window must not change the runs of those after it.
    pub matured_beyond: Vec<Finding>,
    /// The columns of the contract, hashed.
    pub layout: i64,
    /// Windows that start at this time or earlier may have been taken in under a contract with other columns.
    pub other_columns_until: Option<EventTime>,
    /// Parts of windows that ended before this time have been forgotten.
    pub settled: Option<EventTime>,
}

/// The monitor of one model.
pub struct ModelMonitor {
    pub(crate) setup: ModelSetup,
    pub(crate) store: Store,
    pub(crate) baselines: Baselines,
    pub(crate) registered: Known,
    pub(crate) cursor: Cursor,
    alerts: AlertState,
    pub(crate) previous_closed: Previous,
    pub(crate) previous_matured: Previous,
    /// Whether the work that a former process recorded, but didn't finish, has been done.
    is_caught_up: bool,
}

impl ModelMonitor {
    /// Takes up where the store says that the judge was.
    pub async fn open(setup: ModelSetup, store: Store) -> Result<Self> {
        let contract = Arc::clone(&setup.contract);
        let model = contract.model.as_str();
        let cursor = read_cursor(&contract, &store).await?;
        let alerts: AlertState = read_state(&contract, store.rule_state(model).await?.as_deref())?;
        let baselines = Baselines::load(&contract).await?;
        let mut monitor = Self {
            setup,
            store,
            baselines,
            registered: Known::default(),
            cursor,
            alerts,
            previous_closed: Previous::default(),
            previous_matured: Previous::default(),
            is_caught_up: false,
        };
        monitor.look_into_registry().await?;
        monitor.remember_baselines().await?;
        monitor.remember_runs().await?;
        Ok(monitor)
    }

    pub fn contract(&self) -> &Contract {
        &self.setup.contract
    }

    /// Before anything new is recorded: finishes what a former process recorded, so that a crash between the two doesn't
    /// change in which order windows are judged and revised (promise R1).
    pub async fn catch_up(&mut self) -> Result<Journal> {
        if self.is_caught_up {
            return Ok(Journal::default());
        }
        let journal = self.advance().await?;
        self.is_caught_up = true;
        Ok(journal)
    }

    /// Alerts by rule: how many are pending, and how many fire.
    pub fn alert_counts(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        let count = |rule: &str, phase| self.alerts.count(rule, phase);
        self.setup.rules.rules().iter().map(move |rule| {
            let name = rule.alert.as_str();
            (name, count(name, AlertPhase::Pending), count(name, AlertPhase::Firing))
        })
    }

    /// Takes every step that is due, and shows what was revised since. Says what it did, in order.
    pub async fn advance(&mut self) -> Result<Journal> {
        let mut journal = Journal::default();
        self.look_into_registry().await?;
        while let Some((step, is_silent)) = self.next_step().await? {
            journal.append(self.take(step, is_silent).await?);
        }
        journal.append(self.revise().await?);
        Ok(journal)
    }

    /// With it, whether a shard is passed over that may have more of the window.
    async fn next_step(&self) -> Result<Option<(Step, bool)>> {
        let contract = &self.setup.contract;
        let shards = self.store.shards(&contract.model).await?;
        let Some(now) = clock::now(&shards, contract.sources.labels.is_some()) else { return Ok(None) };
        let step = |stage, window| Step { due: clock::due(&contract.windows, stage, window), stage, window };
        let dirty = self.store.dirty_windows(&contract.model).await?;
        let closing = dirty.into_iter().find(|window| !self.was_judged(*window)).map(|w| step(Stage::Closed, w));
        let maturing = self.cursor.waiting.first().map(|window| step(Stage::Matured, *window));
        let next = [closing, maturing].into_iter().flatten().min().filter(|step| step.due <= now);
        Ok(next.map(|step| (step, step.stage == Stage::Closed && clock::is_silent(&shards, step.due))))
    }

    pub(crate) fn was_judged(&self, window: Window) -> bool {
        self.cursor.closed.is_some_and(|closed| window.start <= closed)
    }

    /// The window as its parts are now. That it was closed by silence, as `stored` says, remains so.
    pub(crate) async fn merged(&self, window: Window, stored: Option<&WindowSummary>) -> Result<MergedWindow> {
        let contract = &self.setup.contract;
        let parts = self.store.parts(&contract.model, window).await?;
        let mut merged = merge(contract, window, &parts, self.cursor.other_columns_until)?;
        merged.closed_by_idleness |= stored.is_some_and(|row| row.figures.closed_by_idleness);
        Ok(merged)
    }

    async fn take(&mut self, step: Step, is_silent: bool) -> Result<Journal> {
        let stored = match step.stage {
            Stage::Closed => None,
            Stage::Matured => self.stored(step.window).await?,
        };
        let mut merged = self.merged(step.window, stored.as_ref()).await?;
        merged.closed_by_idleness |= is_silent;
        let was_quarantined = stored.is_some_and(|row| row.quarantined);
        let findings = self.judge(step.stage, &merged, was_quarantined);
        let (cursor, is_quarantined) = self.follow(step, &merged, &findings, was_quarantined);
        let held_out = holding::held_out(&self.baselines, step.window, &findings);
        let transition = rules::evaluate(
            &self.setup.rules,
            &self.evaluation(step, &merged, &findings, is_quarantined),
            &self.alerts,
        );
        let outcome = commit::Outcome {
            step,
            merged: &merged,
            findings: &findings,
            is_quarantined,
            held_out: &held_out,
            transition,
            cursor,
        };
        let Committed { journal, cursor, alerts } = commit::commit(self, outcome).await?;
        self.cursor = cursor;
        self.alerts = alerts;
        self.accept(step, &merged, &findings, is_quarantined, &held_out);
        Ok(journal)
    }

    fn judge(&self, stage: Stage, merged: &MergedWindow, is_quarantined: bool) -> Vec<Finding> {
        let (contract, baselines) = (&self.setup.contract, &self.baselines);
        match stage {
            Stage::Closed => judgement::judge_closed(contract, baselines, &self.previous_closed, merged),
            Stage::Matured => {
                judgement::judge_matured(contract, baselines, &self.previous_matured, merged, is_quarantined)
            }
        }
    }

    /// Where the judge is after a step, and whether the window is quarantined.
    fn follow(&self, step: Step, merged: &MergedWindow, findings: &[Finding], was_quarantined: bool) -> (Cursor, bool) {
        let contract = &self.setup.contract;
        let mut cursor = self.cursor.clone();
        match step.stage {
            Stage::Closed => {
                cursor.closed = Some(step.window.start);
                if contract.sources.labels.is_some() {
                    cursor.waiting.push(step.window);
                }
                let faults = judgement::faults(contract, findings);
                let is_quarantined = !faults.is_empty();
                // A window that can't be judged says nothing about the faults of the one before.
                if is_quarantined || self.judges_inputs(merged) {
                    cursor.faults = faults;
                }
                (cursor, is_quarantined)
            }
            Stage::Matured => {
                cursor.waiting.retain(|window| *window != step.window);
                cursor.matured_beyond = findings.iter().filter(|f| f.severity > Severity::None).cloned().collect();
                (cursor, was_quarantined)
            }
        }
    }

    /// Whether faults can be found in a window.
    fn judges_inputs(&self, merged: &MergedWindow) -> bool {
        merged.is_of_contract && merged.inputs.rows >= MINIMUM_ROWS && self.baselines.judges_inputs(merged.window)
    }

    fn evaluation<'a>(
        &'a self,
        step: Step,
        merged: &MergedWindow,
        findings: &'a [Finding],
        quarantined: bool,
    ) -> Evaluation<'a> {
        let labelled: u64 = merged.versions().map(|(_, profile)| profile.performance.labelled()).sum();
        let predictions: u64 = merged.versions().map(|(_, profile)| profile.performance.predictions()).sum();
        Evaluation {
            model: &self.setup.contract.model,
            window: step.window,
            at: step.due,
            stage: match step.stage {
                Stage::Closed => rules::Stage::Closed,
                Stage::Matured => rules::Stage::Matured,
            },
            findings,
            rows: merged.inputs.rows,
            coverage: (predictions > 0).then(|| labelled as f64 / predictions as f64),
            quarantined,
        }
    }

    /// A committed step's window enters the baselines, unless it is quarantined or held out.
    fn accept(
        &mut self,
        step: Step,
        merged: &MergedWindow,
        findings: &[Finding],
        is_quarantined: bool,
        held_out: &BTreeSet<Side>,
    ) {
        let previous = Previous::from_findings(findings);
        let window = step.window;
        match step.stage {
            Stage::Closed => self.previous_closed = previous,
            Stage::Matured => self.previous_matured = previous,
        }
        if !is_quarantined {
            match step.stage {
                Stage::Closed => {
                    if merged.is_of_contract && !held_out.contains(&Side::Inputs) {
                        self.baselines.accept_inputs(window, &merged.inputs);
                    }
                    for (version, profile) in merged.versions() {
                        if !held_out.contains(&Side::Outputs(version.to_owned())) {
                            self.baselines.accept_outputs(version, window, profile);
                        }
                    }
                }
                Stage::Matured => {
                    for ((version, segment), profile) in &merged.cells {
                        if !held_out.contains(&Side::Performance(version.clone())) {
                            self.baselines.accept_performance(version, segment, window, profile);
                        }
                    }
                }
            }
        }
        self.baselines.forget_gone(step.stage, window);
    }

    /// The row of a window's inputs.
    pub(crate) async fn stored(&self, window: Window) -> Result<Option<WindowSummary>> {
        let filter = WindowFilter {
            version: Some(String::new()),
            segment: Some(String::new()),
            from: Some(window.start),
            to: Some(window.end),
            ..WindowFilter::default()
        };
        let mut rows = self.store.window_summaries(&self.setup.contract.model, &filter).await?;
        Ok(rows.pop())
    }
}

/// Where the judge was. Under a contract with other columns than before, what was taken in so far has those.
async fn read_cursor(contract: &Contract, store: &Store) -> Result<Cursor> {
    let text = store.judge_cursor(&contract.model).await?;
    let mut cursor: Cursor = read_state(contract, text.as_deref())?;
    let layout = layout(contract);
    if text.is_some() && cursor.layout != layout {
        let shards = store.shards(&contract.model).await?;
        cursor.other_columns_until = shards.iter().filter_map(|shard| shard.prediction_watermark).max();
    }
    cursor.layout = layout;
    Ok(cursor)
}

/// Reads what an earlier run left; nothing left is the beginning.
fn read_state<T: Default + for<'de> Deserialize<'de>>(contract: &Contract, text: Option<&str>) -> Result<T> {
    let Some(text) = text else { return Ok(T::default()) };
    serde_json::from_str(text)
        .map_err(|error| Error::Stored { model: contract.model.clone(), detail: format!("the judge's state: {error}") })
}
