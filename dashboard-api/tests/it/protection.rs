//! Promise E3, limits are reached and said; and the headers that protect a browser.

use dashboard_api::{CONCURRENT_REQUESTS, Role};
use store::Store;
use tokio::task::JoinSet;

use crate::filled;
use crate::server::{Server, request};

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = Server::empty().await;
    for path in
        ["/", "/assets/style.css", "/api/v1/status", "/metrics", "/healthz", "/readyz", "/nothing", "/api/v1/models/x"]
    {
        let answer = server.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
    }
}

#[tokio::test]
async fn paths_and_methods_that_there_are_not_are_problems() {
    let server = Server::empty().await;
    assert!(server.get("/api/v2/status").await.problem(404).contains("/api/v1/status"));
    for method in ["POST", "PUT", "DELETE"] {
        let answer = request(server.address, method, "/api/v1/alerts", &[("Content-Length", "0")]).await;
        let told = answer.problem(405);
        assert_eq!(told, "This path doesn't answer this method; the header Allow has those that it does.");
        assert_eq!(answer.header("allow"), "GET,HEAD");
    }
    let answer = server.get("/api/v1/models/x/retrain").await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), "POST");
}

/// Against pages of other sites whose name leads to this machine.
#[tokio::test]
async fn e2_where_everybody_may_read_only_names_of_this_machine_are_answered() {
    let server = Server::small().await;
    let admin = format!("Bearer {}", server.token("admin", Role::Admin).await);
    for host in ["localhost", "LocalHost:80", "127.0.0.1", "127.0.0.1:9464", "127.8.9.10:1", "[::1]", "[::1]:9464"] {
        assert_eq!(request(server.address, "GET", "/api/v1/status", &[("Host", host)]).await.status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:9464",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example@127.0.0.1.nip.io",
        "192.168.0.1:9464",
        "0.0.0.0:9464",
        "[::2]:9464",
        "::1",
        "",
    ] {
        for path in ["/api/v1/status", "/api/v1/models/flights-test-data", "/metrics", "/", "/nothing"] {
            let headers = [("Host", host), ("Authorization", admin.as_str())];
            let answer = request(server.address, "GET", path, &headers).await;
            assert!(answer.problem(421).contains("localhost"), "{host} {path}");
            assert_eq!(answer.header("x-frame-options"), "DENY");
        }
    }
    // The target's own host stands above the header.
    let named = request(server.address, "GET", "http://evil.example/api/v1/status", &[("Host", "localhost")]).await;
    named.problem(421);
    // Elsewhere a token protects, and the service can't know what it is called.
    let elsewhere = Server::start_with(Store::in_memory().await.unwrap(), vec![], false).await;
    let viewer = format!("Bearer {}", elsewhere.token("viewer", Role::Viewer).await);
    let headers = [("Host", "bellwether.example"), ("Authorization", viewer.as_str())];
    assert_eq!(request(elsewhere.address, "GET", "/api/v1/status", &headers).await.status, 200);
}

#[tokio::test]
async fn e2_reading_needs_a_token_where_strangers_reach_the_listener() {
    let store = Store::in_memory().await.unwrap();
    filled::small(&store).await;
    let server = Server::start_with(store, vec![filled::info(filled::MODEL)], false).await;
    // The page is part of the program; health is for those who restart it.
    for path in ["/", "/assets/timeline.js", "/healthz", "/readyz"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    let viewer = server.token("viewer", Role::Viewer).await;
    for path in [
        "/api/v1/status",
        "/api/v1/models",
        "/api/v1/models/flights-test-data",
        "/api/v1/models/flights-test-data/timeline",
        "/api/v1/models/flights-test-data/versions",
        "/api/v1/findings",
        "/api/v1/alerts",
        "/api/v1/dead-letters",
        "/api/v1/notifications",
        "/api/v1/retrainings",
        "/api/v1/retrainings/flights-test-data-canary-0",
        "/metrics",
    ] {
        let answer = server.get(path).await;
        assert!(answer.problem(401).starts_with("Reading needs a token here"), "{path}");
        assert_eq!(answer.header("etag"), "", "{path}");
        assert_eq!(server.ask("GET", path, Some(&viewer)).await.status, 200, "{path}");
    }
}

/// An open transaction holds the in-memory store's one connection, so that requests stay where they are.
#[tokio::test]
async fn e3_more_requests_than_there_are_places_are_told_to_come_back() {
    const TOO_MANY: usize = 6;
    let server = Server::small().await;
    let transaction = server.store.begin().await.unwrap();
    let mut requests = JoinSet::new();
    for _ in 0..CONCURRENT_REQUESTS + TOO_MANY {
        let address = server.address;
        requests.spawn(async move { request(address, "GET", "/api/v1/retrainings", &[]).await });
    }
    for _ in 0..TOO_MANY {
        let answer = requests.join_next().await.unwrap().unwrap();
        assert_eq!(answer.problem(503), "Too many requests are being answered; try again.");
        assert_eq!(answer.header("retry-after"), "2");
    }
    // A full house isn't a dead one.
    assert_eq!(server.get("/healthz").await.status, 200);
    transaction.rollback().await.unwrap();
    for _ in 0..CONCURRENT_REQUESTS {
        assert_eq!(requests.join_next().await.unwrap().unwrap().status, 200);
    }
    assert!(requests.is_empty());
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_well() {
    let server = Server::empty().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    let address = server.address;
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
