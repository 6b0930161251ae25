//! `bellwether report`: two data sets side by side.

use std::process::ExitCode;

use anyhow::Context;
use contract::Severity;
use contract::lower::read_contract;
use report::{Options, compare};

use super::setup;
use crate::cli::{self, FailOn, Format};
use crate::exit::{FOUND, Failure, Outcome, print};

pub async fn execute(arguments: cli::Report) -> Outcome {
    let contract =
        arguments.contract.as_deref().map(read_contract).transpose().map_err(|errors| setup::bad(&errors))?;
    let options = Options { contract: contract.as_ref() };
    let report = compare(&arguments.reference, &arguments.current, options).await.map_err(Failure::input)?;
    let mut text = match arguments.format {
        Format::Text => report::text::render(&report),
        Format::Json => serde_json::to_string(&report).context("writing JSON").map_err(Failure::dependency)?,
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    match &arguments.output {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("writing {}", path.display()))
            .map_err(Failure::dependency)?,
        None => print(&text)?,
    }
    let limit = match arguments.fail_on {
        Some(FailOn::Warning) => Severity::Warning,
        Some(FailOn::Critical) => Severity::Critical,
        None => return Ok(ExitCode::SUCCESS),
    };
    Ok(if report.worst() >= limit { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}
