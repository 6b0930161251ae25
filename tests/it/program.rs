//! Runs the program.

use std::path::Path;
use std::process::{Command, Output};

/// What a run of the program gave.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Answer {
    /// Fails with all that was printed unless the exit code is `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// The program, in a folder, with nothing of the caller's environment that could change what it prints.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    command.current_dir(folder).env("NO_COLOR", "1");
    for name in ["BELLWETHER_LOG", "BELLWETHER_SERVER", "BELLWETHER_TOKEN", "BELLWETHER_TOKEN_FILE"] {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end.
pub fn bellwether(folder: &Path, arguments: &[&str]) -> Answer {
    command(folder).args(arguments).output().unwrap().into()
}
