//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Watches models in production: drift, decay, and what to do about them.
#[derive(Parser)]
#[command(name = "bellwether", version, about, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// What to log to stderr, in the syntax of tracing's EnvFilter; BELLWETHER_LOG overrides it
    #[arg(long, global = true, default_value = "warn,bellwether=info,ingest=info,monitor=info,rules=info")]
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
    Status {
        /// The service's address
        #[arg(long, env = "BELLWETHER_SERVER", default_value = "http://127.0.0.1:9464", value_parser = server)]
        server: String,
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print shell completions
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    #[command(hide = true)]
    ManualPage,
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
