//! One module per command, or per family of commands.

mod answer;
mod check;
mod client;
mod demo;
mod executors;
mod lists;
mod manual;
mod models;
mod orders;
mod replay;
mod report;
mod retrainings;
mod run;
mod setup;
mod status;
mod tokens;

use std::process::ExitCode;

use crate::cli::Command;
use crate::exit::{Failure, Outcome};

pub async fn execute(command: Command) -> Outcome {
    match command {
        Command::Demo(arguments) => demo::execute(arguments).await,
        Command::Run { config } => run::execute(&config).await,
        Command::Check { paths } => check::execute(&paths),
        Command::Report(arguments) => report::execute(arguments).await,
        Command::Replay(arguments) => replay::execute(arguments).await,
        Command::Status(connection) => status::execute(&connection).await,
        Command::Models { model, connection } => models::execute(model.as_deref(), &connection).await,
        Command::Findings(arguments) => lists::findings(&arguments).await,
        Command::Alerts(arguments) => lists::alerts(&arguments).await,
        Command::DeadLetters { rows, connection } => lists::dead_letters(&rows, &connection).await,
        Command::Retrainings { id, rows, connection } => retrainings::execute(id.as_deref(), &rows, &connection).await,
        Command::Retrain { model, parameters, order } => orders::retrain(&model, parameters, &order).await,
        Command::Approve(arguments) => orders::of_retraining("approve", &arguments).await,
        Command::Override(arguments) => orders::of_retraining("override", &arguments).await,
        Command::Cancel(arguments) => orders::of_retraining("cancel", &arguments).await,
        Command::Promote { model, version, order } => orders::promote(&model, version, &order).await,
        Command::Rollback { model, version, order } => orders::roll_back(&model, version.as_deref(), &order).await,
        Command::Register { folder, model, version, champion, order } => {
            orders::register(&folder, &model, &version, champion, &order).await
        }
        Command::Audit { rows, connection } => lists::audit(&rows, &connection).await,
        Command::Tokens(command) => tokens::execute(command).await,
        Command::Completions { shell } => manual::completions(shell),
        Command::ManualPage => manual::page(),
        Command::RunTraining { folder } => {
            retrain_trigger::runner::run(&folder).await.map_err(Failure::dependency)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
