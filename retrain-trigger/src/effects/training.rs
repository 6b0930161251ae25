//! Starting, watching and stopping trainers, through [`super::runner`].

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use contract::model::{DataFormat, Executor, Privacy};
use contract::time::format_duration;
use serde_json::{Map, Value, json};
use tokio::process::Command;
use tokio::time::Instant;

use super::manifest::{DataColumn, DataFile, ManifestFile};
use super::runner::{
    Ending, FILE_LIMIT, ORDER, Order, RUNNER_LOCK, STOP, Stopped, TRAINER_LOCK, exit_file, is_locked, log_file,
    progress_file, running, send,
};
use super::{Effects, csv_data, files};
use crate::retraining::{Progress, Retraining};
use crate::world::{Outcome, Run, Trouble};

const SPEC: &str = "spec.json";
/// Where a trainer puts what it makes.
pub(super) const OUTPUT: &str = "output";
/// Both forms of the held-out scores; one of them says that a trainer has done its work.
pub(super) const HELD_OUT_SCORES: [&str; 2] = ["held_out_scores.parquet", "held_out_scores.csv"];
/// Version of the form of `spec.json`.
const SPEC_VERSION: u32 = 1;
/// The monitor goes on beside a trainer, and results don't depend on the machine.
const THREADS: u32 = 1;
/// By which exit code a trainer says that the same would come out again.
const BAD_INPUT: i32 = 2;
/// The newest bytes of the progress that are looked at.
const TAIL: u64 = 64 * 1_024;
/// Characters kept of a phase's name.
const PHASE: usize = 100;
/// Characters kept of a trainer's own words.
const WORDS: usize = 500;
/// How long a runner has to come up.
const START_PATIENCE: Duration = Duration::from_secs(15);
/// How long a trainer that was told to stop is waited for in one call.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
/// How long one whose runner is gone has for its checkpoint.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Starts attempt number `attempt`, unless something of an attempt runs.
pub(super) async fn train(effects: &Effects, retraining: &Retraining, attempt: u32) -> Outcome<()> {
    let folder = effects.folder(&retraining.id);
    let executor = effects.retrain()?.executor.as_ref();
    let executor = executor.ok_or_else(|| Trouble::Lasting("the contract has no retrain.executor".to_owned()))?;
    if is_held(&folder)? {
        return Ok(());
    }
    let output = folder.join(OUTPUT);
    std::fs::create_dir_all(&output).map_err(|error| files::cannot_write(&output, &error))?;
    let spec = folder.join(SPEC);
    let wanted = specification(effects, retraining, executor, &folder).await?;
    files::write(&spec, wanted.as_bytes()).map_err(|error| files::cannot_write(&spec, &error))?;
    let order = Order {
        attempt,
        command: command(effects, executor, &spec, &output),
        folder: effects.contract.folder.clone(),
        timeout_seconds: executor.timeout.as_secs().max(1),
    };
    let text = serde_json::to_vec(&order).map_err(|error| Trouble::Lasting(error.to_string()))?;
    let path = folder.join(ORDER);
    files::write(&path, &text).map_err(|error| files::cannot_write(&path, &error))?;
    match std::fs::remove_file(folder.join(STOP)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(files::cannot_write(&folder.join(STOP), &error));
        }
        _ => {}
    }
    start(effects, &folder, attempt).await
}

