//! The serving target over HTTP: what passes and what lasts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use retrain_trigger::world::{Registered, Traffic, Trouble, World};
use serde_json::{Value, json};

use crate::scene::Scene;

/// A request: method, path, token, body.
type Asked = (String, String, Option<String>, Value);

/// Answers everything the same way, and writes down what it was asked.
struct App {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl App {
    async fn answering(status: u16, body: impl Into<String>) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (kept, body) = (asked.clone(), body.into());
        let answer = move |request: Request| {
            let (kept, body) = (kept.clone(), body.clone());
            async move {
                let token = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
                let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
                let bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
                kept.lock().unwrap().push((method, path, token, serde_json::from_slice(&bytes).unwrap_or_default()));
                let answer: Response = (StatusCode::from_u16(status).unwrap(), body).into_response();
                answer
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn version() -> Registered {
    Registered { version: "2".to_owned(), sha256: "ab".to_owned(), uri: "file:///models/2".to_owned() }
}

fn traffic() -> Traffic {
    let weights = BTreeMap::from([("1".to_owned(), 90), ("2".to_owned(), 10)]);
    Traffic { weights, generation: 4, shadow: Some("1".to_owned()) }
}

#[tokio::test]
async fn the_target_is_asked_as_the_interface_says() {
    let state = json!({
        "model": "flights", "versions": {"1": {"sha256": "aa", "artifact_uri": "file:///models/1"}},
        "traffic": {"weights": {"1": 100}, "generation": 3, "shadow": null},
    });
    let app = App::answering(200, state.to_string()).await;
    let effects = Scene::with_target(&app.url).await.effects();
    let found = effects.target().await.unwrap();
    assert_eq!(found.loaded, BTreeMap::from([("1".to_owned(), "aa".to_owned())]));
    assert_eq!((found.traffic.generation, found.traffic.weights["1"], found.traffic.shadow), (3, 100, None));
    effects.load(&version()).await.unwrap();
    effects.set_traffic(&traffic()).await.unwrap();
    effects.unload("2").await.unwrap();
    let token = Some("Bearer hunter2".to_owned());
    let asked = |method: &str, path: &str, body: Value| (method.to_owned(), path.to_owned(), token.clone(), body);
    assert_eq!(
        app.asked(),
        [
            asked("GET", "/base/v1/models/flights", Value::Null),
            asked(
                "PUT",
                "/base/v1/models/flights/versions/2",
                json!({"artifact_uri": "file:///models/2", "sha256": "ab"})
            ),
            asked(
                "PUT",
                "/base/v1/models/flights/traffic",
                json!({"weights": {"1": 90, "2": 10}, "generation": 4, "shadow": "1"})
            ),
            asked("DELETE", "/base/v1/models/flights/versions/2", Value::Null),
        ]
    );
}

#[tokio::test]
async fn servers_in_difficulties_pass_and_a_wrong_request_lasts() {
    let problem = json!({"title": "Unprocessable", "detail": "the bytes don't match"}).to_string();
    for (status, passes) in
        [(500, true), (503, true), (408, true), (429, true), (400, false), (401, false), (422, false)]
    {
        let app = App::answering(status, problem.clone()).await;
        let effects = Scene::with_target(&app.url).await.effects();
        let troubles = [
            effects.target().await.map(|_| ()),
            effects.load(&version()).await,
            effects.set_traffic(&traffic()).await,
            effects.unload("2").await,
        ];
        for trouble in troubles.map(Result::unwrap_err) {
            assert_eq!(matches!(trouble, Trouble::Passing(_)), passes, "{status}: {trouble}");
            assert!(trouble.to_string().contains("the bytes don't match"), "{trouble}");
            assert!(!trouble.to_string().contains("hunter2"));
        }
    }
}

#[tokio::test]
async fn t1_a_generation_that_was_overtaken_is_looked_at_again() {
    let app = App::answering(409, json!({"detail": "generation 5 stands"}).to_string()).await;
    let effects = Scene::with_target(&app.url).await.effects();
    let trouble = effects.set_traffic(&traffic()).await.unwrap_err();
    assert_eq!(trouble, Trouble::Passing("the target refused traffic of generation 4: generation 5 stands".to_owned()));
    assert!(matches!(effects.unload("2").await, Err(Trouble::Passing(_))), "it has traffic again");
    assert!(matches!(effects.load(&version()).await, Err(Trouble::Lasting(_))), "another artifact by that name");
    // A version that isn't there is unloaded.
    let app = App::answering(404, "").await;
    Scene::with_target(&app.url).await.effects().unload("2").await.unwrap();
}

#[tokio::test]
async fn no_answer_passes_and_an_endless_one_is_cut() {
    let effects = Scene::with_target("http://127.0.0.1:9").await.effects();
    let trouble = effects.target().await.unwrap_err();
    assert!(matches!(&trouble, Trouble::Passing(words) if words.contains("could not be reached")), "{trouble}");
    let app = App::answering(200, "x".repeat((1 << 20) + 1)).await;
    let trouble = Scene::with_target(&app.url).await.effects().target().await.unwrap_err();
    assert!(matches!(&trouble, Trouble::Lasting(words) if words.contains("more than 1048576 bytes")), "{trouble}");
    let app = App::answering(302, "").await;
    assert!(matches!(Scene::with_target(&app.url).await.effects().target().await, Err(Trouble::Lasting(_))));
}
