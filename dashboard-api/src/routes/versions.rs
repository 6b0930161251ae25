//! `/api/v1/models/{model}/versions`: what the registry holds, what each version is for, and what served when.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use contract::{EventTime, WallTime};
use serde::Serialize;
use serde_json::Value;
use store::{DeploymentRow, VersionRow};

use crate::parameters::known_model;
use crate::problem::Problem;
use crate::routes::stored_json;
use crate::state::ApiState;

/// The newest versions that an answer holds.
const VERSIONS: usize = 100;
/// The newest deployments that it holds.
const DEPLOYMENTS: u32 = 100;
/// The alias of the version that serves.
const CHAMPION: &str = "champion";

#[derive(Serialize)]
pub(crate) struct Registry {
    model: String,
    /// What each alias stands for: champion, challenger, previous.
    aliases: BTreeMap<String, String>,
    /// Newest first.
    versions: Vec<Standing>,
    /// Newest first.
    deployments: Vec<Deployment>,
}

#[derive(Serialize)]
struct Standing {
    version: String,
    aliases: Vec<String>,
    /// Per cent of the traffic that Bellwether set last; none where it set none.
    weight: Option<u32>,
    /// `passed`, `failed`, `overridden` or `external`.
    validation: String,
    /// The gate's figures, for a version that went through it.
    gate: Value,
    sha256: String,
    uri: String,
    /// The retraining that made it; empty for one that was brought.
    retraining: String,
    registered: WallTime,
    registered_by: String,
    lineage: Value,
    has_baseline: bool,
}

/// A change of what serves, as a mark on the timeline.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Deployment {
    time: EventTime,
    at: WallTime,
    kind: String,
    version: String,
    /// Per cent of the traffic that the version has from then on.
    weight: u32,
    retraining: String,
    words: String,
}

impl From<DeploymentRow> for Deployment {
    fn from(row: DeploymentRow) -> Self {
        Self {
            time: row.event_time,
            at: row.at,
            kind: row.kind,
            version: row.version,
            weight: row.weight,
            retraining: row.retraining,
            words: row.words,
        }
    }
}

pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Path(model): Path<String>,
) -> Result<Json<Registry>, Problem> {
    known_model(&state, &model)?;
    let aliases = state.store.aliases(&model).await?;
    let deployments = state.store.deployments(&model, DEPLOYMENTS).await?;
    let weights = weights(&aliases, &deployments);
    let mut versions = Vec::new();
    for row in state.store.versions(&model).await?.into_iter().take(VERSIONS) {
        let gate = gate(&state, &row).await?;
        versions.push(Standing {
            aliases: aliases.iter().filter(|(_, name)| **name == row.version).map(|(alias, _)| alias.clone()).collect(),
            weight: weights.as_ref().map(|weights| weights.get(&row.version).copied().unwrap_or_default()),
            validation: row.validation,
            gate,
            version: row.version,
            sha256: row.sha256,
            uri: row.uri,
            retraining: row.retraining,
            registered: row.registered,
            registered_by: row.registered_by,
            lineage: stored_json(&row.lineage),
            has_baseline: !row.baseline.is_empty(),
        });
    }
    let deployments = deployments.into_iter().map(Deployment::from).collect();
    Ok(Json(Registry { model, aliases, versions, deployments }))
}

/// The gate's figures as the version's retraining keeps them.
async fn gate(state: &ApiState, row: &VersionRow) -> Result<Value, Problem> {
    if row.retraining.is_empty() {
        return Ok(Value::Null);
    }
    let retraining = state.store.retraining(&row.retraining).await?;
    let document = retraining.map_or(Value::Null, |row| stored_json(&row.document));
    Ok(document.get("gate").cloned().unwrap_or_default())
}

/// Per cent by version as it was set last: the newest deployment says what its version has, and the champion has what is left.
/// None where nothing was set, or nobody knows: a person who registers or promotes says what serves, and a rollout that failed
/// says nothing.
fn weights(aliases: &BTreeMap<String, String>, deployments: &[DeploymentRow]) -> Option<BTreeMap<String, u32>> {
    let champion = aliases.get(CHAMPION);
    let newest = deployments.iter().find(|row| row.kind != "registered" || row.weight > 0)?;
    // Without a serving target there are promotions, and no steps before them.
    let was_set =
        |row: &DeploymentRow| deployments.iter().any(|step| step.kind == "step" && step.retraining == row.retraining);
    if matches!(newest.kind.as_str(), "registered" | "failed") || (newest.kind == "promoted" && !was_set(newest)) {
        return None;
    }
    let mut weights = BTreeMap::from([(newest.version.clone(), newest.weight.min(100))]);
    if let Some(champion) = champion.filter(|champion| **champion != newest.version) {
        weights.insert(champion.clone(), 100 - newest.weight.min(100));
    }
    Some(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(kind: &str, version: &str, weight: u32) -> DeploymentRow {
        DeploymentRow {
            id: String::new(),
            model: "flights".to_owned(),
            event_time: EventTime::from_micros(0),
            at: WallTime::from_micros(0),
            kind: kind.to_owned(),
            version: version.to_owned(),
            weight,
            retraining: String::new(),
            words: String::new(),
        }
    }

    #[test]
    fn the_champion_has_what_the_candidate_has_not_and_nothing_is_claimed_that_was_not_set() {
        let told = |champion: &str, deployments: &[DeploymentRow]| {
            let aliases = BTreeMap::from([(CHAMPION.to_owned(), champion.to_owned())]);
            let weights = weights(&aliases, deployments)?;
            Some(["1", "2"].map(|version| weights.get(version).copied().unwrap_or_default()))
        };
        let registered = deployment("registered", "2", 0);
        assert_eq!(told("1", std::slice::from_ref(&registered)), None);
        assert_eq!(told("1", &[deployment("registered", "1", 100)]), None);
        assert_eq!(told("1", &[registered, deployment("step", "2", 10)]), Some([90, 10]));
        assert_eq!(told("1", &[deployment("step", "2", 100), deployment("step", "2", 10)]), Some([0, 100]));
        assert_eq!(told("2", &[deployment("promoted", "2", 100), deployment("step", "2", 100)]), Some([0, 100]));
        assert_eq!(told("2", &[deployment("promoted", "2", 100)]), None);
        assert_eq!(told("1", &[deployment("failed", "2", 0), deployment("step", "2", 10)]), None);
        assert_eq!(told("1", &[deployment("cancelled", "2", 0), deployment("step", "2", 10)]), Some([100, 0]));
        assert_eq!(told("1", &[deployment("rolled_back", "2", 0)]), Some([100, 0]));
        assert_eq!(told("1", &[deployment("rolled_back", "1", 100)]), Some([100, 0]));
    }
}
