//! `bellwether-trainer`: one training, by the interface of docs/retraining.md, or the scores of a stored model.
//!
//! Exit codes: 0 done, 2 bad arguments, specification or data, 3 failure, 143 stopped by SIGTERM after a checkpoint.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use trainer::data::{self, Layout};
use trainer::progress::{Line, Progress};
use trainer::{Class, Error, Predictor, Spec, artifact};

const BAD_INPUT: u8 = 2;
const FAILURE: u8 = 3;
const TERMINATED: u8 = 143;

/// Trains a model from pinned data, for Bellwether
#[derive(Parser)]
#[command(name = "bellwether-trainer", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trains as a specification says; goes on where an earlier run with the same output folder was stopped
    Run {
        /// The specification, JSON
        #[arg(long, value_name = "FILE")]
        spec: PathBuf,
        /// The folder for the artifact, its by-products and the checkpoint
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
    },
    /// Scores the rows of a Parquet file with a trained model
    Score {
        /// The folder of the model
        #[arg(long, value_name = "DIR")]
        artifact: PathBuf,
        /// Parquet with the model's columns and `event_id`
        #[arg(long, value_name = "FILE")]
        data: PathBuf,
        /// Parquet with `event_id` and `score`
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = std::io::stdout();
    let mut progress = Progress::new(&mut output);
    let result = match &arguments.command {
        Command::Run { spec, output } => run(spec, output, &mut progress),
        Command::Score { artifact, data, output } => score(artifact, data, output),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    let message = error.to_string();
    progress.say(&Line::Error { message: &message });
    let _ = writeln!(std::io::stderr(), "bellwether-trainer: {message}");
    ExitCode::from(match (&error, error.class()) {
        (Error::Interrupted, _) => TERMINATED,
        (_, Class::User) => BAD_INPUT,
        (_, Class::External | Class::Internal) => FAILURE,
    })
}

fn run(spec: &Path, output: &Path, progress: &mut Progress<'_>) -> Result<(), Error> {
    // First of all: a signal from now on finds someone who listens.
    let is_terminated = watch_for_termination()?;
    let spec = Spec::read(spec)?;
    let metrics = trainer::train(&spec, output, progress, &|| is_terminated.load(Ordering::Relaxed))?;
    progress.say(&Line::Done { metrics: &metrics });
    Ok(())
}

/// True from the first SIGTERM on.
fn watch_for_termination() -> Result<Arc<AtomicBool>, Error> {
    let failed = |source| Error::File { path: PathBuf::from("SIGTERM"), doing: "listened for", source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let mut terminations = {
        let _inside = runtime.enter();
        signal(SignalKind::terminate()).map_err(failed)?
    };
    let is_terminated = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_terminated);
    // Ends with the process.
    std::thread::spawn(move || {
        runtime.block_on(terminations.recv());
        flag.store(true, Ordering::Relaxed);
    });
    Ok(is_terminated)
}

fn score(folder: &Path, file: &Path, output: &Path) -> Result<(), Error> {
    let predictor = Predictor::load(folder)?;
    let layout = Layout { features: predictor.columns(), event_id: "event_id", time: None, label: None };
    let table = data::read(file, &layout)?;
    let mut scores = Vec::with_capacity(table.rows());
    for batch in &table.batches {
        scores.extend(predictor.score(batch)?);
    }
    let draft = output.with_added_extension("draft");
    artifact::write_scores(&table.event_ids, &scores, &draft, output)
}
