//! `bellwether replay`: the stream without Kafka. The same shard, monitor and store (in memory) as `run`.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use contract::{Contract, Severity, printable};
use ingest::files::EventFiles;
use ingest::publication::{DeadLetter, Publication};
use monitor::metrics::Metrics;
use monitor::{DeliveryPlan, Entry, Journal, Monitor};
use serde::Serialize;
use store::Store;

use super::setup;
use crate::cli::{self, Format};
use crate::exit::{Failure, Outcome};

pub async fn execute(arguments: cli::Replay) -> Outcome {
    let contract = setup::contract(&arguments.contract).map_err(|errors| setup::bad(&errors))?;
    let contract = Arc::new(contract);
    if !arguments.labels.is_empty() && contract.sources.labels.is_none() {
        return Err(Failure::input(anyhow::anyhow!(
            "--labels is given, but {} has no `sources.labels`",
            arguments.contract.display()
        )));
    }
    let store = Store::in_memory().await.map_err(Failure::dependency)?;
    let monitors = setup::monitors(&[Arc::clone(&contract)], &store, &Arc::new(DeliveryPlan::default()), false).await?;
    let registry = prometheus::Registry::new();
    let metrics = Arc::new(Metrics::register(&registry).map_err(Failure::dependency)?);
    let monitor = Monitor::new(store, monitors, metrics);
    let files = EventFiles::open(&arguments.predictions, &arguments.labels).map_err(Failure::input)?;
    let mut printer = Printer::new(arguments.format, arguments.all, &contract);
    drive(&contract, files, arguments.batch_rows as usize, &monitor, &mut printer).await?;
    printer.finish().map_err(Failure::output)?;
    Ok(ExitCode::SUCCESS)
}

/// Publications are handed over one by one, as they came to be: what is judged when does not depend on batches.
async fn drive(
    contract: &Arc<Contract>,
    mut files: EventFiles,
    batch_rows: usize,
    monitor: &Monitor,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut replay = ingest::files::Replay::new(Arc::clone(contract));
    while let Some(publications) = replay.next(&mut files, batch_rows).map_err(Failure::input)? {
        for publication in publications {
            let journal = monitor.accept(&publication).await.map_err(Failure::dependency)?;
            printer.print(&publication, &journal).map_err(Failure::output)?;
        }
    }
    Ok(())
}

/// Writes what happened, in order; keeps the totals for the end.
struct Printer {
    format: Format,
    all: bool,
    out: std::io::BufWriter<std::io::Stdout>,
    summary: Summary,
}

/// The last line.
#[derive(Serialize)]
#[serde(tag = "type", rename = "summary")]
struct Summary {
    model: String,
    windows: u64,
    findings: u64,
    alerts: u64,
    retrainings: u64,
    dead_letters: u64,
    /// Events by kind and outcome.
    counts: serde_json::Value,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "dead_letter")]
struct DeadLetterLine<'a> {
    model: &'a str,
    kind: &'static str,
    topic: &'a str,
    partition: i32,
    offset: i64,
    reason: &'static str,
    detail: &'a str,
}

impl Printer {
    fn new(format: Format, all: bool, contract: &Contract) -> Self {
        let summary = Summary {
            model: contract.model.clone(),
            windows: 0,
            findings: 0,
            alerts: 0,
            retrainings: 0,
            dead_letters: 0,
            counts: serde_json::Value::Null,
        };
        Self { format, all, out: std::io::BufWriter::new(std::io::stdout()), summary }
    }

    fn print(&mut self, publication: &Publication, journal: &Journal) -> anyhow::Result<()> {
        for letter in &publication.dead_letters {
            self.summary.dead_letters += 1;
            self.dead_letter(letter)?;
        }
        for entry in &journal.entries {
            self.entry(entry)?;
        }
        self.summary.counts = serde_json::to_value(&publication.counts)?;
        Ok(())
    }

    fn dead_letter(&mut self, letter: &DeadLetter) -> anyhow::Result<()> {
        match self.format {
            Format::Json => self.json(&DeadLetterLine {
                model: &letter.model,
                kind: letter.kind.name(),
                topic: &letter.topic,
                partition: letter.partition,
                offset: letter.offset,
                reason: letter.reason.name(),
                detail: &letter.detail,
            }),
            Format::Text => {
                let (topic, offset, reason) = (&letter.topic, letter.offset, letter.reason.name());
                self.line(&format!("dead letter  {topic}:{offset}  {reason}: {}", letter.detail))
            }
        }
    }

    fn entry(&mut self, entry: &Entry) -> anyhow::Result<()> {
        match entry {
            Entry::Window(window) if window.segment.is_empty() && window.stage == "closed" => self.summary.windows += 1,
            Entry::Finding(finding) if finding.severity >= Severity::Info => self.summary.findings += 1,
            Entry::Finding(_) if !self.all => return Ok(()),
            Entry::Alert(_) => self.summary.alerts += 1,
            Entry::Retraining(_) => self.summary.retrainings += 1,
            Entry::Window(_) | Entry::Finding(_) => {}
        }
        match self.format {
            Format::Json => self.json(entry),
            Format::Text => self.text(entry),
        }
    }

    fn json(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.out, line).context("writing to stdout")?;
        writeln!(self.out)?;
        Ok(())
    }

    fn text(&mut self, entry: &Entry) -> anyhow::Result<()> {
        match entry {
            Entry::Window(window) if window.segment.is_empty() && window.stage != "revised" => {
                let performance = window.figures.value("log_loss");
                let performance = performance.map_or(String::new(), |value| format!("  log_loss {value:.3}"));
                let mark = if window.quarantined { "  quarantined" } else { "" };
                let (start, stage, rows) = (window.window.start, window.stage, window.rows);
                let version = &window.version;
                self.line(&format!("window  {start}  version {version}  {stage}  {rows} rows{performance}{mark}"))
            }
            Entry::Window(_) => Ok(()),
            Entry::Finding(finding) => {
                let start = finding.window.start;
                self.line(&format!("  {:8}  {start}  {}", finding.severity.name(), finding.explanation))
            }
            Entry::Alert(alert) => {
                let (rule, state, summary) = (&alert.rule, &alert.state, &alert.summary);
                self.line(&format!("ALERT  {}  {rule} {state}: {summary}", alert.window.end))
            }
            Entry::Retraining(retraining) => {
                let (state, reason) = (retraining.state, &retraining.reason);
                self.line(&format!("RETRAINING  {}  {state}: {reason}", retraining.window.end))
            }
        }
    }

    /// One line for a terminal: versions, segments and the like come from strangers.
    fn line(&mut self, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{}", printable(text))?;
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        match self.format {
            Format::Json => {
                let summary = serde_json::to_string(&self.summary)?;
                writeln!(self.out, "{summary}")?;
            }
            Format::Text => {
                let Summary { windows, findings, alerts, retrainings, dead_letters, .. } = &self.summary;
                writeln!(
                    self.out,
                    "{windows} windows, {findings} findings, {alerts} changes of alerts, {retrainings} retraining decisions, \
                     {dead_letters} dead letters"
                )?;
            }
        }
        self.out.flush()?;
        Ok(())
    }
}
