//! What carries retrainings out: an executor for each model whose contract has `retrain`, and the desk for commands.

use std::sync::Arc;

use anyhow::Context;
use contract::Contract;
use contract::configuration::Configuration;
use monitor::metrics::Metrics;
use monitor::{DeliveryPlan, Monitor, news};
use retrain_trigger::commands::{Desk, Subject};
use retrain_trigger::driver::{Bell, Observer};
use retrain_trigger::effects::{Effects, Folders};
use retrain_trigger::execute::{Executor, abandon};
use store::Store;

use crate::exit::Failure;

/// The parts that the service runs.
pub struct Retraining {
    pub executors: Vec<Executor<Arc<Effects>>>,
    pub desk: Arc<Desk>,
    pub observer: Observer,
}

pub async fn set_up(
    configuration: &Configuration,
    contracts: &[Arc<Contract>],
    store: &Store,
    delivery: &Arc<DeliveryPlan>,
    monitor: &Arc<Monitor>,
    metrics: &Arc<Metrics>,
    bell: &Bell,
) -> Result<Retraining, Failure> {
    let program = std::env::current_exe().context("finding this program's own file").map_err(Failure::dependency)?;
    let folders = Folders { state: configuration.state.clone(), registry: configuration.registry.clone() };
    let mut executors = Vec::new();
    let mut subjects = Vec::new();
    for contract in contracts {
        let effects = Effects::new(store.clone(), contract, folders.clone(), program.clone());
        let effects = Arc::new(effects.map_err(Failure::dependency)?);
        subjects.push(Subject { contract: Arc::clone(contract), import: effects.clone() });
        let tell = news::teller(Arc::clone(contract), Arc::clone(delivery));
        let Some(retrain) = contract.retrain.clone() else {
            abandon(store, &contract.model, &effects, &tell).await.map_err(Failure::dependency)?;
            continue;
        };
        executors.push(Executor::new(&contract.model, Arc::new(retrain), store.clone(), effects).telling(tell));
    }
    let desk = Arc::new(Desk::new(store.clone(), subjects, bell.clone()));
    Ok(Retraining { executors, desk, observer: observer(monitor, metrics) })
}

/// Metrics follow what executors do, and messages that were written are sent at once.
fn observer(monitor: &Arc<Monitor>, metrics: &Arc<Metrics>) -> Observer {
    let (outbox, metrics) = (Arc::clone(&monitor.outbox), Arc::clone(metrics));
    Arc::new(move |ticked| {
        metrics.retraining(&ticked.retraining);
        if ticked.before != ticked.retraining.state {
            if ticked.retraining.state.is_over() {
                metrics.retraining_ended(&ticked.retraining.model, ticked.retraining.state);
            }
            outbox.notify_one();
        }
    })
}
