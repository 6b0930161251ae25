//! The process between Bellwether and a trainer: `bellwether run-training FOLDER`.
//!
//! It outlives the monitor, so a monitor that is killed finds the trainer where it left it. Within FOLDER:
//!
//! - `order.json`: what to start; `runner.lock` is held by the one runner; `trainer.lock` by the trainer too, as its standard
//!   input, so that it is held as long as anything of a run lives. Locks end with their processes, however these end.
//! - `running-N.json`: the processes of attempt N; `progress-N.jsonl` and `trainer-N.log`: what the trainer wrote to stdout and
//!   stderr; `exit-N.json`: how it ended, written last and at once.
//! - `stop`: a wish that it end. The trainer gets SIGTERM and time for a checkpoint.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::files;

pub(super) const ORDER: &str = "order.json";
pub(super) const RUNNER_LOCK: &str = "runner.lock";
pub(super) const TRAINER_LOCK: &str = "trainer.lock";
pub(super) const STOP: &str = "stop";

/// Bytes kept of what a trainer writes to each of its streams; what follows is read and dropped.
pub const STREAM_LIMIT: u64 = 16 << 20;
/// Bytes of the small files.
pub(super) const FILE_LIMIT: u64 = 1 << 20;
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// How often the wish to stop is looked for.
const POLL: Duration = Duration::from_millis(100);
/// Someone who merely looks holds a lock for an instant; a runner holds it for longer than this.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// How long the last words of a trainer that has ended are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a runner is to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub attempt: u32,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it starts.
    pub folder: PathBuf,
    pub timeout_seconds: u64,
}

/// The processes of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Running {
    pub runner: u32,
    /// Also the number of its process group.
    pub trainer: u32,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ending {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Wall time.
    pub seconds: f64,
    pub stopped: Option<Stopped>,
    /// Why it didn't start.
    pub error: Option<String>,
}

/// Why the runner ended a trainer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stopped {
    Timeout,
    Asked,
}

pub(super) fn running_file(attempt: u32) -> String {
    format!("running-{attempt}.json")
}

pub(super) fn progress_file(attempt: u32) -> String {
    format!("progress-{attempt}.jsonl")
}

pub(super) fn log_file(attempt: u32) -> String {
    format!("trainer-{attempt}.log")
}

pub(super) fn exit_file(attempt: u32) -> String {
    format!("exit-{attempt}.json")
}

/// Runs the trainer that a folder asks for, to its end. Returns at once if it is running, or has ended.
///
/// Errors: the folder can't be read or written. How the trainer ended is no error; it stands in the folder.
pub async fn run(folder: &Path) -> Result<()> {
    let Some(_runner) = lock_patiently(&folder.join(RUNNER_LOCK)).await? else { return Ok(()) };
    let Some(trainer) = lock_patiently(&folder.join(TRAINER_LOCK)).await? else { return Ok(()) };
    let order = files::read(&folder.join(ORDER), FILE_LIMIT)?;
    let order = order.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{} has no {ORDER}", folder.display())))?;
    let order: Order = serde_json::from_str(&order)?;
    let exit = folder.join(exit_file(order.attempt));
    if exit.exists() {
        return Ok(());
    }
    let started = Instant::now();
    let ending = if folder.join(STOP).exists() {
        Ending { code: None, signal: None, seconds: 0.0, stopped: Some(Stopped::Asked), error: None }
    } else {
        carry_out(folder, &order, trainer, started).await?
    };
    files::write(&exit, &serde_json::to_vec(&ending)?)?;
    end_stragglers(folder, order.attempt).await
}

