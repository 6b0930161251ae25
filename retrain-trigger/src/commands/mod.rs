//! What people ask for: retrain, approve, override, cancel, promote, roll back, register.
//!
//! [`Desk`] checks a command against what is recorded, in one transaction with its line in the audit log ([`taking`],
//! [`deploying`]). What concerns a retraining that is under way becomes a row that the driver reads ([`waiting`]); nothing here
//! touches the trainer or the target.

mod deploying;
mod desk;
mod taking;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use contract::Contract;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::world::Imported;

pub use desk::Desk;
pub use waiting::{TOO_LATE, apply, gives_way, late, stage_to_approve, supersede};

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Retrain {
        /// Hyper-parameters over those of the contract.
        parameters: Map<String, Value>,
    },
    Approve,
    /// Lets a candidate past the gate.
    Override,
    Cancel,
    /// Without waiting for the events; without a version, the candidate that is under way.
    Promote {
        version: Option<String>,
    },
    Rollback {
        /// What is to go out of service; where that doesn't serve any more, nothing is done.
        version: Option<String>,
    },
    /// Puts a version that was made elsewhere into the registry.
    Register {
        /// A folder on the service's disk.
        path: PathBuf,
        version: String,
        /// It is the one that serves.
        champion: bool,
    },
}

impl Command {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Retrain { .. } => "retrain",
            Self::Approve => "approve",
            Self::Override => "override",
            Self::Cancel => "cancel",
            Self::Promote { .. } => "promote",
            Self::Rollback { .. } => "rollback",
            Self::Register { .. } => "register",
        }
    }
}

/// A command with who gives it and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub model: String,
    pub retraining: Option<String>,
    pub command: Command,
    /// The name of the token.
    pub by: String,
    pub role: String,
    pub reason: String,
}

/// What became of a command that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub retraining: Option<String>,
    pub state: String,
    /// One sentence.
    pub words: String,
}

/// Why a command was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Unknown(String),
    /// Not in this state.
    #[error("{0}")]
    NotNow(String),
    /// Never.
    #[error("{0}")]
    Wrong(String),
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<store::Error> for CommandError {
    fn from(error: store::Error) -> Self {
        Self::Failed(Error::Store(error))
    }
}

/// Where commands go.
#[async_trait]
pub trait Commands: Send + Sync {
    async fn submit(&self, asked: Asked) -> Result<Accepted, CommandError>;
}

/// Copies an artifact from a folder into the registry's store.
#[async_trait]
pub trait Import: Send + Sync {
    async fn import(&self, folder: &Path, version: &str) -> Result<Imported, String>;
}

/// A model that can be commanded.
pub struct Subject {
    pub contract: Arc<Contract>,
    pub import: Arc<dyn Import>,
}
