//! What a model's monitor remembers after a restart: its baselines and the runs of its findings, as they were.

use contract::{Finding, Severity, Subject, Window};
use detectors::judge::{MINIMUM_BASELINE_WINDOWS, Previous};
use detectors::profile::WindowProfile;
use store::{AcceptedFilter, Choice, Compared, FindingFilter, MAX_ROWS, WindowRow};

use crate::baselines::LEARNING_WINDOWS;
use crate::clock::Stage;
use crate::error::{Error, Result};
use crate::holding::compared;
use crate::model::ModelMonitor;
use crate::part::REACH_SPANS;

impl ModelMonitor {
    /// The accepted windows that the store holds enter the baselines again, oldest first.
    pub(crate) async fn remember_baselines(&mut self) -> Result<()> {
        let Some(closed) = self.cursor.closed else { return Ok(()) };
        // The next window to mature may be long closed.
        let oldest = self.cursor.waiting.first().map_or(closed, |window| window.start);
        for stage in [Stage::Closed, Stage::Matured] {
            let (span, is_learnt) = self.baselines.needs(stage);
            let mut rows = Vec::new();
            if is_learnt {
                rows.extend(self.accepted(compared(stage), Choice::First(LEARNING_WINDOWS as u32)).await?);
            }
            if let Some(span) = span {
                let newest = Choice::Newest(MINIMUM_BASELINE_WINDOWS as u32, oldest - span * REACH_SPANS);
                rows.extend(self.accepted(compared(stage), newest).await?);
                rows.extend(self.accepted(compared(stage), Choice::Since(oldest - span)).await?);
            }
            let key = |row: &WindowRow| (row.window, row.version.clone(), row.segment.clone());
            rows.sort_by_key(key);
            rows.dedup_by_key(|row| key(row));
            for row in &rows {
                self.remember(stage, row)?;
            }
        }
        Ok(())
    }

    /// Page by page: an answer of the store is bounded, a span of short windows isn't.
    async fn accepted(&self, compared: Compared, choice: Choice) -> Result<Vec<WindowRow>> {
        let size = self.contract().windows.size;
        let mut filter = AcceptedFilter { compared, choice, layout: self.cursor.layout, size, after: None };
        let mut rows: Vec<WindowRow> = Vec::new();
        loop {
            let page = self.store.accepted_windows(&self.contract().model, &filter).await?;
            let is_last = page.len() < MAX_ROWS as usize;
            filter.after = page.last().map(|row| (row.window.start, row.version.clone(), row.segment.clone()));
            rows.extend(page);
            if is_last {
                return Ok(rows);
            }
        }
    }

    /// A stored window enters the baselines that a stage feeds.
    fn remember(&mut self, stage: Stage, row: &WindowRow) -> Result<()> {
        let profile = WindowProfile::from_bytes(&row.profile).map_err(|error| Error::Stored {
            model: row.model.clone(),
            detail: format!("window {} of version `{}`: {error}", row.window.start, row.version),
        })?;
        match stage {
            Stage::Closed if row.version.is_empty() => self.baselines.accept_inputs(row.window, &profile),
            Stage::Closed => self.baselines.accept_outputs(&row.version, row.window, &profile),
            Stage::Matured => {
                self.baselines.accept_performance(&row.version, &row.segment, row.window, &profile);
            }
        }
        Ok(())
    }

    pub(crate) async fn remember_runs(&mut self) -> Result<()> {
        let Some(closed) = self.cursor.closed else { return Ok(()) };
        let window = Window { start: closed, end: closed + self.contract().windows.size };
        let findings = self.findings_of(window, None).await?;
        self.previous_closed = Previous::from_findings(findings.iter().filter(|f| f.subject != Subject::Performance));
        self.previous_matured = Previous::from_findings(&self.cursor.matured_beyond);
        Ok(())
    }

    /// What lay beyond its limit in a window.
    pub(crate) async fn findings_of(&self, window: Window, subject: Option<Subject>) -> Result<Vec<Finding>> {
        let filter = FindingFilter {
            model: Some(self.contract().model.clone()),
            min_severity: Severity::Info,
            from: Some(window.start),
            to: Some(window.end),
            subject,
            ..FindingFilter::default()
        };
        Ok(self.store.findings(&filter).await?)
    }
}
