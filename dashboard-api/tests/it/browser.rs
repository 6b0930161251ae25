//! The page in a real browser. Where no Chromium is installed these tests say that they were skipped.

use std::process::Stdio;

use store::Store;
use tokio::process::Command;

use crate::filled::{self, EMPTY, MODEL};
use crate::server::Server;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The document as it stands after the page's scripts have run; None where there is no browser.
async fn document(address: &str) -> Option<String> {
    let paths = std::env::var_os("PATH")?;
    let browser = std::env::split_paths(&paths)
        .flat_map(|folder| BROWSERS.map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file())?;
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--window-size=1400,1000"])
        .arg("--virtual-time-budget=3000")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(address)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "the browser ended with {}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}

#[expect(clippy::print_stdout, reason = "a test that did nothing must say so")]
fn skipped() {
    println!("skipped: no Chromium is installed");
}

/// The part of the document from one id to the end of the element that `end` closes.
fn part<'a>(document: &'a str, id: &str, end: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} after {id}")).0
}

#[tokio::test]
async fn the_page_draws_windows_alerts_and_findings() {
    let store = Store::in_memory().await.unwrap();
    filled::season(&store).await;
    let server = Server::start(store, vec![filled::info(MODEL), filled::info(EMPTY)]).await;
    let fault = "window=2013-05-10T00%3A00%3A00Z";
    let Some(page) = document(&format!("http://{}/#model={MODEL}&{fault}", server.address)).await else {
        skipped();
        return;
    };
    assert!(part(&page, "problem", "</p>").contains("hidden"), "{}", part(&page, "problem", "</p>"));
    assert!(part(&page, "live", "</p>").ends_with(">live"));
    assert!(part(&page, "health-words", "</p>").contains(">2013-06-09</span>: PerformanceDecay."));
    // Three windows without labels leave no figure, three are hollow or missing; every day has its bar.
    assert_eq!(part(&page, "volume", "</figure>").matches("class=\"unlabelled\"").count() as i64, filled::DAYS);
    let performance = part(&page, "performance", "</figure>");
    assert_eq!(performance.matches("class=\"point hollow\"").count(), 2);
    assert!(performance.matches("class=\"over critical\"").count() > 3);
    assert_eq!(part(&page, "drift", "</figure>").matches("class=\"cell fault\"").count(), 8);
    let lanes = part(&page, "alerts-lanes", "</figure>");
    for seen in ["alert firing page", "alert resolved page", "alert pending ticket", "mark vetoed", "mark requested"] {
        assert!(lanes.contains(seen), "{seen}");
    }
    assert_eq!(lanes.matches("class=\"deployment ").count(), 3, "a line in every panel");
    assert!(performance.contains(">v2 10 %<") && performance.contains(">v2 50 %<"), "{performance}");
    assert!(performance.matches("class=\"other\"").count() >= 3);
    assert!(part(&page, "findings", "</ol>").contains("looks like celsius where fahrenheit is declared"));
    assert!(part(&page, "crosshair", "</div>").contains("aria-valuetext=\"18 June 2013"));
    assert!(part(&page, "letters", "</section>").contains("missing field"));
    assert!(part(&page, "notifications", "</section>").contains("connection refused"));
    assert!(!page.contains("NaN") && !page.contains("undefined"), "a figure that isn't one");
}

