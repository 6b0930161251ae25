//! Serves the page over made-up rows, to look at it and to take screenshots: `cargo run -p dashboard-api --example
//! serve_test_data [ADDRESS]`. The model's name and owner say that they are test data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test data")]

#[path = "../tests/it/filled.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod filled;

#[path = "../tests/it/decider.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod decider;

use std::sync::Arc;

use dashboard_api::{ApiState, Limits, Readiness, first_token, serve};
use prometheus::{GaugeVec, Opts, Registry};
use store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9465".to_owned());
    let store = Store::in_memory().await.unwrap();
    filled::season(&store).await;
    let registry = Registry::new();
    let metric = contract::metrics::INGEST_LAG;
    let lag = GaugeVec::new(Opts::new(metric.name, metric.help), metric.labels).unwrap();
    registry.register(Box::new(lag.clone())).unwrap();
    lag.with_label_values(&["flights-test-data.predictions", "0"]).set(42.0);
    let state = ApiState {
        store,
        registry,
        readiness: Arc::new(|| Readiness::Ready),
        models: vec![filled::info(filled::MODEL), filled::info(filled::EMPTY)],
        is_open_to_readers: true,
        commands: Arc::new(decider::Decider::default()),
        limits: Limits::default(),
    };
    if let Some(token) = first_token(&state.store).await.unwrap() {
        eprintln!("admin's token: {token}");
    }
    let listener = TcpListener::bind(&address).await.unwrap();
    eprintln!("test data at http://{address}/");
    serve(listener, state, CancellationToken::new()).await;
}
