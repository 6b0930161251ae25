//! `/`: one page that shows a model's timeline. Its files are part of the program.

use axum::extract::Path;
use axum::http::{HeaderName, header};

use crate::problem::Problem;

type File = ([(HeaderName, &'static str); 1], &'static str);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What `/assets/` holds: name, type, text.
const ASSETS: &[(&str, &str, &str)] = &[
    ("style.css", CSS, include_str!("../../page/style.css")),
    ("timeline.js", JAVASCRIPT, include_str!("../../page/timeline.js")),
    ("panels.js", JAVASCRIPT, include_str!("../../page/panels.js")),
    ("drawing.js", JAVASCRIPT, include_str!("../../page/drawing.js")),
    ("tables.js", JAVASCRIPT, include_str!("../../page/tables.js")),
    ("retraining.js", JAVASCRIPT, include_str!("../../page/retraining.js")),
    ("service.js", JAVASCRIPT, include_str!("../../page/service.js")),
    ("words.js", JAVASCRIPT, include_str!("../../page/words.js")),
];

pub(crate) async fn index() -> File {
    ([(header::CONTENT_TYPE, HTML)], include_str!("../../page/index.html"))
}

pub(crate) async fn asset(Path(name): Path<String>) -> Result<File, Problem> {
    ASSETS
        .iter()
        .find(|(asset, _, _)| *asset == name)
        .map(|(_, kind, text)| ([(header::CONTENT_TYPE, *kind)], *text))
        .ok_or_else(|| Problem::not_found("The page has no such file."))
}
