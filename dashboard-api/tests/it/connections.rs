//! Promise E3: nobody shuts others out by holding connections, headers, bodies or the end. Real sockets; no test sleeps.

use std::time::Duration;

use dashboard_api::{CONCURRENT_REQUESTS, HEADERS_BYTES, Limits, Role};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::filled::MODEL;
use crate::server::{Server, answer};

const SOON: Duration = Duration::from_millis(20);
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const BODY: &str = "{\"reason\":\"decay since June\"}";

/// A connection on which so much was said.
async fn say(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// The head of a command that promises [`BODY`].
fn head(token: &str, more: &str) -> String {
    format!(
        "POST /api/v1/models/{MODEL}/retrain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\n{more}\r\n",
        BODY.len()
    )
}

/// A command that is being answered: its handler waits for the body.
async fn under_way(server: &Server, token: &str, more: &str) -> TcpStream {
    let mut stream = say(server, &head(token, &format!("Expect: 100-continue\r\n{more}"))).await;
    let mut told = vec![0; CONTINUE.len()];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(String::from_utf8(told).unwrap(), CONTINUE);
    stream
}

/// Everything up to the end of the connection, however it ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn e3_headers_that_never_end_are_not_waited_for() {
    let server = Server::limited(Limits { headers_within: SOON, ..Limits::default() }).await;
    for begun in ["", "G", "GET /healthz HTTP/1.1\r\nHost: local"] {
        assert_eq!(rest(&mut say(&server, begun).await).await, "", "{begun}");
    }
}

#[tokio::test]
async fn e3_a_connection_that_asks_nothing_more_is_closed() {
    // As long as this machine may take to send one request.
    let server = Server::limited(Limits { headers_within: Duration::from_secs(2), ..Limits::default() }).await;
    let mut stream = say(&server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn e3_headers_have_a_size() {
    let server = Server::limited(Limits::default()).await;
    let mut text = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ".to_owned();
    text.push_str(&"x".repeat(HEADERS_BYTES - text.len()));
    let told = rest(&mut say(&server, &text).await).await;
    assert!(told.starts_with("HTTP/1.1 431 "), "{told}");
}

#[tokio::test]
async fn e3_a_body_that_never_ends_is_not_waited_for() {
    let server = Server::limited(Limits { body_within: SOON, ..Limits::default() }).await;
    let token = server.token("ann", Role::Operator).await;
    for begun in ["", "{\"reason\":"] {
        let mut stream = say(&server, &(head(&token, "") + begun)).await;
        assert_eq!(answer(&mut stream).await.problem(408), "The body took too long to arrive.");
    }
    let audit = server.store.audit(None, 10).await.unwrap();
    let outcomes: Vec<_> = audit.iter().map(|row| row.outcome.as_str()).collect();
    assert_eq!(outcomes, ["refused: The body took too long to arrive."; 2]);
}

/// Neither a viewer nor a stranger can hold a place by sending slowly: they are answered before their bytes.
#[tokio::test]
async fn e3_who_may_not_do_it_is_not_waited_for() {
    let server = Server::limited(Limits { body_within: Duration::from_hours(1), ..Limits::default() }).await;
    let viewer = server.token("viewer", Role::Viewer).await;
    let tokens = "POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let tokens = format!("{tokens}Authorization: Bearer {viewer}\r\nContent-Length: 100\r\n\r\n");
    let mut waiting = Vec::new();
    for _ in 0..=CONCURRENT_REQUESTS {
        waiting.push((say(&server, &head(&viewer, "")).await, 403));
        waiting.push((say(&server, &head("bw_nobody", "")).await, 401));
    }
    waiting.push((say(&server, &tokens).await, 403));
    for (stream, status) in &mut waiting {
        let told = answer(stream).await;
        // All at once are more than there are places.
        assert!(told.status == *status || told.status == 503, "{}", told.body);
    }
    answer(&mut say(&server, &tokens).await).await.problem(403);
    assert_eq!(server.get("/api/v1/status").await.status, 200);
}

#[tokio::test]
async fn e3_in_a_full_house_the_longest_idle_connection_makes_room() {
    let server = Server::limited(Limits { connections: 3, ..Limits::default() }).await;
    let begun = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let mut first = say(&server, begun).await;
    let mut second = say(&server, begun).await;
    let mut third = say(&server, "").await;
    assert_eq!(server.get("/api/v1/status").await.status, 200);
    assert_eq!(rest(&mut first).await, "");
    // The others were not disturbed.
    second.write_all(b"\r\n").await.unwrap();
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200 OK"));
    third.write_all(format!("{begun}\r\n").as_bytes()).await.unwrap();
    assert!(rest(&mut third).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn e3_a_request_that_is_being_answered_is_not_sent_away() {
    let server = Server::limited(Limits { connections: 1, ..Limits::default() }).await;
    let token = server.token("ann", Role::Operator).await;
    let mut first = under_way(&server, &token, "").await;
    let mut next = say(&server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    first.write_all(BODY.as_bytes()).await.unwrap();
    // It stays open after its answer, and is idle from then on: it goes for the one who waits.
    assert!(rest(&mut first).await.starts_with("HTTP/1.1 202 Accepted"));
    assert!(rest(&mut next).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn e3_the_end_waits_for_running_requests() {
    let server = Server::limited(Limits { end_within: Duration::from_hours(1), ..Limits::default() }).await;
    let token = server.token("ann", Role::Operator).await;
    let mut running = under_way(&server, &token, "").await;
    let idle = say(&server, "").await;
    server.tell_to_stop();
    running.write_all(BODY.as_bytes()).await.unwrap();
    let told = answer(&mut running).await;
    assert_eq!((told.status, &told.json()["state"]), (202, &json!("requested")));
    drop(idle);
    server.stop().await;
}

#[tokio::test]
async fn e3_the_end_waits_for_nobody_for_ever() {
    let forever = Duration::from_hours(1);
    let limits = Limits { end_within: SOON, headers_within: forever, body_within: forever, ..Limits::default() };
    let server = Server::limited(limits).await;
    let token = server.token("ann", Role::Operator).await;
    let _half_a_body = under_way(&server, &token, "").await;
    let _half_a_head = say(&server, "GET /healthz HTTP/1.1\r\nHost: local").await;
    let _nothing = say(&server, "").await;
    server.stop().await;
}
