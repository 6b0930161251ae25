//! `bellwether run`: the service. Every task is joined; the first that fails stops the others.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use contract::configuration::read_configuration;
use dashboard_api::{ApiState, Limits, ModelInfo, Readiness};
use monitor::delivery::Delivery;
use monitor::metrics::Metrics;
use monitor::{DeliveryPlan, Monitor};
use prometheus::Registry;
use retrain_trigger::driver::Bell;
use store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{executors, setup};
use crate::exit::{Failure, Outcome};

pub async fn execute(config: &Path) -> Outcome {
    let configuration = read_configuration(config).map_err(|errors| setup::bad(&errors))?;
    let contracts = setup::contracts(&configuration).map_err(|errors| setup::bad(&errors))?;
    let contracts: Vec<_> = contracts.into_iter().map(Arc::new).collect();
    rules::channels::install_tls_provider();
    let store = open_store(&configuration.database).await?;
    let listener = TcpListener::bind(configuration.listen)
        .await
        .with_context(|| format!("listening on {}", configuration.listen))
        .map_err(Failure::dependency)?;
    let address = listener.local_addr().context("the listening address").map_err(Failure::dependency)?;
    let registry = registry().map_err(Failure::dependency)?;
    let metrics = Arc::new(Metrics::register(&registry).map_err(Failure::dependency)?);
    let delivery = DeliveryPlan {
        routes: configuration.routes.clone(),
        channels: configuration.channels.iter().map(|channel| channel.name.clone()).collect(),
        // "All interfaces" is no address that a reader could open.
        page: (!address.ip().is_unspecified()).then(|| format!("http://{address}/")),
    };
    say_first_token(&store).await?;
    let delivery = Arc::new(delivery);
    let monitors = setup::monitors(&contracts, &store, &delivery, true).await?;
    let monitor = Arc::new(Monitor::new(store.clone(), monitors, Arc::clone(&metrics)));
    let health = Arc::new(ingest::kafka::Health::default());
    let bell = Bell::default();
    let retraining =
        executors::set_up(&configuration, &contracts, &store, &delivery, &monitor, &metrics, &bell).await?;
    let stop = CancellationToken::new();
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();

    let stopped = stop.clone();
    let executors::Retraining { executors, desk, observer } = retraining;
    tasks.spawn(async move {
        retrain_trigger::driver::run(executors, bell, observer, stopped).await;
        Ok(())
    });

    let deliverer = Delivery {
        store: store.clone(),
        channels: rules::channels::from_configuration(&configuration.channels).map_err(Failure::input)?,
        metrics: Arc::clone(&metrics),
        outbox: Arc::clone(&monitor.outbox),
    };
    let stopped = stop.clone();
    tasks.spawn(async move { deliverer.run(stopped).await.context("delivering notifications") });

    let state = ApiState {
        store: store.clone(),
        registry: registry.clone(),
        readiness: readiness(&health),
        models: contracts.iter().map(|contract| ModelInfo::from(contract.as_ref())).collect(),
        // Behind loopback there are only this machine's users.
        is_open_to_readers: address.ip().is_loopback(),
        commands: desk,
        limits: Limits::default(),
    };
    let stopped = stop.clone();
    tasks.spawn(async move {
        dashboard_api::serve(listener, state, stopped).await;
        Ok(())
    });

    let stopped = stop.clone();
    tasks.spawn(async move {
        let sink: Arc<dyn ingest::Sink> = monitor;
        ingest::kafka::run(contracts, &configuration, sink, &registry, health, stopped).await.context("reading Kafka")
    });
    tracing::info!("Bellwether {} serves http://{address}/", env!("CARGO_PKG_VERSION"));
    join(tasks, stop).await
}

/// Opens the database; its folder is made when it is missing.
async fn open_store(database: &Path) -> Result<Store, Failure> {
    if let Some(folder) = database.parent() {
        let made = std::fs::create_dir_all(folder);
        made.with_context(|| format!("making the folder {}", folder.display())).map_err(Failure::dependency)?;
    }
    Store::open(database).await.map_err(Failure::dependency)
}

/// Waits for a signal or for the first task that ends, then stops all.
async fn join(mut tasks: JoinSet<anyhow::Result<()>>, stop: CancellationToken) -> Outcome {
    let first = tokio::select! {
        result = tasks.join_next() => result,
        signal = wait_for_signal() => {
            tracing::info!("{signal}: stopping");
            None
        }
    };
    stop.cancel();
    let mut results: Vec<_> = first.into_iter().collect();
    while let Some(result) = tasks.join_next().await {
        results.push(result);
    }
    for result in results {
        result.context("a task of the service").and_then(|outcome| outcome).map_err(failure)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What ended the service: a setting that its owner must mend, or something that it depends on.
fn failure(error: anyhow::Error) -> Failure {
    match error.downcast_ref::<ingest::Error>().map(ingest::Error::class) {
        Some(ingest::Class::User) => Failure::input(error),
        _ => Failure::dependency(error),
    }
}

async fn wait_for_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return "interrupted";
    };
    tokio::select! {
        _ = terminate.recv() => "terminated",
        _ = tokio::signal::ctrl_c() => "interrupted",
    }
}

fn registry() -> anyhow::Result<Registry> {
    let registry = Registry::new();
    let metric = contract::metrics::BUILD_INFO;
    let info = prometheus::GaugeVec::new(prometheus::Opts::new(metric.name, metric.help), metric.labels)?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION"), option_env!("BELLWETHER_REVISION").unwrap_or("unknown")])
        .set(1.0);
    registry.register(Box::new(info))?;
    Ok(registry)
}

fn readiness(health: &Arc<ingest::kafka::Health>) -> Arc<dyn Fn() -> Readiness + Send + Sync> {
    let health = Arc::clone(health);
    Arc::new(move || {
        let reasons = health.reasons();
        if reasons.is_empty() { Readiness::Ready } else { Readiness::NotReady(reasons) }
    })
}

/// The first start makes a token that may do everything, and says it once: only its hash is kept.
#[expect(clippy::print_stderr, reason = "the log may go elsewhere, and must not hold tokens")]
async fn say_first_token(store: &Store) -> Result<(), Failure> {
    if let Some(token) = dashboard_api::first_token(store).await.map_err(Failure::dependency)? {
        eprintln!(
            "first start: admin token {token}\nIt is not shown again. Put it into a file that only you can read, and name that file by --token-file \
             or BELLWETHER_TOKEN_FILE."
        );
    }
    Ok(())
}
