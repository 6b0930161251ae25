//! `/api/v1/models` and `/api/v1/models/{model}`: how a model is, and how far its shards are.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use contract::metrics::INGEST_LAG;
use contract::{EventTime, WallTime};
use prometheus::proto::MetricFamily;
use serde::Serialize;
use serde_json::Value;
use store::{AlertFilter, AlertRow, ShardRow};

use crate::auth::Role;
use crate::auth::caller::Reader;
use crate::health::{Health, health};
use crate::parameters::known_model;
use crate::problem::Problem;
use crate::routes::retrainings::Retraining;
use crate::routes::stored_json;
use crate::routes::timeline::{self, TimelineWindow};
use crate::state::{ApiState, ModelInfo};

#[derive(Serialize)]
pub(crate) struct Models {
    models: Vec<ModelStatus>,
}

/// A model without its contract.
#[derive(Serialize)]
pub(crate) struct ModelStatus {
    model: String,
    owner: Option<String>,
    window_seconds: u64,
    health: Health,
    latest_window: Option<TimelineWindow>,
    /// The newest window whose performance is judged.
    latest_matured: Option<TimelineWindow>,
    windows: u64,
    quarantined_windows: u64,
    alerts: BTreeMap<String, usize>,
    dead_letters: u64,
    /// Records of the model's topics that wait to be read by this process; none while nothing is known of them.
    lag_records: Option<u64>,
    /// The retraining that is under way, or the newest.
    retraining: Option<Retraining>,
    shards: Vec<Shard>,
}

#[derive(Serialize)]
pub(crate) struct Model {
    #[serde(flatten)]
    status: ModelStatus,
    contract: Value,
}

/// How far a shard is.
#[derive(Serialize)]
struct Shard {
    #[serde(rename = "shard")]
    index: i32,
    shards: i32,
    epoch: u64,
    sequence: u64,
    prediction_watermark: Option<EventTime>,
    label_watermark: Option<EventTime>,
    predictions_idle: bool,
    labels_idle: bool,
    offsets: Value,
    counts: Value,
    updated: WallTime,
}

impl From<ShardRow> for Shard {
    fn from(row: ShardRow) -> Self {
        Self {
            index: row.shard,
            shards: row.shards,
            epoch: row.epoch,
            sequence: row.sequence,
            prediction_watermark: row.prediction_watermark,
            label_watermark: row.label_watermark,
            predictions_idle: row.predictions_idle,
            labels_idle: row.labels_idle,
            offsets: stored_json(&row.offsets),
            counts: stored_json(&row.counts),
            updated: row.updated,
        }
    }
}

pub(crate) async fn list(State(state): State<Arc<ApiState>>) -> Result<Json<Models>, Problem> {
    Ok(Json(Models { models: statuses(&state).await? }))
}

pub(crate) async fn one(
    State(state): State<Arc<ApiState>>,
    Extension(Reader(reader)): Extension<Reader>,
    Path(model): Path<String>,
) -> Result<Json<Model>, Problem> {
    let info = known_model(&state, &model)?;
    let families = state.registry.gather();
    let mut contract = info.contract.clone();
    if reader.is_none_or(|reader| reader.may(Role::Operator).is_err()) {
        mask(&mut contract);
    }
    Ok(Json(Model { status: status(&state, info, &families).await?, contract }))
}

/// Leaves of the trainer its program and the names of its parameters: the rest is for those who may start it.
fn mask(contract: &mut Value) {
    let Some(executor) = contract.pointer_mut("/retrain/executor") else { return };
    if let Some(command) = executor.get_mut("command").and_then(Value::as_array_mut) {
        command.truncate(1);
    }
    if let Some(parameters) = executor.get_mut("parameters").and_then(Value::as_object_mut) {
        parameters.values_mut().for_each(|value| *value = Value::Null);
    }
}

/// All configured models, in the configuration's order.
pub(crate) async fn statuses(state: &ApiState) -> Result<Vec<ModelStatus>, Problem> {
    let families = state.registry.gather();
    let mut models = Vec::new();
    for info in &state.models {
        models.push(status(state, info, &families).await?);
    }
    Ok(models)
}

async fn status(state: &ApiState, info: &ModelInfo, families: &[MetricFamily]) -> Result<ModelStatus, Problem> {
    let store = &state.store;
    let latest = timeline::newest(state, &info.model, None).await?;
    let alerts = store.alerts(&AlertFilter { model: Some(info.model.clone()), ..AlertFilter::default() }).await?;
    let firing: Vec<AlertRow> = alerts.iter().filter(|alert| alert.state == "firing").cloned().collect();
    let counts = store.window_counts(&info.model).await?;
    let dead_letters = store.dead_letter_counts(&info.model).await?;
    let active = store.active_retraining(&info.model).await?;
    let retraining = match active {
        Some(active) => Some(active),
        None => store.retrainings(&info.model, 1).await?.pop(),
    };
    Ok(ModelStatus {
        model: info.model.clone(),
        owner: info.owner.clone(),
        window_seconds: info.window_seconds,
        health: health(latest.as_ref(), &firing),
        latest_matured: timeline::newest(state, &info.model, Some(true)).await?,
        latest_window: latest,
        windows: counts.windows,
        quarantined_windows: counts.quarantined,
        alerts: by_state(&alerts),
        dead_letters: dead_letters.iter().map(|count| count.letters).sum(),
        lag_records: lag_records(families, info),
        retraining: retraining.map(Retraining::from),
        shards: store.shards(&info.model).await?.into_iter().map(Shard::from).collect(),
    })
}

/// The lag of the model's topics, as `/metrics` has it.
fn lag_records(families: &[MetricFamily], info: &ModelInfo) -> Option<u64> {
    let topic = |kind: &str| info.contract.get("sources")?.get(kind)?.get("topic")?.as_str();
    let topics: Vec<&str> = ["predictions", "labels"].into_iter().filter_map(topic).collect();
    let family = families.iter().find(|family| family.name() == INGEST_LAG.name)?;
    let lags = family.get_metric().iter().filter(|metric| {
        metric.get_label().iter().any(|label| label.name() == "topic" && topics.contains(&label.value()))
    });
    lags.map(|metric| metric.get_gauge().get_value().max(0.0) as u64).reduce(u64::saturating_add)
}

fn by_state(alerts: &[AlertRow]) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> =
        ["pending", "firing", "resolved"].into_iter().map(|state| (state.to_owned(), 0)).collect();
    for alert in alerts {
        *counts.entry(alert.state.clone()).or_default() += 1;
    }
    counts
}
