//! What the routes know.

use std::fmt;
use std::sync::Arc;

use prometheus::Registry;
use retrain_trigger::commands::Commands;
use serde::Serialize;
use store::Store;

use crate::protection::Limits;

/// Everything that the routes read.
#[derive(Clone)]
pub struct ApiState {
    pub store: Store,
    pub registry: Registry,
    /// Asked for each `/readyz`; it must answer without waiting.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// The models of the configuration, in its order.
    pub models: Vec<ModelInfo>,
    /// Whether reading needs no token; only where nobody but this machine's users can reach the listener. Then requests must name
    /// this machine as their host.
    pub is_open_to_readers: bool,
    /// Decides on commands, and records them.
    pub commands: Arc<dyn Commands>,
    pub limits: Limits,
}

/// Whether the service does its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// One sentence for each reason.
    NotReady(Vec<String>),
}

/// A model of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInfo {
    pub model: String,
    pub owner: Option<String>,
    pub window_seconds: u64,
    /// The whole contract, for those who want to see it.
    pub contract: serde_json::Value,
}

impl From<&contract::Contract> for ModelInfo {
    fn from(contract: &contract::Contract) -> Self {
        Self {
            model: contract.model.clone(),
            owner: contract.owner.clone(),
            window_seconds: contract.windows.size.as_secs(),
            contract: serde_json::to_value(contract).unwrap_or_default(),
        }
    }
}

impl ApiState {
    pub(crate) fn model(&self, name: &str) -> Option<&ModelInfo> {
        self.models.iter().find(|info| info.model == name)
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("models", &self.models.len()).finish_non_exhaustive()
    }
}