#[tokio::test]
async fn the_page_tells_how_far_a_retraining_is() {
    let store = Store::in_memory().await.unwrap();
    filled::season(&store).await;
    let server = Server::start(store, vec![filled::info(MODEL)]).await;
    let Some(page) = document(&format!("http://{}/", server.address)).await else {
        skipped();
        return;
    };
    let panel = part(&page, "retraining", "</section>");
    let steps = part(panel, "retraining-steps", "</ol>");
    assert_eq!((steps.matches("class=\"done\"").count(), steps.matches("class=\"ahead\"").count()), (5, 4), "{steps}");
    assert!(steps.contains("class=\"now\" aria-current=\"step\">10 %<"), "{steps}");
    let words = part(panel, "retraining-words", "</p>");
    assert!(words.ends_with(">Rule PerformanceDecay fired. Waits for labels of the canary's events."), "{words}");
    let figures = part(panel, "retraining-figures", "</dl>");
    for seen in [
        "50,107 labelled",
        "0.513 against 0.554",
        "difference −0.041 (−0.063 to −0.019)",
        "10 % to the candidate",
        "no harm so far, and not enough to be sure",
        "by day −0.028 (−0.071 to +0.015)",
        "712 of the candidate, 6,404 of the stable version",
        "0.270 against 0.240",
    ] {
        assert!(figures.contains(seen), "{seen}: {figures}");
    }
    let versions = part(panel, "versions", "</table>");
    assert!(
        versions.contains(">champion<") && versions.contains(">challenger<") && versions.contains("50 %"),
        "{versions}"
    );
    assert!(!page.contains("NaN") && !page.contains("undefined"), "a figure that isn't one");
}

#[tokio::test]
async fn e2_a_page_that_is_not_let_in_asks_for_a_token() {
    let store = Store::in_memory().await.unwrap();
    filled::season(&store).await;
    let server = Server::start_with(store, vec![filled::info(MODEL)], false).await;
    let Some(page) = document(&format!("http://{}/", server.address)).await else {
        skipped();
        return;
    };
    assert!(!part(&page, "token", ">").contains("hidden"));
    assert!(part(&page, "token-why", "</p>").contains("Reading needs a token here."));
    assert!(!page.contains(MODEL), "nothing is shown");
}

#[tokio::test]
async fn e4_an_empty_page_says_what_to_do() {
    let server = Server::start(Store::in_memory().await.unwrap(), vec![filled::info(EMPTY)]).await;
    let Some(page) = document(&format!("http://{}/", server.address)).await else {
        skipped();
        return;
    };
    let empty = part(&page, "empty", "</section>");
    assert!(empty.contains("No event has been read yet.") && empty.contains("loans-test-data.predictions"), "{empty}");
    assert!(part(&page, "timeline", ">").contains("hidden"));

    let none = Server::start(Store::in_memory().await.unwrap(), Vec::new()).await;
    let page = document(&format!("http://{}/", none.address)).await.unwrap();
    assert!(part(&page, "empty", "</section>").contains("No model is configured."));
}

#[tokio::test]
async fn e2_names_that_look_like_markup_stay_text() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let evil = "<img src=x onerror=\"document.title='owned'\">";
    transaction.upsert_window(&filled::window_row(MODEL, "1", 0, &store::Figures::default())).await.unwrap();
    let finding = filled::finding(MODEL, 0, evil, "psi", contract::Severity::Warning);
    transaction.upsert_finding(&contract::Finding { explanation: evil.to_owned(), ..finding }).await.unwrap();
    transaction.upsert_alert(&filled::alert(MODEL, evil, evil, (0, Some(0), None))).await.unwrap();
    transaction.insert_dead_letters(&[filled::dead_letter(MODEL, 1, "wrong_type", evil)]).await.unwrap();
    transaction.insert_retraining(&filled::retraining(MODEL, "training", 0, evil, evil)).await.unwrap();
    transaction.insert_version(&filled::version(MODEL, evil, evil, "")).await.unwrap();
    transaction.insert_deployment(&filled::deployment(MODEL, 0, "canary", evil, 10)).await.unwrap();
    transaction.commit().await.unwrap();
    let server = Server::start(store, vec![filled::info(MODEL)]).await;
    let Some(page) = document(&format!("http://{}/", server.address)).await else {
        skipped();
        return;
    };
    assert!(page.contains("&lt;img src=x"), "the text is shown");
    assert!(!page.contains("<img") && !page.contains("<title>owned"));
}
