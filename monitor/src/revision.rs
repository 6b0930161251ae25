//! Windows that changed after their judgement are merged and shown again; alerts stay as they are.

use std::sync::Arc;

use contract::{EventTime, Finding, Subject, Window};
use detectors::judge::Previous;

use crate::clock::{self, Stage};
use crate::commit;
use crate::error::Result;
use crate::journal::Journal;
use crate::judgement;
use crate::model::{Cursor, ModelMonitor};

impl ModelMonitor {
    pub(crate) async fn revise(&mut self) -> Result<Journal> {
        let mut journal = Journal::default();
        let model = self.contract().model.clone();
        let now = clock::now(&self.store.shards(&model).await?, self.contract().sources.labels.is_some());
        let dirty = self.store.dirty_windows(&model).await?;
        let (settled, changed): (Vec<Window>, Vec<Window>) = dirty
            .into_iter()
            .filter(|window| self.was_judged(*window))
            .partition(|window| self.cursor.settled.is_some_and(|settled| window.end < settled));
        for window in changed {
            journal.append(self.revise_one(window, now).await?);
        }
        if let (Some(before), false) = (self.cursor.settled, settled.is_empty()) {
            tracing::warn!(
                model,
                windows = settled.len(),
                "windows changed after they were settled; they stay as they are"
            );
            commit::drop_parts(self, &settled, before).await?;
        }
        self.settle().await?;
        Ok(journal)
    }

    async fn revise_one(&mut self, window: Window, now: Option<EventTime>) -> Result<Journal> {
        let contract = Arc::clone(&self.setup.contract);
        let stored = self.stored(window).await?;
        let merged = self.merged(window, stored.as_ref()).await?;
        let is_quarantined = stored.as_ref().is_some_and(|row| row.quarantined);
        // A window that came first after later ones had been judged never waits; it matures in its time all the same.
        let is_due = now.is_some_and(|now| clock::due(&contract.windows, Stage::Matured, window) <= now);
        let has_matured = is_due || stored.as_ref().is_some_and(|row| row.matured);
        let is_matured = contract.sources.labels.is_some() && has_matured && !self.cursor.waiting.contains(&window);
        let mut findings = Vec::new();
        if is_matured {
            let previous = Previous::default();
            findings = judgement::judge_matured(&contract, &self.baselines, &previous, &merged, is_quarantined);
            self.keep_runs(window, &mut findings).await?;
        }
        let journal = commit::revise(self, &merged, &findings, is_matured, stored.as_ref()).await?;
        self.baselines.revise(window, &merged.inputs, merged.cells.iter());
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

    /// Parts of windows that can't change any more are forgotten.
    async fn settle(&mut self) -> Result<()> {
        let Some(closed) = self.cursor.closed else { return Ok(()) };
        let settled = closed - clock::settled_after(&self.contract().windows, self.contract().label_horizon());
        if self.cursor.settled.is_none_or(|before| before < settled) {
            let cursor = Cursor { settled: Some(settled), ..self.cursor.clone() };
            commit::forget_parts(self, settled, &cursor).await?;
            self.cursor = cursor;
        }
        Ok(())
    }
}
