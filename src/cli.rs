//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::Value;

/// Warnings of everything, and what our own crates tell of what they do.
const DEFAULT_LOG: &str = "warn,bellwether=info,ingest=info,monitor=info,retrain_trigger=info,rules=info";

/// Watches models in production: drift, decay, and what to do about them.
#[derive(Parser)]
#[command(name = "bellwether", version, about, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// What to log to stderr, in the syntax of tracing's EnvFilter; BELLWETHER_LOG overrides it
    #[arg(long, global = true, default_value = DEFAULT_LOG)]
    pub log: String,
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
pub enum Command {
    /// Tell the whole story on this machine, with real data and real processes
    Demo(Demo),
    /// Run the service
    Run {
        /// The service's configuration (docs/configuration.md)
        #[arg(long)]
        config: PathBuf,
    },
    /// Check configurations, contracts, rules and dashboards: all errors at once
    Check {
        /// Files, or folders with .yaml, .yml and .json files
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Compare two data sets: drift and data quality, column by column
    Report(Report),
    /// Run a contract over event files as if they came from Kafka; deterministic
    Replay(Replay),
    /// Say how a running service is doing
    Status(Connection),
    /// List the models, or the versions of one: aliases, traffic, validation, the gate's figures
    Models {
        model: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// List what the judge found
    Findings(Findings),
    /// List alerts, those that are over included
    Alerts(Alerts),
    /// List events that could not be used
    DeadLetters {
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        connection: Connection,
    },
    /// List retrainings, or tell one with all that was done
    Retrainings {
        /// A retraining's id
        #[arg(conflicts_with_all = ["model", "limit"])]
        id: Option<String>,
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        connection: Connection,
    },
    /// Ask for a retraining
    Retrain {
        #[arg(long)]
        model: String,
        /// A hyper-parameter over the contract's, such as epochs=8 or hidden=[64,32]
        #[arg(long = "parameter", value_name = "KEY=JSON", value_parser = parameter)]
        parameters: Vec<(String, Value)>,
        #[command(flatten)]
        order: Order,
    },
    /// Approve a retraining's training, or its rollout
    Approve(OfRetraining),
    /// Let a candidate past the gate that it failed at, on record
    Override(OfRetraining),
    /// End a retraining; traffic goes back to the stable version
    Cancel(OfRetraining),
    /// Move a candidate on without waiting for the events
    Promote {
        #[arg(long)]
        model: String,
        /// A registered version; without one, the candidate that is under way
        #[arg(long)]
        version: Option<String>,
        #[command(flatten)]
        order: Order,
    },
    /// Go back to the stable version, or after a promotion to the previous one
    Rollback {
        #[arg(long)]
        model: String,
        /// What is to go out of service; refused where it doesn't serve any more
        #[arg(long)]
        version: Option<String>,
        #[command(flatten)]
        order: Order,
    },
    /// Register a version that was made elsewhere
    Register {
        /// The folder with the artifact's files, on the service's disk
        folder: PathBuf,
        #[arg(long)]
        model: String,
        #[arg(long)]
        version: String,
        /// It is the version that serves
        #[arg(long)]
        champion: bool,
        #[command(flatten)]
        order: Order,
    },
    /// List every command that was given: who, why, and what became of it
    Audit {
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        connection: Connection,
    },
    /// List, make and revoke tokens
    #[command(subcommand)]
    Tokens(Tokens),
    /// Print shell completions
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    #[command(hide = true)]
    ManualPage,
    /// Run the trainer that a retraining's folder asks for; the service starts this
    #[command(hide = true)]
    RunTraining { folder: PathBuf },
}

/// How a service is reached.
#[derive(Args)]
pub struct Connection {
    /// The service's address
    #[arg(long, env = "BELLWETHER_SERVER", default_value = "http://127.0.0.1:9464", value_parser = server)]
    pub server: String,
    /// A file that holds the token; without one, the token is what BELLWETHER_TOKEN says
    #[arg(long, env = "BELLWETHER_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What every command to a service has.
#[derive(Args)]
pub struct Order {
    /// Why: one line for those who read the audit log
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub connection: Connection,
}

/// A command about one retraining.
#[derive(Args)]
pub struct OfRetraining {
    /// The retraining's id
    pub retraining: String,
    #[command(flatten)]
    pub order: Order,
}

/// Which rows of a list.
#[derive(Args)]
pub struct Rows {
    /// Of one model
    #[arg(long)]
    pub model: Option<String>,
    /// How many, the newest; 100 unless said
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: Option<u32>,
}

#[derive(Args)]
pub struct Findings {
    #[command(flatten)]
    pub rows: Rows,
    /// none, info, warning or critical; info unless said
    #[arg(long)]
    pub min_severity: Option<String>,
    /// One segment; empty: the whole model
    #[arg(long)]
    pub segment: Option<String>,
    /// Windows that start at this time or later
    #[arg(long)]
    pub from: Option<String>,
    /// Windows that start before this time
    #[arg(long)]
    pub to: Option<String>,
    /// feature, score, prediction, performance, quality or volume
    #[arg(long)]
    pub subject: Option<String>,
    #[arg(long)]
    pub feature: Option<String>,
    #[arg(long)]
    pub detector: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct Alerts {
    #[command(flatten)]
    pub rows: Rows,
    /// pending, firing, resolved, or several with commas between
    #[arg(long)]
    pub state: Option<String>,
    /// Alerts that were not over before this time
    #[arg(long)]
    pub from: Option<String>,
    /// Alerts that started before this time
    #[arg(long)]
    pub to: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Subcommand)]
pub enum Tokens {
    /// List tokens, revoked ones included
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Make a token; it is printed once
    Create {
        /// Letters, digits, `.`, `-`, `_`; a name is used once
        #[arg(long)]
        name: String,
        #[arg(long, value_enum)]
        role: Role,
        /// Why: one line for those who read the audit log
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// End a token's life, at once
    Revoke {
        name: String,
        /// Why: one line for those who read the audit log
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Role {
    /// Reads
    Viewer,
    /// Retrains, approves, promotes, rolls back, cancels
    Operator,
    /// Overrides, registers, makes tokens
    Admin,
}

/// A hyper-parameter as `KEY=JSON`.
fn parameter(text: &str) -> Result<(String, Value), String> {
    let parsed = text.split_once('=').filter(|(key, _)| !key.is_empty()).and_then(|(key, value)| {
        let value = serde_json::from_str(value).ok()?;
        Some((key.to_owned(), value))
    });
    parsed.ok_or_else(|| "write KEY=JSON, such as epochs=8, hidden=[64,32] or 'loss=\"hinge\"'".to_owned())
}

/// The address of a service: what is no URL of HTTP is wrong usage, not a service that doesn't answer.
fn server(text: &str) -> Result<String, String> {
    let is_url = reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_url { Ok(text.to_owned()) } else { Err("write http://HOST:PORT".to_owned()) }
}

#[derive(Args)]
pub struct Demo {
    #[arg(long, value_enum, default_value_t = Scenario::Flights)]
    pub scenario: Scenario,
    /// Where data, state and logs of the demo go
    #[arg(long, default_value = "bellwether-demo")]
    pub data_dir: PathBuf,
    /// Stop when the story has been told; exit 0 only if every chapter really happened
    #[arg(long)]
    pub exit: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Scenario {
    /// Flights out of New York in 2013: a model of the winter meets the summer
    Flights,
}

#[derive(Args)]
pub struct Report {
    /// Parquet, CSV or Arrow file, or a folder of them
    pub reference: PathBuf,
    /// Parquet, CSV or Arrow file, or a folder of them
    pub current: PathBuf,
    /// Judge the columns of this contract, by its schema; without one, the columns of the reference
    #[arg(long)]
    pub contract: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Write the report to a file instead of stdout
    #[arg(long)]
    pub output: Option<PathBuf>,
    /// Exit with 1 when a column is at least that severe
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum FailOn {
    Warning,
    Critical,
}

#[derive(Args)]
pub struct Replay {
    #[arg(long)]
    pub contract: PathBuf,
    /// Event files: JSON lines or Parquet
    #[arg(long, required = true, num_args = 1..)]
    pub predictions: Vec<PathBuf>,
    /// Event files: JSON lines or Parquet
    #[arg(long, num_args = 1..)]
    pub labels: Vec<PathBuf>,
    /// Rows read at once; changes nothing but the speed
    #[arg(long, default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub batch_rows: u32,
    /// Accepted for scripts' sake: this release uses one thread
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Print every statistic, not just findings of `info` or more
    #[arg(long)]
    pub all: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::EnvFilter;

    use super::*;

    #[test]
    fn the_log_tells_state_changes_of_retrainings_unless_it_is_told_otherwise() {
        let log = Arguments::parse_from(["bellwether", "status"]).log;
        let subscriber = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(log)).finish();
        tracing::subscriber::with_default(subscriber, || {
            assert!(tracing::enabled!(target: "retrain_trigger::driver", Level::INFO));
            assert!(tracing::enabled!(target: "ingest::kafka::health", Level::INFO));
            assert!(!tracing::enabled!(target: "retrain_trigger::driver", Level::DEBUG));
            assert!(!tracing::enabled!(target: "librdkafka", Level::INFO));
        });
    }
}
