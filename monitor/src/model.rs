//! One model, from one due step to the next. Each step is one transaction; a crash repeats a step, never its effect.

use std::sync::Arc;

use contract::{Contract, EventTime, Finding, Severity, Subject, Window};
use detectors::judge::Previous;
use detectors::profile::WindowProfile;
use rules::{AlertPhase, AlertState, Evaluation, RuleSet};
use serde::{Deserialize, Serialize};
use store::{FindingFilter, MAX_ROWS, Store, WindowFilter, WindowRow};

use crate::baselines::{Baselines, LEARNING_WINDOWS};
use crate::clock::{self, Stage, Step};
use crate::commit::{self, Committed};
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::judgement;
use crate::merge::{MergedWindow, merge};

/// What a model is monitored by.
pub struct ModelSetup {
    pub contract: Arc<Contract>,
    pub rules: Arc<RuleSet>,
    pub delivery: Arc<commit::DeliveryPlan>,
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
    /// Event time of the newest retraining that was requested.
    pub last_requested: Option<EventTime>,
    /// What lay beyond its limit in the newest window whose performance was judged, as it was judged then: a later
    /// revision of that window must not change the runs of those after it.
    pub matured_beyond: Vec<Finding>,
}

/// The monitor of one model.
pub struct ModelMonitor {
    pub(crate) setup: ModelSetup,
    pub(crate) store: Store,
    baselines: Baselines,
    cursor: Cursor,
    alerts: AlertState,
    previous_closed: Previous,
    previous_matured: Previous,
    /// Whether the work that a former process recorded, but didn't finish, has been done.
    is_caught_up: bool,
}

impl ModelMonitor {
    /// Takes up where the store says that the judge was.
    pub async fn open(setup: ModelSetup, store: Store) -> Result<Self> {
        let contract = Arc::clone(&setup.contract);
        let model = contract.model.as_str();
        let cursor: Cursor = read_state(&contract, store.judge_cursor(model).await?.as_deref())?;
        let alerts: AlertState = read_state(&contract, store.rule_state(model).await?.as_deref())?;
        let baselines = Baselines::load(&contract).await?;
        let mut monitor = Self {
            setup,
            store,
            baselines,
            cursor,
            alerts,
            previous_closed: Previous::default(),
            previous_matured: Previous::default(),
            is_caught_up: false,
        };
        monitor.remember_accepted().await?;
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
        while let Some(step) = self.next_step().await? {
            journal.append(self.take(step).await?);
        }
        journal.append(self.revise().await?);
        Ok(journal)
    }

    async fn next_step(&self) -> Result<Option<Step>> {
        let contract = &self.setup.contract;
        let shards = self.store.shards(&contract.model).await?;
        let Some(now) = clock::now(&shards, contract.sources.labels.is_some()) else { return Ok(None) };
        let step = |stage, window| Step { due: clock::due(&contract.windows, stage, window), stage, window };
        let dirty = self.store.dirty_windows(&contract.model).await?;
        let closing = dirty.into_iter().find(|window| !self.was_judged(*window)).map(|w| step(Stage::Closed, w));
        let maturing = self.cursor.waiting.first().map(|window| step(Stage::Matured, *window));
        Ok([closing, maturing].into_iter().flatten().min().filter(|step| step.due <= now))
    }

    fn was_judged(&self, window: Window) -> bool {
        self.cursor.closed.is_some_and(|closed| window.start <= closed)
    }

    async fn merged(&self, window: Window) -> Result<MergedWindow> {
        let contract = &self.setup.contract;
        merge(contract, window, &self.store.parts(&contract.model, window).await?)
    }

