//! `/api/v1/models` and `/api/v1/models/{model}`

use contract::metrics::INGEST_LAG;
use dashboard_api::{ModelInfo, Role};
use prometheus::{GaugeVec, Opts};
use serde_json::{Value, json};
use store::{Figures, Store, WindowRow};

use crate::filled::{self, EMPTY, MODEL};
use crate::server::Server;

#[tokio::test]
async fn a_model_without_windows_waits() {
    let server = Server::empty().await;
    let models = server.json("/api/v1/models").await["models"].clone();
    assert_eq!(models.as_array().unwrap().len(), 2);
    assert_eq!(models[0]["model"], MODEL);
    assert_eq!(models[0]["health"], json!({ "state": "waiting", "words": "Waiting for the first window to close." }));
    assert_eq!(models[0]["latest_window"], Value::Null);
    assert_eq!(models[0]["lag_records"], Value::Null);
    assert_eq!(models[0]["alerts"], json!({ "pending": 0, "firing": 0, "resolved": 0 }));
}

#[tokio::test]
async fn e4_a_model_tells_its_health_progress_and_contract() {
    let server = Server::small().await;
    let model = server.json(&format!("/api/v1/models/{MODEL}")).await;
    assert_eq!(model["health"]["state"], "alerting");
    assert_eq!(model["health"]["words"], "One alert fires since 2013-03-01: PerformanceDecay.");
    assert_eq!((&model["windows"], &model["dead_letters"]), (&json!(1), &json!(1)));
    assert_eq!(model["latest_matured"]["log_loss"], 0.61);
    assert_eq!(model["alerts"]["firing"], 1);
    assert_eq!(model["retraining"]["state"], "canary");
    assert_eq!(model["shards"][0]["prediction_watermark"], "2013-03-02T23:30:00Z");
    assert_eq!(model["shards"][0]["counts"]["predictions"]["accepted"], 49_480);
    assert_eq!(model["contract"]["sources"]["labels"]["topic"], "flights-test-data.labels");
    // The list leaves the contract out.
    assert_eq!(server.json("/api/v1/models").await["models"][0]["contract"], Value::Null);
}

#[tokio::test]
async fn the_newest_matured_window_is_found_behind_many_that_are_not() {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    for day in 0..150 {
        let row = WindowRow { matured: day == 0, ..filled::window_row(MODEL, "1", day, &Figures::default()) };
        transaction.upsert_window(&row).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let model = server.json(&format!("/api/v1/models/{MODEL}")).await;
    assert_eq!(model["latest_matured"]["start"], filled::window(0).start.to_string());
    assert_eq!(model["latest_window"]["start"], filled::window(149).start.to_string());
}

#[tokio::test]
async fn e4_lag_is_that_of_the_models_own_topics() {
    let server = Server::empty().await;
    let lag = GaugeVec::new(Opts::new(INGEST_LAG.name, INGEST_LAG.help), INGEST_LAG.labels).unwrap();
    server.registry.register(Box::new(lag.clone())).unwrap();
    for (topic, partition, records) in
        [("flights-test-data.predictions", "0", 5.0), ("flights-test-data.labels", "1", 7.0), ("else", "0", 100.0)]
    {
        lag.with_label_values(&[topic, partition]).set(records);
    }
    assert_eq!(server.json(&format!("/api/v1/models/{MODEL}")).await["lag_records"], 12);
    assert_eq!(server.json(&format!("/api/v1/models/{EMPTY}")).await["lag_records"], Value::Null);
}

#[tokio::test]
async fn an_unknown_model_is_a_problem_that_names_the_known_ones() {
    let server = Server::empty().await;
    let told = server.get("/api/v1/models/flight").await.problem(404);
    assert_eq!(told, "There is no model `flight`; there is: flights-test-data, loans-test-data.");
    server.get("/api/v1/models/%3Cscript%3E").await.problem(404);
}

#[tokio::test]
async fn a_fault_in_the_newest_window_is_told_in_words() {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    let row = filled::window_row(MODEL, "1", 4, &Figures::default());
    transaction.upsert_window(&WindowRow { quarantined: true, ..row }).await.unwrap();
    let finding = filled::finding(MODEL, 4, "temp", "unit_change", contract::Severity::Critical);
    let fault = Some(contract::Fault::UnitChange);
    transaction.upsert_finding(&contract::Finding { fault, ..finding }).await.unwrap();
    transaction.commit().await.unwrap();
    let health = server.json(&format!("/api/v1/models/{MODEL}")).await["health"].clone();
    assert_eq!(health["state"], "fault");
    assert_eq!(health["words"], "The newest window looks like a pipeline fault (unit_change).");
}

#[tokio::test]
async fn e2_how_a_trainer_is_started_is_for_those_who_may_start_it() {
    let executor = json!({
        "command": ["train.py", "--registry", "https://user:secret@example.org"],
        "parameters": { "epochs": 20, "notify": { "hook": "a-secret-hook" } },
        "attempts": 3,
    });
    let mut contract = filled::info(MODEL).contract;
    contract["retrain"] = json!({ "executor": executor });
    let info = ModelInfo { contract, ..filled::info(MODEL) };
    let server = Server::start(Store::in_memory().await.unwrap(), vec![info]).await;
    let path = format!("/api/v1/models/{MODEL}");
    let masked = json!({ "command": ["train.py"], "parameters": { "epochs": null, "notify": null }, "attempts": 3 });
    for (role, expected) in [
        (None, &masked),
        (Some(Role::Viewer), &masked),
        (Some(Role::Operator), &executor),
        (Some(Role::Admin), &executor),
    ] {
        let token = match role {
            Some(role) => Some(server.token(role.name(), role).await),
            None => None,
        };
        let answer = server.ask("GET", &path, token.as_deref()).await;
        assert_eq!(&answer.json()["contract"]["retrain"]["executor"], expected, "{role:?}");
    }
}
