//! Asks a running service over HTTP. What it refuses is wrong usage (2); what doesn't answer can't be reached (3).

use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use crate::cli::Connection;
use crate::exit::Failure;

/// How long an answer may take. A version that is registered is copied and hashed first.
const PATIENCE: Duration = Duration::from_mins(1);
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(10);
/// The largest answer that is read, as large as the service gives any.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Holds a token where there is no file with one.
const TOKEN_VARIABLE: &str = "BELLWETHER_TOKEN";

/// A service, and the token for it.
pub struct Client {
    http: reqwest::Client,
    server: String,
    token: Option<HeaderValue>,
}

impl Client {
    pub fn new(connection: &Connection) -> Result<Self, Failure> {
        rules::channels::install_tls_provider();
        // A redirect could carry a command, or a token, to somebody else.
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE_TO_CONNECT)
            .redirect(Policy::none())
            .build()
            .context("making an HTTP client")
            .map_err(Failure::dependency)?;
        Ok(Self { http, server: connection.server.clone(), token: token(connection)? })
    }

    /// What stands at a path; `query` leaves out what is None.
    pub async fn get(&self, path: &[&str], query: &[(&str, Option<&str>)]) -> Result<Value, Failure> {
        self.ask(Method::GET, self.url(path, query)?, None).await
    }

    pub async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, self.url(path, &[])?, Some(body)).await
    }

    pub async fn delete(&self, path: &[&str], query: &[(&str, Option<&str>)]) -> Result<(), Failure> {
        self.ask(Method::DELETE, self.url(path, query)?, None).await.map(|_| ())
    }

    /// Names are data: whatever is in them, they stay one segment, one value.
    fn url(&self, path: &[&str], query: &[(&str, Option<&str>)]) -> Result<Url, Failure> {
        let mut url = Url::parse(&self.server).context("the address of the service").map_err(Failure::input)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        for (key, value) in query {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(key, value);
            }
        }
        Ok(url)
    }

    async fn ask(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let unanswered = |error: reqwest::Error| {
            Failure::dependency(anyhow::Error::new(error).context(format!("no service answers at {}", self.server)))
        };
        let mut response = request.send().await.map_err(unanswered)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES {
                return Err(Failure::dependency(anyhow!(
                    "{} answered with more than {ANSWER_BYTES} bytes",
                    self.server
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        match answer {
            Some(answer) if status.is_success() => Ok(answer),
            answer => Err(refusal(&self.server, status, answer.as_ref())),
        }
    }
}

/// The token, from a file or from the environment; never from the command line, which all users of a machine can read.
fn token(connection: &Connection) -> Result<Option<HeaderValue>, Failure> {
    let (text, source) = if let Some(path) = &connection.token_file {
        let read = std::fs::read_to_string(path);
        let text =
            read.with_context(|| format!("reading the token file {}", path.display())).map_err(Failure::input)?;
        (text, path.display().to_string())
    } else {
        (std::env::var(TOKEN_VARIABLE).unwrap_or_default(), TOKEN_VARIABLE.to_owned())
    };
    let text = text.trim();
    if text.is_empty() && connection.token_file.is_none() {
        return Ok(None);
    }
    let is_token = text.starts_with("bw_") && text.bytes().all(|letter| letter.is_ascii_graphic());
    let header = HeaderValue::from_str(&format!("Bearer {text}")).ok().filter(|_| is_token);
    let mut header = header.ok_or_else(|| Failure::input(anyhow!("{source} holds no token (bw_…)")))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// Why there is no answer, in the service's own words.
fn refusal(server: &str, status: StatusCode, answer: Option<&Value>) -> Failure {
    let detail = answer.and_then(|answer| answer.get("detail")).and_then(Value::as_str);
    let Some(detail) = detail else {
        return Failure::dependency(anyhow!("{server} answered {status}, and not as Bellwether does"));
    };
    let detail = contract::printable(detail);
    if status == StatusCode::UNAUTHORIZED {
        return Failure::input(anyhow!(
            "{detail} Name a file that holds one with --token-file or BELLWETHER_TOKEN_FILE; an admin makes one with \
             `bellwether tokens create`, and the service's first start prints the admin's own."
        ));
    }
    let error = anyhow!("{detail}");
    if status.is_client_error() { Failure::input(error) } else { Failure::dependency(error) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::Format;

    fn connection(server: &str) -> Connection {
        Connection { server: server.to_owned(), token_file: None, format: Format::Text }
    }

    #[test]
    fn names_stay_what_they_are_in_an_address() {
        let client = Client::new(&connection("http://localhost:9464/bellwether/")).ok().unwrap();
        let url = client.url(&["models", "a/../b?c", "retrain"], &[("segment", Some("a&b=c")), ("to", None)]);
        let expected = "http://localhost:9464/bellwether/api/v1/models/a%2F..%2Fb%3Fc/retrain?segment=a%26b%3Dc";
        assert_eq!(url.ok().unwrap().as_str(), expected);
    }

    #[test]
    fn e2_a_file_without_a_token_is_wrong_and_what_it_holds_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let given = |text: &str| {
            std::fs::write(&path, text).unwrap();
            token(&Connection { token_file: Some(path.clone()), ..connection("http://localhost") })
        };
        let header = given(" bw_AAAA\n").ok().flatten().unwrap();
        assert_eq!((header.to_str().unwrap(), header.is_sensitive()), ("Bearer bw_AAAA", true));
        for bad in ["", "hunter2", "bw_AA AA", "bw_AA\nbw_BB"] {
            let failure = given(bad).err().unwrap();
            assert_eq!(failure.to_string(), format!("{} holds no token (bw_…)", path.display()));
        }
        std::fs::remove_file(&path).unwrap();
        let absent = token(&Connection { token_file: Some(path.clone()), ..connection("http://localhost") });
        assert!(absent.err().unwrap().to_string().starts_with("reading the token file"));
    }

    #[test]
    fn refusals_are_told_apart_by_their_exit_codes() {
        let told = |status: u16, answer: Option<Value>| {
            let failure = refusal("http://localhost", StatusCode::from_u16(status).unwrap(), answer.as_ref());
            (failure.code(), failure.to_string())
        };
        let detail = |text: &str| Some(json!({ "detail": text }));
        let over = "retraining 7 is promoted: there is nothing to cancel";
        assert_eq!(told(409, detail(over)), (2, over.to_owned()));
        assert_eq!(told(503, detail("The database is busy; try again.")).0, 3);
        assert_eq!(told(403, detail("This needs the role admin.")), (2, "This needs the role admin.".to_owned()));
        let (code, words) = told(401, detail("This needs a token."));
        assert!(code == 2 && words.contains("--token-file") && words.contains("tokens create"), "{words}");
        assert_eq!(
            told(404, None),
            (3, "http://localhost answered 404 Not Found, and not as Bellwether does".to_owned())
        );
        assert_eq!(told(302, None).0, 3);
    }
}
