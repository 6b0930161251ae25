//! The app that serves the model, by HTTP (docs/retraining.md, "A serving app of your own").

use std::collections::BTreeMap;
use std::time::Duration;

use contract::configuration::Secret;
use contract::model;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::world::{Outcome, Registered, TargetState, Traffic, Trouble};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Loading a version is work; so the whole of an answer gets its time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer.
const ANSWER_LIMIT: usize = 1 << 20;
/// Characters kept of a target's own words.
const WORDS: usize = 500;

/// A client of one model's serving target.
pub(super) struct TargetClient {
    client: Client,
    base: Url,
    model: String,
    token: Option<Secret>,
}

/// `GET /v1/models/{model}`.
#[derive(Deserialize)]
struct ModelAnswer {
    #[serde(default)]
    versions: BTreeMap<String, VersionAnswer>,
    traffic: Option<TrafficAnswer>,
}

#[derive(Deserialize)]
struct VersionAnswer {
    sha256: String,
}

#[derive(Deserialize)]
struct TrafficAnswer {
    #[serde(default)]
    weights: BTreeMap<String, u32>,
    #[serde(default)]
    generation: u64,
    shadow: Option<String>,
}

impl TargetClient {
    pub fn new(model: &str, target: &model::Target) -> Result<Self> {
        Self::with_patience(model, target, ANSWER_TIMEOUT)
    }

    fn with_patience(model: &str, target: &model::Target, patience: Duration) -> Result<Self> {
        let base = Url::parse(&target.url).map_err(|_| Error::Client("retrain.target.url can't be read".to_owned()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(Error::Client("retrain.target.url is no URL of HTTP".to_owned()));
        }
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(patience)
            .redirect(Policy::none())
            .user_agent(concat!("Bellwether/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Client(error.without_url().to_string()))?;
        Ok(Self { client, base, model: model.to_owned(), token: target.token.clone() })
    }

    pub async fn state(&self) -> Outcome<TargetState> {
        let (status, body) = self.call(Method::GET, &[], None).await?;
        if status != StatusCode::OK {
            return Err(refusal("asked for its state", status, &body));
        }
        let answer: ModelAnswer = serde_json::from_slice(&body)
            .map_err(|error| Trouble::Lasting(format!("the target's state can't be read: {error}")))?;
        let traffic = answer.traffic.map(|traffic| Traffic {
            weights: traffic.weights,
            generation: traffic.generation,
            shadow: traffic.shadow,
        });
        let loaded = answer.versions.into_iter().map(|(version, answer)| (version, answer.sha256)).collect();
        Ok(TargetState { loaded, traffic: traffic.unwrap_or_default() })
    }

    pub async fn load(&self, version: &Registered) -> Outcome<()> {
        let body = json!({ "artifact_uri": version.uri, "sha256": version.sha256 });
        let (status, answer) = self.call(Method::PUT, &["versions", &version.version], Some(&body)).await?;
        if status.is_success() {
            return Ok(());
        }
        Err(refusal(&format!("asked to load version {}", version.version), status, &answer))
    }

    pub async fn set_traffic(&self, traffic: &Traffic) -> Outcome<()> {
        let body = json!(traffic);
        let (status, answer) = self.call(Method::PUT, &["traffic"], Some(&body)).await?;
        match status {
            status if status.is_success() => Ok(()),
            // Someone else has set it: the planner looks again.
            StatusCode::CONFLICT => Err(Trouble::Passing(format!(
                "the target refused traffic of generation {}: {}",
                traffic.generation,
                words(&answer)
            ))),
            status => Err(refusal("asked to split the traffic", status, &answer)),
        }
    }

    pub async fn unload(&self, version: &str) -> Outcome<()> {
        let (status, answer) = self.call(Method::DELETE, &["versions", version], None).await?;
        match status {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            // It has traffic again: the planner looks again.
            StatusCode::CONFLICT => {
                Err(Trouble::Passing(format!("the target keeps version {version}: {}", words(&answer))))
            }
            status => Err(refusal(&format!("asked to unload version {version}"), status, &answer)),
        }
    }

    /// One request, and its answer of at most [`ANSWER_LIMIT`]. An error is: no answer.
    async fn call(&self, method: Method, path: &[&str], body: Option<&Value>) -> Outcome<(StatusCode, Vec<u8>)> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["v1", "models", &self.model]).extend(path);
        }
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.reveal());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(no_answer)?;
        let status = response.status();
        Ok((status, read(response).await?))
    }
}

async fn read(mut response: Response) -> Outcome<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_LIMIT {
            return Err(Trouble::Lasting(format!("the target answered with more than {ANSWER_LIMIT} bytes")));
        }
    }
    Ok(body)
}

/// The URL may hold a secret and is left out.
fn no_answer(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let what = if error.is_timeout() { "did not answer in time" } else { "could not be reached" };
    Trouble::Passing(format!("the target {what}: {message}"))
}

/// An answer that says no: a server in difficulties may say yes later, a request that is wrong stays wrong.
fn refusal(asked: &str, status: StatusCode, body: &[u8]) -> Trouble {
    let message = format!("the target, {asked}, answered {status}: {}", words(body));
    let may_pass =
        status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if may_pass { Trouble::Passing(message) } else { Trouble::Lasting(message) }
}

/// The detail of a problem (RFC 9457), or its title.
fn words(body: &[u8]) -> String {
    let problem: Option<Value> = serde_json::from_slice(body).ok();
    let detail = problem.as_ref().and_then(|problem| problem.get("detail").or_else(|| problem.get("title")));
    let detail = detail.and_then(Value::as_str).unwrap_or("it did not say why");
    contract::printable(detail).chars().take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_target_that_hangs_passes_and_urls_that_cannot_work_are_refused_unprinted() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = |url: String| model::Target { url, token: None };
        let hangs = target(format!("http://{}", listener.local_addr().unwrap()));
        let client = TargetClient::with_patience("m", &hangs, Duration::from_millis(100)).unwrap();
        let trouble = client.state().await.unwrap_err();
        assert!(matches!(&trouble, Trouble::Passing(words) if words.contains("did not answer in time")), "{trouble}");
        for url in ["hunter2", "ftp://hunter2", "mailto:hunter2"] {
            let error = TargetClient::new("m", &target(url.to_owned())).err().unwrap().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