    async fn take(&mut self, step: Step) -> Result<Journal> {
        let merged = self.merged(step.window).await?;
        let contract = Arc::clone(&self.setup.contract);
        let is_quarantined = match step.stage {
            Stage::Closed => false,
            Stage::Matured => self.is_quarantined(step.window).await?,
        };
        let findings = match step.stage {
            Stage::Closed => judgement::judge_closed(&contract, &self.baselines, &self.previous_closed, &merged),
            Stage::Matured => {
                let previous = &self.previous_matured;
                judgement::judge_matured(&contract, &self.baselines, previous, &merged, is_quarantined)
            }
        };
        let mut cursor = self.cursor.clone();
        let is_quarantined = match step.stage {
            Stage::Closed => {
                cursor.closed = Some(step.window.start);
                cursor.faults = judgement::faults(&contract, &findings);
                if contract.sources.labels.is_some() {
                    cursor.waiting.push(step.window);
                }
                !cursor.faults.is_empty()
            }
            Stage::Matured => {
                cursor.waiting.retain(|window| *window != step.window);
                cursor.matured_beyond = findings.iter().filter(|f| f.severity > Severity::None).cloned().collect();
                is_quarantined
            }
        };
        let transition = rules::evaluate(
            &self.setup.rules,
            &self.evaluation(step, &merged, &findings, is_quarantined),
            &self.alerts,
        );
        let outcome =
            commit::Outcome { step, merged: &merged, findings: &findings, is_quarantined, transition, cursor };
        let Committed { journal, cursor, alerts } = commit::commit(self, outcome).await?;
        self.cursor = cursor;
        self.alerts = alerts;
        self.accept(step, &merged, &findings, is_quarantined);
        Ok(journal)
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

    /// A committed step's window enters the baselines, unless it is quarantined.
    fn accept(&mut self, step: Step, merged: &MergedWindow, findings: &[Finding], is_quarantined: bool) {
        let previous = Previous::from_findings(findings);
        match step.stage {
            Stage::Closed => {
                self.previous_closed = previous;
                if !is_quarantined {
                    self.baselines.accept_closed(step.window, &merged.inputs, merged.versions());
                }
            }
            Stage::Matured => {
                self.previous_matured = previous;
                if !is_quarantined {
                    self.baselines.accept_matured(step.window, merged.cells.iter());
                }
            }
        }
    }

    /// Windows that changed after their judgement are merged and shown again; alerts stay as they are.
    async fn revise(&mut self) -> Result<Journal> {
        let mut journal = Journal::default();
        let contract = Arc::clone(&self.setup.contract);
        for window in self.store.dirty_windows(&contract.model).await? {
            if !self.was_judged(window) {
                continue;
            }
            let merged = self.merged(window).await?;
            let is_matured = !self.cursor.waiting.contains(&window);
            let is_quarantined = self.is_quarantined(window).await?;
            let findings = if is_matured {
                let previous = Previous::default();
                let mut findings =
                    judgement::judge_matured(&contract, &self.baselines, &previous, &merged, is_quarantined);
                self.keep_runs(window, &mut findings).await?;
                findings
            } else {
                Vec::new()
            };
            journal.append(commit::revise(self, &merged, &findings, is_matured, is_quarantined).await?);
            self.baselines.revise(window, &merged.inputs, merged.cells.iter());
        }
        if let Some(closed) = self.cursor.closed {
            let settled = clock::settled_after(&contract.windows, contract.label_horizon());
            commit::forget_parts(self, closed - settled).await?;
        }
        Ok(journal)
    }

    /// A revised finding keeps the run that its first judgement belonged to.
    async fn keep_runs(&self, window: Window, findings: &mut [Finding]) -> Result<()> {
        let before = self.findings_of(window, Some(Subject::Performance)).await?;
        for finding in findings.iter_mut() {
            let same = |other: &&Finding| other.detector == finding.detector && other.version == finding.version;
            if let Some(other) = before.iter().find(same) {
                finding.since = other.since;
                finding.consecutive = other.consecutive;
            }
        }
        Ok(())
    }

    /// What lay beyond its limit in a window.
    async fn findings_of(&self, window: Window, subject: Option<Subject>) -> Result<Vec<Finding>> {
        let filter = FindingFilter {
            model: Some(self.setup.contract.model.clone()),
            min_severity: Severity::Info,
            from: Some(window.start),
            to: Some(window.end),
            subject,
            ..FindingFilter::default()
        };
        Ok(self.store.findings(&filter).await?)
    }

    async fn is_quarantined(&self, window: Window) -> Result<bool> {
        let filter = WindowFilter {
            version: Some(String::new()),
            segment: Some(String::new()),
            from: Some(window.start),
            to: Some(window.end),
            ..WindowFilter::default()
        };
        let rows = self.store.window_summaries(&self.setup.contract.model, &filter).await?;
        Ok(rows.iter().any(|row| row.quarantined))
    }

    /// After a restart: the accepted windows that the store holds enter the baselines again, oldest first.
    async fn remember_accepted(&mut self) -> Result<()> {
        let Some(closed) = self.cursor.closed else { return Ok(()) };
        let model = self.setup.contract.model.clone();
        let (span, is_learnt) = self.baselines.needs();
        let mut rows = Vec::new();
        if is_learnt {
            rows = self.store.first_windows(&model, LEARNING_WINDOWS as u32).await?;
        }
        if let Some(span) = span {
            rows.extend(self.accepted_since(closed - span).await?);
        }
        let key = |row: &WindowRow| (row.window, row.version.clone(), row.segment.clone());
        rows.sort_by_key(key);
        rows.dedup_by_key(|row| key(row));
        for row in &rows {
            self.remember(row)?;
        }
        Ok(())
    }

    /// Accepted windows from a time on, page by page: an answer of the store is bounded, a span of short windows isn't.
    async fn accepted_since(&self, from: EventTime) -> Result<Vec<WindowRow>> {
        let mut rows: Vec<WindowRow> = Vec::new();
        let mut filter = WindowFilter { quarantined: Some(false), from: Some(from), ..WindowFilter::default() };
        loop {
            let page = self.store.windows(&self.setup.contract.model, &filter).await?;
            let is_last = page.len() < MAX_ROWS as usize;
            let last = page.last().map(|row| row.window.start);
            rows.extend(page);
            // The next page begins with the last window again, since it may have been cut; unless it fills a page alone.
            match last.filter(|last| !is_last && Some(*last) > filter.from) {
                Some(last) => {
                    rows.retain(|row| row.window.start < last);
                    filter.from = Some(last);
                }
                None => return Ok(rows),
            }
        }
    }

    fn remember(&mut self, row: &WindowRow) -> Result<()> {
        let profile = WindowProfile::from_bytes(&row.profile).map_err(|error| Error::Stored {
            model: row.model.clone(),
            detail: format!("window {} of version `{}`: {error}", row.window.start, row.version),
        })?;
        if row.version.is_empty() {
            self.baselines.accept_closed(row.window, &profile, std::iter::empty());
            return Ok(());
        }
        if row.segment.is_empty() {
            self.baselines.accept_output(&row.version, row.window, &profile);
        }
        if row.matured {
            let key = (row.version.clone(), row.segment.clone());
            self.baselines.accept_matured(row.window, std::iter::once((&key, &profile)));
        }
        Ok(())
    }

    async fn remember_runs(&mut self) -> Result<()> {
        let Some(closed) = self.cursor.closed else { return Ok(()) };
        let window = Window { start: closed, end: closed + self.setup.contract.windows.size };
        let findings = self.findings_of(window, None).await?;
        self.previous_closed = Previous::from_findings(findings.iter().filter(|f| f.subject != Subject::Performance));
        self.previous_matured = Previous::from_findings(&self.cursor.matured_beyond);
        Ok(())
    }
}

/// Reads what an earlier run left; nothing left is the beginning.
fn read_state<T: Default + for<'de> Deserialize<'de>>(contract: &Contract, text: Option<&str>) -> Result<T> {
    let Some(text) = text else { return Ok(T::default()) };
    serde_json::from_str(text)
        .map_err(|error| Error::Stored { model: contract.model.clone(), detail: format!("the judge's state: {error}") })
}
