//! The real server on a free port, and a client of a few lines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use dashboard_api::{ApiState, Error, ModelInfo, Readiness, serve};
use prometheus::Registry;
use serde_json::Value;
use store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::filled;

pub struct Server {
    pub store: Store,
    pub registry: Registry,
    /// What `/readyz` is told is missing.
    pub missing: Arc<Mutex<Vec<String>>>,
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Asserts problem details of that status; answers with their sentence.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"), "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()));
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Server {
    /// An empty store, and the two models of the tests.
    pub async fn empty() -> Self {
        let models = vec![filled::info(filled::MODEL), filled::info(filled::EMPTY)];
        Self::start(Store::in_memory().await.unwrap(), models).await
    }

    /// One row of everything.
    pub async fn small() -> Self {
        let server = Self::empty().await;
        filled::small(&server.store).await;
        server
    }

    pub async fn start(store: Store, models: Vec<ModelInfo>) -> Self {
        let missing = Arc::new(Mutex::new(Vec::<String>::new()));
        let told = Arc::clone(&missing);
        let readiness = move || match told.lock().unwrap().clone() {
            reasons if reasons.is_empty() => Readiness::Ready,
            reasons => Readiness::NotReady(reasons),
        };
        let registry = Registry::new();
        let state =
            ApiState { store: store.clone(), registry: registry.clone(), readiness: Arc::new(readiness), models };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, state, stop.clone()));
        Self { store, registry, missing, address, stop, task }
    }

    pub async fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path, &[]).await
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "application/json"),
            "{path}: {}",
            answer.body
        );
        answer.json()
    }

    pub async fn stop(self) -> Result<(), Error> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

/// One request on a connection of its own.
pub async fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut lines = vec![format!("{method} {path} HTTP/1.1"), "Host: test".to_owned(), "Connection: close".to_owned()];
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let text = format!("{}\r\n\r\n", lines.join("\r\n"));
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    assert!(!headers.contains_key("transfer-encoding"), "this client reads no chunks");
    Answer { status, headers, body: body.to_owned() }
}
