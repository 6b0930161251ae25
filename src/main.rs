//! The `bellwether` program: the command line, and the wiring of the crates that do the work.

mod cli;
mod commands;
mod exit;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    start_logging(&arguments);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::report(&exit::Failure::dependency(anyhow::Error::new(error).context("start threads")));
        }
    };
    match runtime.block_on(commands::execute(arguments.command)) {
        Ok(code) => code,
        Err(failure) => exit::report(&failure),
    }
}

/// Logs go to stderr; machine output alone goes to stdout.
fn start_logging(arguments: &cli::Arguments) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("BELLWETHER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(arguments.log.as_str()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_plain = std::env::var_os("NO_COLOR").is_some() || !std::io::IsTerminal::is_terminal(&std::io::stderr());
    match arguments.log_format {
        cli::LogFormat::Text => builder.with_ansi(!is_plain).init(),
        cli::LogFormat::Json => builder.json().init(),
    }
}
