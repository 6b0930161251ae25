//! `bellwether demo`: the story is told by the supervisor in `fixtures`; the monitor is this very program, as a process of
//! its own.

use std::process::ExitCode;

use anyhow::Context;

use crate::cli;
use crate::exit::{FOUND, Failure, Outcome};

pub async fn execute(arguments: cli::Demo) -> Outcome {
    let program = std::env::current_exe().context("finding this program's own file").map_err(Failure::dependency)?;
    let cli::Scenario::Flights = arguments.scenario;
    let options = fixtures::demo::Options {
        data_dir: arguments.data_dir,
        exit: arguments.exit,
        format: match arguments.format {
            cli::Format::Text => fixtures::demo::Format::Text,
            cli::Format::Json => fixtures::demo::Format::Json,
        },
        monitor_program: program,
    };
    let outcome = fixtures::demo::run(options).await.map_err(Failure::dependency)?;
    Ok(if outcome.ok { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}