async fn carry_out(folder: &Path, order: &Order, lock: File, started: Instant) -> Result<Ending> {
    let mut child = match start(order, lock) {
        Ok(child) => child,
        Err(error) => {
            let error = Some(format!("{}: {error}", order.command.first().map_or("", String::as_str)));
            return Ok(Ending { code: None, signal: None, seconds: 0.0, stopped: None, error });
        }
    };
    let trainer = child.id().unwrap_or_default();
    let running = Running { runner: std::process::id(), trainer };
    if let Err(error) = files::write(&folder.join(running_file(order.attempt)), &serde_json::to_vec(&running)?) {
        // Nobody would know whom to stop.
        child.kill().await?;
        return Err(error);
    }
    let progress = child.stdout.take().map(|stream| keep(stream, folder.join(progress_file(order.attempt))));
    let log = child.stderr.take().map(|stream| keep(stream, folder.join(log_file(order.attempt))));
    let streams = async move {
        let (progress, log) = tokio::join!(both(progress), both(log));
        progress.and(log)
    };
    let streams = tokio::spawn(streams);
    let deadline = started + Duration::from_secs(order.timeout_seconds);
    let (status, stopped) = watch(folder, &mut child, trainer, deadline).await?;
    let abort = streams.abort_handle();
    match tokio::time::timeout(LAST_WORDS, streams).await {
        Ok(Ok(kept)) => kept?,
        Ok(Err(error)) => return Err(Error::other(error)),
        // Someone whom the trainer left behind holds the stream.
        Err(_) => abort.abort(),
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(Ending { code: status.code(), signal: status.signal(), seconds, stopped, error: None })
}

async fn both(stream: Option<impl Future<Output = Result<()>>>) -> Result<()> {
    match stream {
        Some(stream) => stream.await,
        None => Ok(()),
    }
}

/// The lock goes to the trainer as its standard input, which is empty.
fn start(order: &Order, lock: File) -> Result<Child> {
    let (program, arguments) =
        order.command.split_first().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the command is empty"))?;
    Command::new(program)
        .args(arguments)
        .current_dir(&order.folder)
        .stdin(Stdio::from(lock))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Waits for the trainer's end, or brings it about.
async fn watch(
    folder: &Path,
    child: &mut Child,
    trainer: u32,
    deadline: Instant,
) -> Result<(ExitStatus, Option<Stopped>)> {
    let stop = folder.join(STOP);
    let why = loop {
        tokio::select! {
            status = child.wait() => return Ok((status?, None)),
            () = tokio::time::sleep(POLL) => {}
        }
        if stop.exists() {
            break Stopped::Asked;
        }
        if Instant::now() >= deadline {
            break Stopped::Timeout;
        }
    };
    send("TERM", &trainer.to_string()).await?;
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return Ok((status?, Some(why)));
    }
    send("KILL", &format!("-{trainer}")).await?;
    Ok((child.wait().await?, Some(why)))
}

/// Ends what the trainer left running in its process group: it would hold the lock. As long as something does, the number of
/// the group is not given to another one.
async fn end_stragglers(folder: &Path, attempt: u32) -> Result<()> {
    if try_lock(&folder.join(TRAINER_LOCK))?.is_none()
        && let Some(running) = running(folder, attempt)?
    {
        send("KILL", &format!("-{}", running.trainer)).await?;
    }
    Ok(())
}

pub(super) fn running(folder: &Path, attempt: u32) -> Result<Option<Running>> {
    let text = files::read(&folder.join(running_file(attempt)), FILE_LIMIT)?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Sends a signal to a process, or with a minus to a process group. That it is gone already is no error.
pub(super) async fn send(signal: &str, to: &str) -> Result<()> {
    // The shell's own `kill`: there is no other way without `unsafe` or one more dependency.
    Command::new("sh")
        .args(["-c", "kill -s \"$0\" -- \"$1\"", signal, to])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await?;
    Ok(())
}

/// Copies a stream to a file, up to [`STREAM_LIMIT`], and reads on to its end.
async fn keep(mut stream: impl AsyncRead + Unpin, path: PathBuf) -> Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut left = STREAM_LIMIT;
    let mut bytes = vec![0; 16 * 1_024];
    loop {
        let read = stream.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        let kept = read.min(usize::try_from(left).unwrap_or(usize::MAX));
        // A full disk must not stop the trainer.
        if file.write_all(bytes.get(..kept).unwrap_or_default()).is_ok() {
            left -= kept as u64;
        }
    }
}

/// Takes a lock; None if another process holds it.
pub(super) fn try_lock(path: &Path) -> Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a process holds the lock, or a look at it does in this instant.
pub(super) fn is_locked(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

async fn lock_patiently(path: &Path) -> Result<Option<File>> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        if let Some(lock) = try_lock(path)? {
            return Ok(Some(lock));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        tokio::time::sleep(POLL / 2).await;
    }
}
