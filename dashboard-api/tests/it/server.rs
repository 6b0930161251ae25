//! The real server on a free port, and a client of a few lines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dashboard_api::{ApiState, Limits, ModelInfo, Readiness, Role, serve};
use prometheus::Registry;
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::{Store, TokenRow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::decider::Decider;
use crate::filled;

pub struct Server {
    pub store: Store,
    pub registry: Registry,
    /// What `/readyz` is told is missing.
    pub missing: Arc<Mutex<Vec<String>>>,
    /// Hears every command that is let through.
    pub decider: Arc<Decider>,
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
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

    /// On a loopback listener: reading is open.
    pub async fn start(store: Store, models: Vec<ModelInfo>) -> Self {
        Self::start_with(store, models, true).await
    }

    pub async fn start_with(store: Store, models: Vec<ModelInfo>, is_open_to_readers: bool) -> Self {
        Self::start_within(store, models, is_open_to_readers, Limits::default()).await
    }

    /// Empty, with limits that a test can reach.
    pub async fn limited(limits: Limits) -> Self {
        let models = vec![filled::info(filled::MODEL)];
        Self::start_within(Store::in_memory().await.unwrap(), models, true, limits).await
    }

    async fn start_within(store: Store, models: Vec<ModelInfo>, is_open_to_readers: bool, limits: Limits) -> Self {
        let missing = Arc::new(Mutex::new(Vec::<String>::new()));
        let told = Arc::clone(&missing);
        let readiness = move || match told.lock().unwrap().clone() {
            reasons if reasons.is_empty() => Readiness::Ready,
            reasons => Readiness::NotReady(reasons),
        };
        let registry = Registry::new();
        let decider = Arc::new(Decider::default());
        let state = ApiState {
            store: store.clone(),
            registry: registry.clone(),
            readiness: Arc::new(readiness),
            models,
            is_open_to_readers,
            commands: Arc::clone(&decider) as _,
            limits,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, state, stop.clone()));
        Self { store, registry, missing, decider, address, stop, task }
    }

    /// A token of that name and role, as the store would have it.
    pub async fn token(&self, name: &str, role: Role) -> String {
        let token = format!("bw_{}", URL_SAFE_NO_PAD.encode(Sha256::digest(name)));
        let mut transaction = self.store.begin().await.unwrap();
        let row = TokenRow {
            name: name.to_owned(),
            role: role.name().to_owned(),
            sha256: format!("{:x}", Sha256::digest(&token)),
            created: filled::wall(0),
            created_by: String::new(),
            revoked: None,
        };
        assert!(transaction.insert_token(&row).await.unwrap(), "{name}");
        transaction.commit().await.unwrap();
        token
    }

    pub async fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path, &[]).await
    }

    /// A request without a body.
    pub async fn ask(&self, method: &str, path: &str, token: Option<&str>) -> Answer {
        let bearer = format!("Bearer {}", token.unwrap_or_default());
        let header = [("Authorization", bearer.as_str())];
        request(self.address, method, path, if token.is_some() { &header } else { &[] }).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", token.unwrap_or_default());
        let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        let headers = if token.is_some() { &headers[..] } else { &headers[..1] };
        send(self.address, "POST", path, headers, &body.to_string()).await
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

    /// What [`Server::stop`] does, without waiting for the end.
    pub fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// One request on a connection of its own.
pub async fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    exchange(address, method, path, headers, "").await
}

/// The same with a body.
pub async fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let length = body.len().to_string();
    exchange(address, method, path, &[headers, &[("Content-Length", length.as_str())]].concat(), body).await
}

async fn exchange(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut lines = vec![format!("{method} {path} HTTP/1.1"), "Connection: close".to_owned()];
    if !headers.iter().any(|(name, _)| *name == "Host") {
        lines.push(format!("Host: {address}"));
    }
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let text = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
    // A server that refuses a body doesn't read it: then its answer matters, and not that writing or reading broke.
    let _ = stream.write_all(text.as_bytes()).await;
    answer(&mut stream).await
}

/// What comes until the other side closes.
pub async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
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