/// Starts a runner that outlives this process, and waits until it holds the lock: before that, a look at the run would find
/// nothing.
async fn start(effects: &Effects, folder: &Path, attempt: u32) -> Outcome<()> {
    let program = &effects.program;
    let mut runner = Command::new(program)
        .arg("run-training")
        .arg(folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| Trouble::Passing(format!("{} can't be started: {error}", program.display())))?;
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if folder.join(exit_file(attempt)).exists() || is_locked_in(folder, TRAINER_LOCK)? {
            return Ok(());
        }
        let ended = runner.try_wait().map_err(|error| Trouble::Passing(format!("the runner is lost: {error}")))?;
        if let Some(status) = ended {
            return Err(Trouble::Passing(format!("the runner of the trainer ended with {status}")));
        }
        if Instant::now() >= deadline {
            return Err(Trouble::Passing("the runner of the trainer doesn't come up".to_owned()));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// `spec.json`.
async fn specification(
    effects: &Effects,
    retraining: &Retraining,
    executor: &Executor,
    folder: &Path,
) -> Outcome<String> {
    let manifest = ManifestFile::pinned(folder)?;
    let summary = manifest.summary(folder)?;
    let selection = &manifest.selection;
    let files = &manifest.results.data;
    let (train, held_out) =
        (data(executor.format, folder, &files.train), data(executor.format, folder, &files.held_out));
    // The history has hashes where serving apps have values: nothing to learn from.
    let is_kept = |column: &&DataColumn| {
        let mut columns = effects.contract.schema.iter();
        columns.any(|known| known.name == column.name && known.privacy == Privacy::Keep)
    };
    let features: Vec<&DataColumn> = selection.columns.iter().filter(is_kept).collect();
    let spec = json!({
        "schema_version": SPEC_VERSION,
        "model": effects.contract.model,
        "retraining": retraining.id,
        "task": effects.contract.task,
        "parent_version": retraining.stable.clone().unwrap_or_default(),
        "version": retraining.version.clone().unwrap_or_default(),
        "seed": executor.seed,
        "device": executor.device,
        "limits": { "seconds": executor.timeout.as_secs(), "threads": THREADS },
        "columns": features,
        "event_id": selection.names.event_id,
        "time": selection.names.time,
        "label": selection.names.label,
        "manifest": { "sha256": summary.sha256, "path": summary.path },
        "data": { "train": train.await?, "held_out": held_out.await? },
        "parameters": parameters(executor, retraining),
    });
    Ok(format!("{spec:#}\n"))
}

/// A data file in the form that the trainer reads.
async fn data(format: DataFormat, folder: &Path, parquet: &DataFile) -> Outcome<Value> {
    let (folder, parquet) = (folder.to_owned(), parquet.clone());
    super::blocking(move || {
        let file = match format {
            DataFormat::Parquet => parquet,
            DataFormat::Csv => csv_data::write(&folder, &parquet)?,
        };
        Ok(json!({ "path": folder.join(&file.path), "sha256": file.sha256, "rows": file.rows }))
    })
    .await
}

/// The contract's hyper-parameters, and those of the request over them.
pub(super) fn parameters(executor: &Executor, retraining: &Retraining) -> Map<String, Value> {
    let mut parameters = executor.parameters.clone();
    parameters.extend(retraining.parameters.clone());
    parameters
}

fn command(effects: &Effects, executor: &Executor, spec: &Path, output: &Path) -> Vec<String> {
    let mut command = executor.command.clone();
    if let Some(program) = command.first_mut() {
        *program = located(effects, program).to_string_lossy().into_owned();
    }
    let path = |path: &Path| path.to_string_lossy().into_owned();
    command.extend(["run".to_owned(), "--spec".to_owned(), path(spec), "--output".to_owned(), path(output)]);
    command
}

/// A path is relative to the contract; a bare name is looked for beside Bellwether's own program, then in PATH.
fn located(effects: &Effects, program: &str) -> PathBuf {
    if program.contains('/') {
        return effects.contract.resolve(Path::new(program));
    }
    let beside = effects.program.parent().map(|folder| folder.join(program)).filter(|path| path.is_file());
    beside.unwrap_or_else(|| PathBuf::from(program))
}

/// How the newest attempt is.
pub(super) async fn run(effects: &Effects, retraining: &Retraining) -> Outcome<Run> {
    let (folder, attempt) = (effects.folder(&retraining.id), retraining.attempts);
    if let Some(ended) = ended(effects, &folder, attempt)? {
        return Ok(ended);
    }
    if is_held(&folder)? {
        if is_orphaned(&folder)? {
            end_orphan(&folder, attempt).await?;
        }
        return Ok(Run::Going(progress(&folder, attempt)));
    }
    // It may have ended between the two looks.
    Ok(ended(effects, &folder, attempt)?.unwrap_or(Run::Absent))
}

/// How an attempt ended, or None if nothing says so.
fn ended(effects: &Effects, folder: &Path, attempt: u32) -> Outcome<Option<Run>> {
    let path = folder.join(exit_file(attempt));
    let text = files::read(&path, FILE_LIMIT).map_err(|error| files::cannot_read(&path, &error))?;
    let Some(text) = text else { return Ok(None) };
    let ending: Ending = serde_json::from_str(&text)
        .map_err(|error| Trouble::Lasting(format!("{} can't be read: {error}", path.display())))?;
    let output = folder.join(OUTPUT);
    let has_scores = HELD_OUT_SCORES.iter().any(|name| output.join(name).is_file());
    let broken = |why: String, is_final: bool| Run::Broken { why, is_final };
    let log = folder.join(log_file(attempt));
    let run = match ending {
        Ending { error: Some(error), .. } => broken(format!("the trainer could not be started: {error}"), false),
        Ending { stopped: Some(Stopped::Asked), .. } => broken("the trainer was stopped on request".to_owned(), false),
        Ending { stopped: Some(Stopped::Timeout), .. } => {
            let timeout = effects.retrain()?.executor.as_ref().map(|executor| format_duration(executor.timeout));
            let timeout = timeout.unwrap_or_default();
            broken(format!("the trainer took longer than {timeout} (retrain.executor.timeout) and was stopped"), false)
        }
        Ending { code: Some(0), .. } if has_scores => Run::Done,
        Ending { code: Some(0), .. } => {
            let [parquet, csv] = HELD_OUT_SCORES;
            broken(format!("the trainer ended well, but left neither {parquet} nor {csv}"), true)
        }
        Ending { code: Some(code), .. } => {
            let said = last_error(folder, attempt).or_else(|| last_words(&log));
            let why =
                said.map_or_else(String::new, |said| format!("{said}; ")) + &format!("its log is {}", log.display());
            broken(format!("the trainer ended with code {code}: {why}"), code == BAD_INPUT)
        }
        Ending { signal, .. } => {
            let signal = signal.map_or_else(|| "an unknown signal".to_owned(), |signal| format!("signal {signal}"));
            broken(format!("the trainer was ended by {signal}; its log is {}", log.display()), false)
        }
    };
    Ok(Some(run))
}

/// Stops whatever runs.
pub(super) async fn stop(effects: &Effects, retraining: &Retraining) -> Outcome<()> {
    let folder = effects.folder(&retraining.id);
    if !folder.is_dir() {
        return Ok(());
    }
    // Even if nothing runs: a runner may be about to start something.
    let wish = folder.join(STOP);
    files::write(&wish, b"").map_err(|error| files::cannot_write(&wish, &error))?;
    if !is_held(&folder)? {
        return Ok(());
    }
    if is_orphaned(&folder)? {
        return end_orphan(&folder, retraining.attempts).await;
    }
    if is_free_within(&folder, STOP_PATIENCE).await? {
        return Ok(());
    }
    Err(Trouble::Passing("the trainer was told to stop and has not ended yet".to_owned()))
}

/// A trainer without its runner: nobody would end it in time, and its output goes nowhere. It gets time for a checkpoint, from
/// which the next attempt goes on.
async fn end_orphan(folder: &Path, attempt: u32) -> Outcome<()> {
    let lost = |error: std::io::Error| Trouble::Passing(format!("the trainer can't be stopped: {error}"));
    let Some(running) = running(folder, attempt).map_err(lost)? else {
        return Err(Trouble::Passing("something of a trainer runs, and nobody knows what".to_owned()));
    };
    send("TERM", &running.trainer.to_string()).await.map_err(lost)?;
    if !is_free_within(folder, ORPHAN_PATIENCE).await? {
        send("KILL", &format!("-{}", running.trainer)).await.map_err(lost)?;
    }
    Ok(())
}

/// Waits a little for the end of everything that runs.
async fn is_free_within(folder: &Path, patience: Duration) -> Outcome<bool> {
    let deadline = Instant::now() + patience;
    while is_held(folder)? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(true)
}

/// Whether anything of a run lives.
pub(super) fn is_held(folder: &Path) -> Outcome<bool> {
    Ok(is_locked_in(folder, RUNNER_LOCK)? || is_locked_in(folder, TRAINER_LOCK)?)
}

/// Whether the trainer lives and its runner doesn't.
fn is_orphaned(folder: &Path) -> Outcome<bool> {
    // In this order: a runner takes its own lock first.
    let has_trainer = is_locked_in(folder, TRAINER_LOCK)?;
    Ok(has_trainer && !is_locked_in(folder, RUNNER_LOCK)? && is_locked_in(folder, TRAINER_LOCK)?)
}

fn is_locked_in(folder: &Path, name: &str) -> Outcome<bool> {
    let path = folder.join(name);
    is_locked(&path).map_err(|error| files::cannot_read(&path, &error))
}

/// The newest word of an attempt's trainer.
fn progress(folder: &Path, attempt: u32) -> Progress {
    let newest = last(folder, attempt, "progress");
    let mut progress: Progress = newest.and_then(|line| serde_json::from_value(line).ok()).unwrap_or_default();
    progress.phase = contract::printable(&progress.phase).chars().take(PHASE).collect();
    progress
}

fn last_error(folder: &Path, attempt: u32) -> Option<String> {
    let line = last(folder, attempt, "error")?;
    let message = line.get("message")?.as_str()?;
    Some(contract::printable(message).chars().take(WORDS).collect())
}

/// The last line of a log.
fn last_words(log: &Path) -> Option<String> {
    let text = tail(log)?;
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(contract::printable(line.trim()).chars().take(WORDS).collect())
}

/// The last line of that type.
fn last(folder: &Path, attempt: u32, kind: &str) -> Option<Value> {
    let text = tail(&folder.join(progress_file(attempt)))?;
    let lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.into_iter().find(|line| line.get("type").and_then(Value::as_str) == Some(kind))
}

fn tail(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
