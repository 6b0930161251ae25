//! Webhooks against a real HTTP server on this machine.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use contract::WallTime;
use contract::configuration::{ChannelConfiguration, ChannelKind, Secret, Webhook};
use rules::channels::{Channel, from_configuration};

use crate::scene::notification;

/// `whsec_` and the base64 of 24 bytes.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Status and headers.
type Answer = (u16, Vec<(&'static str, String)>);

/// What to answer, in order (then 200), and what came.
#[derive(Clone, Default)]
struct Receiver {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Receiver {
    async fn start(answers: Vec<Answer>) -> (Self, String) {
        let receiver = Self { answers: Arc::new(Mutex::new(answers.into())), ..Self::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().route("/hook", post(take)).route("/other", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, format!("127.0.0.1:{port}"))
    }

    fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.requests.lock().unwrap().clone()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    receiver.requests.lock().unwrap().push((headers, body));
    let (status, headers) = receiver.answers.lock().unwrap().pop_front().unwrap_or((200, Vec::new()));
    let mut answer = StatusCode::from_u16(status).unwrap().into_response();
    for (name, value) in headers {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    answer
}

fn channel(url: &str, allow_private_addresses: bool) -> Arc<dyn Channel> {
    let webhook = Webhook { url: url.to_owned(), secret: Secret::new(SECRET), allow_private_addresses };
    let configuration = ChannelConfiguration { name: "hook".to_owned(), kind: ChannelKind::Webhook(webhook) };
    from_configuration(&[configuration]).unwrap().remove("hook").unwrap()
}

#[tokio::test]
async fn r3_a_webhook_is_signed_and_an_independent_implementation_verifies_it() {
    let (receiver, address) = Receiver::start(Vec::new()).await;
    channel(&format!("http://{address}/hook"), true).deliver(&notification(), WallTime::now()).await.unwrap();
    let requests = receiver.requests();
    let (headers, body) = &requests[0];
    let verifier = standardwebhooks::Webhook::new(SECRET).unwrap();
    verifier.verify(body, headers).unwrap();
    assert_eq!(headers["webhook-id"].to_str().unwrap(), notification().id);
    assert_eq!(headers["content-type"], "application/json");
    let mut forged = body.to_vec();
    forged[10] ^= 1;
    assert!(verifier.verify(&forged, headers).is_err());
    let other = standardwebhooks::Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    assert!(other.verify(body, headers).is_err());
}

#[tokio::test]
async fn r3_an_attempt_after_a_failure_has_the_same_id_and_a_new_timestamp() {
    let (receiver, address) = Receiver::start(vec![(500, Vec::new())]).await;
    let channel = channel(&format!("http://{address}/hook"), true);
    let first = WallTime::now();
    let error = channel.deliver(&notification(), first).await.unwrap_err();
    assert!(error.is_retryable);
    assert_eq!((error.message.as_str(), error.retry_after), ("the receiver answered 500 Internal Server Error", None));
    channel.deliver(&notification(), first + Duration::from_secs(5)).await.unwrap();
    let requests = receiver.requests();
    let header = |index: usize, name: &str| requests[index].0[name].to_str().unwrap().to_owned();
    assert_eq!(header(0, "webhook-id"), header(1, "webhook-id"));
    let seconds = |index| header(index, "webhook-timestamp").parse::<i64>().unwrap();
    assert_eq!(seconds(1) - seconds(0), 5);
    assert_ne!(header(0, "webhook-signature"), header(1, "webhook-signature"));
}

#[tokio::test]
async fn r3_410_is_the_end_and_redirects_are_not_followed() {
    let redirect = (302, vec![("location", "/other".to_owned())]);
    let (receiver, address) = Receiver::start(vec![(410, Vec::new()), redirect]).await;
    let channel = channel(&format!("http://{address}/hook"), true);
    let gone = channel.deliver(&notification(), WallTime::now()).await.unwrap_err();
    assert!(!gone.is_retryable, "{gone}");
    let moved = channel.deliver(&notification(), WallTime::now()).await.unwrap_err();
    assert!(moved.is_retryable && moved.message.contains("302"), "{moved}");
    assert_eq!(receiver.requests().len(), 2);
}

#[tokio::test]
async fn r3_retry_after_is_honoured() {
    let answers =
        vec![(503, vec![("retry-after", "120".to_owned())]), (429, vec![("retry-after", "never".to_owned())])];
    let (_receiver, address) = Receiver::start(answers).await;
    let channel = channel(&format!("http://{address}/hook"), true);
    let busy = channel.deliver(&notification(), WallTime::now()).await.unwrap_err();
    assert_eq!(busy.retry_after, Some(Duration::from_mins(2)));
    let busy = channel.deliver(&notification(), WallTime::now()).await.unwrap_err();
    assert!(busy.is_retryable && busy.retry_after.is_none());
}

#[tokio::test]
async fn e2_private_addresses_are_refused_by_number_and_by_name() {
    let (receiver, address) = Receiver::start(Vec::new()).await;
    let port = address.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"] {
        let error =
            channel(&format!("http://{host}:{port}/hook"), false).deliver(&notification(), WallTime::now()).await;
        let error = error.unwrap_err();
        assert!(!error.is_retryable && error.message.contains("address is private"), "{host}: {error}");
    }
    assert!(receiver.requests().is_empty());
}

#[tokio::test]
async fn e2_an_unreachable_receiver_is_tried_again_and_its_url_stays_secret() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error =
        channel(&format!("http://{address}/hook?token=s3cret"), true).deliver(&notification(), WallTime::now()).await;
    let error = error.unwrap_err();
    assert!(error.is_retryable && !error.message.contains("s3cret"), "{error}");
    assert!(error.message.starts_with("the receiver could not be reached"), "{error}");
}
