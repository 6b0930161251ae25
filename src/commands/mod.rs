//! One module per command.

mod check;
mod demo;
mod manual;
mod replay;
mod report;
mod run;
mod setup;
mod status;

use crate::cli::Command;
use crate::exit::Outcome;

pub async fn execute(command: Command) -> Outcome {
    match command {
        Command::Demo(arguments) => demo::execute(arguments).await,
        Command::Run { config } => run::execute(&config).await,
        Command::Check { paths } => check::execute(&paths),
        Command::Report(arguments) => report::execute(arguments).await,
        Command::Replay(arguments) => replay::execute(arguments).await,
        Command::Status { server, format } => status::execute(&server, format).await,
        Command::Completions { shell } => manual::completions(shell),
        Command::ManualPage => manual::page(),
    }
}
