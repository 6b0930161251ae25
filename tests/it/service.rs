//! `bellwether run` as a process: started, asked over HTTP, killed, stopped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::Value;

use crate::program::command;

/// How long anything may take before a test gives up. It only bounds failures: whoever waits looks again and again.
const PATIENCE: Duration = Duration::from_mins(3);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub struct Service {
    child: Child,
    log: PathBuf,
    /// `http://127.0.0.1:PORT`.
    pub server: String,
}

impl Service {
    /// Runs the configuration `bellwether.yaml` of a folder, and waits until it serves HTTP. Its log is `log` there.
    pub async fn start(folder: &Path, log: &str) -> Self {
        Self::start_with(folder, log, &["--log", "info"]).await
    }

    /// The same with options of the program's own.
    pub async fn start_with(folder: &Path, log: &str, options: &[&str]) -> Self {
        let path = folder.join(log);
        let mut command = command(folder);
        command.args(["run", "--config", "bellwether.yaml"]).args(options);
        let child = command.stderr(File::create(&path).unwrap()).stdout(File::create(folder.join("stdout")).unwrap());
        let mut service = Self { child: child.spawn().unwrap(), log: path, server: String::new() };
        service.server = until("the service says where it serves", async || {
            let text = service.log();
            let rest = text.split_once("serves http://")?.1;
            Some(format!("http://{}", rest.split_once('/')?.0))
        })
        .await;
        service
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The answer to a GET; None while there is none.
    pub async fn get(&self, path: &str) -> Option<Value> {
        rules::channels::install_tls_provider();
        let response = reqwest::get(format!("{}{path}", self.server)).await.ok()?;
        response.json().await.ok()
    }

    /// SIGKILL: it gets no chance to do anything more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit code.
    pub fn stop(mut self) -> i32 {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

/// A test that fails leaves no process behind.
impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("{what}: not within {} s", PATIENCE.as_secs()))
}
