//! `/` and `/assets/{file}`

use crate::server::{Server, request};

#[tokio::test]
async fn the_page_and_everything_that_it_names_are_served() {
    let server = Server::empty().await;
    let page = server.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    for (file, kind) in [
        ("style.css", "text/css; charset=utf-8"),
        ("timeline.js", "text/javascript; charset=utf-8"),
        ("panels.js", "text/javascript; charset=utf-8"),
        ("drawing.js", "text/javascript; charset=utf-8"),
        ("tables.js", "text/javascript; charset=utf-8"),
        ("retraining.js", "text/javascript; charset=utf-8"),
        ("service.js", "text/javascript; charset=utf-8"),
        ("words.js", "text/javascript; charset=utf-8"),
    ] {
        let asset = server.get(&format!("/assets/{file}")).await;
        assert_eq!((asset.status, asset.header("content-type")), (200, kind), "{file}");
        // Data become text nodes: none of the ways in which text becomes markup or code is used.
        for way in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"]
        {
            assert!(!asset.body.contains(way), "{file} uses {way}");
        }
        for import in asset.body.lines().filter_map(|line| line.split_once("from \"./")) {
            let name = import.1.trim_end_matches("\";");
            assert_eq!(server.get(&format!("/assets/{name}")).await.status, 200, "{file} imports {name}");
        }
    }
    server.get("/assets/..%2fCargo.toml").await.problem(404);
}

#[tokio::test]
async fn e2_the_page_loads_nothing_from_elsewhere() {
    let server = Server::empty().await;
    let page = server.get("/").await.body;
    for tag in ["src=\"", "href=\""] {
        for target in page.split(tag).skip(1).filter_map(|rest| rest.split('"').next()) {
            let is_here = ["assets/", "api/", "metrics", "#", "data:"].iter().any(|start| target.starts_with(start));
            assert!(is_here, "{target}");
        }
    }
    // The policy forbids scripts and styles in the page itself.
    assert!(!page.contains("style=\"") && !page.contains("<style") && !page.contains(" onclick"));
    assert_eq!(page.matches("<script").count(), 1);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let server = Server::small().await;
    for path in ["/", "/assets/style.css", "/api/v1/status", "/api/v1/alerts?limit=5"] {
        let first = server.get(path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 18, "{path}: {tag}");
        assert_eq!(first.header("cache-control"), "no-cache");
        let second = request(server.address, "GET", path, &[("If-None-Match", &tag)]).await;
        assert_eq!((second.status, second.body.as_str(), second.header("etag")), (304, "", tag.as_str()), "{path}");
        let other = request(server.address, "GET", path, &[("If-None-Match", "\"0000000000000000\"")]).await;
        assert_eq!((other.status, other.body.len()), (200, first.body.len()), "{path}");
    }
}

#[tokio::test]
async fn what_has_changed_is_sent_again() {
    let server = Server::empty().await;
    let tag = server.get("/api/v1/alerts").await.header("etag").to_owned();
    crate::filled::small(&server.store).await;
    let answer = request(server.address, "GET", "/api/v1/alerts", &[("If-None-Match", &tag)]).await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("etag"), tag);
}
