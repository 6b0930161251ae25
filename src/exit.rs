//! Exit codes: 0 good, 1 something was found, 2 wrong usage or bad input, 3 a dependency could not be reached.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

pub const GOOD: u8 = 0;
pub const FOUND: u8 = 1;
pub const BAD_INPUT: u8 = 2;
pub const UNREACHABLE: u8 = 3;

/// Why a command could not do its work.
pub struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// A bad configuration, contract or data file.
    pub fn input(error: impl Into<anyhow::Error>) -> Self {
        Self { code: BAD_INPUT, error: error.into() }
    }

    /// What the command prints can't be written. A reader that has seen enough (`| head`) is no failure.
    pub fn output(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        let code = if is_closed_pipe(&error) { GOOD } else { UNREACHABLE };
        Self { code, error }
    }

    /// A broker, server, disk or port that can't be used.
    pub fn dependency(error: impl Into<anyhow::Error>) -> Self {
        Self { code: UNREACHABLE, error: error.into() }
    }
}

#[cfg(test)]
impl Failure {
    pub fn code(&self) -> u8 {
        self.code
    }
}

#[cfg(test)]
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let kind =
            kind.or_else(|| cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind));
        kind == Some(std::io::ErrorKind::BrokenPipe)
    })
}

/// Prints what a command is for, and nothing else does: machine output alone goes to stdout.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.context("writing to stdout").map_err(Failure::output)
}

pub type Outcome = Result<ExitCode, Failure>;

/// Prints a failure with its causes, once each.
#[expect(clippy::print_stderr, reason = "the program's last words")]
pub fn report(failure: &Failure) -> ExitCode {
    if failure.code == GOOD {
        return ExitCode::SUCCESS;
    }
    let mut said = String::new();
    for cause in failure.error.chain() {
        let text = cause.to_string();
        if !said.contains(&text) {
            said.push_str(if said.is_empty() { "" } else { ": " });
            said.push_str(&text);
        }
    }
    eprintln!("bellwether: {said}");
    ExitCode::from(failure.code)
}
