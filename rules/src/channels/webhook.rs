//! Webhooks by the Standard Webhooks scheme, version 1.0.0: a signed POST whose id stays the same over all attempts.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract::WallTime;
use contract::configuration::Webhook;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::address::{PrivateAddress, PublicResolver, is_public};
use super::{Channel, DeliveryError, MAX_RETRY_AFTER, TIMEOUT};
use crate::error::{Error, Result};
use crate::notification::Notification;
use crate::template::cut;

/// Bytes of a body; the scheme asks for less than 20 kB.
pub const BODY_LIMIT: usize = 20_000;
const SECRET_HINT: &str = "write `whsec_` and the base64 of 24 to 64 random bytes";
const URL_HINT: &str = "write an http:// or https:// URL";

/// A receiver of signed POSTs.
pub struct WebhookChannel {
    client: Client,
    url: Url,
    signer: standardwebhooks::Webhook,
    allow_private_addresses: bool,
}

impl WebhookChannel {
    pub fn new(channel: &str, webhook: &Webhook) -> Result<Self> {
        let bad = |detail: &str, hint| Error::Channel { channel: channel.to_owned(), detail: detail.to_owned(), hint };
        let url = Url::parse(&webhook.url).map_err(|_| bad("its URL can't be read", URL_HINT))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad("its URL is not one of HTTP", URL_HINT));
        }
        let secret = webhook.secret.reveal().strip_prefix("whsec_");
        let key = secret.and_then(|text| STANDARD.decode(text).ok()).filter(|key| (24..=64).contains(&key.len()));
        let key = key.ok_or_else(|| bad("its secret is not one of Standard Webhooks", SECRET_HINT))?;
        let signer =
            standardwebhooks::Webhook::from_bytes(key).map_err(|_| bad("its secret can't be used", SECRET_HINT))?;
        let mut builder = Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .user_agent(concat!("Bellwether/", env!("CARGO_PKG_VERSION")));
        if !webhook.allow_private_addresses {
            // A proxy would connect for us, past the check of addresses.
            builder = builder.dns_resolver(PublicResolver).no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| Error::Client { channel: channel.to_owned(), detail: error.without_url().to_string() })?;
        Ok(Self { client, url, signer, allow_private_addresses: webhook.allow_private_addresses })
    }

    /// A URL with an address instead of a name is not resolved, so it is checked here.
    fn check_address(&self) -> std::result::Result<(), DeliveryError> {
        let host = self.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) if !self.allow_private_addresses && !is_public(address) => {
                Err(DeliveryError::permanent(PrivateAddress.to_string()))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Channel for WebhookChannel {
    async fn deliver(&self, notification: &Notification, now: WallTime) -> std::result::Result<(), DeliveryError> {
        self.check_address()?;
        let body = body(notification);
        let timestamp = now.micros().div_euclid(1_000_000);
        let signature = self
            .signer
            .sign(&notification.id, timestamp, body.as_bytes())
            .map_err(|error| DeliveryError::permanent(format!("the body could not be signed: {error}")))?;
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header(HEADER_WEBHOOK_ID, &notification.id)
            .header(HEADER_WEBHOOK_TIMESTAMP, timestamp.to_string())
            .header(HEADER_WEBHOOK_SIGNATURE, signature)
            .body(body);
        match request.send().await {
            Ok(response) => outcome(response.status(), response.headers(), now),
            Err(error) => Err(failure(error)),
        }
    }
}

/// Only 2xx is success; 410 says that the receiver wants no more; everything else may pass.
fn outcome(status: StatusCode, headers: &HeaderMap, now: WallTime) -> std::result::Result<(), DeliveryError> {
    if status.is_success() {
        return Ok(());
    }
    let message = format!("the receiver answered {status}");
    if status == StatusCode::GONE {
        return Err(DeliveryError::permanent(message));
    }
    let retry_after = headers.get(RETRY_AFTER).and_then(|value| wait(value.to_str().ok()?, now));
    Err(DeliveryError { retry_after, ..DeliveryError::retryable(message) })
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn wait(text: &str, now: WallTime) -> Option<Duration> {
    let until = || {
        let date = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?;
        Some(u64::try_from(date.unix_timestamp() - now.micros().div_euclid(1_000_000)).unwrap_or_default())
    };
    let seconds = text.trim().parse::<u64>().ok().or_else(until)?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// An attempt without an answer. Its URL may hold a secret and is left out.
fn failure(error: reqwest::Error) -> DeliveryError {
    let error = error.without_url();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if cause.is::<PrivateAddress>() {
            return DeliveryError::permanent(cause.to_string());
        }
        let _ = write!(message, ": {cause}");
        source = cause.source();
    }
    let what =
        if error.is_timeout() { "the receiver did not answer in time" } else { "the receiver could not be reached" };
    DeliveryError::retryable(format!("{what}: {message}"))
}

/// The body, below [`BODY_LIMIT`]: long texts are cut, then evidence, then annotations, and it says so.
pub fn body(notification: &Notification) -> String {
    /// Characters of each text, and number of findings, that remain at each step.
    const STEPS: [(usize, usize); 5] = [(usize::MAX, usize::MAX), (500, 20), (200, 5), (100, 1), (40, 0)];
    let bodies = STEPS.iter().enumerate().map(|(step, (characters, evidence))| {
        let shortened = shorten(notification, *characters, *evidence);
        written(&shortened, step > 0)
    });
    let fits = |body: &String| body.len() < BODY_LIMIT;
    bodies.into_iter().find(fits).unwrap_or_else(|| {
        let mut least = shorten(notification, 40, 0);
        least.annotations.clear();
        written(&least, true)
    })
}

fn shorten(notification: &Notification, characters: usize, evidence: usize) -> Notification {
    let mut shortened = notification.clone();
    shortened.evidence.truncate(evidence);
    for evidence in &mut shortened.evidence {
        evidence.explanation = cut(&evidence.explanation, characters);
    }
    for value in shortened.annotations.values_mut() {
        *value = cut(value, characters);
    }
    shortened.retraining_reason = shortened.retraining_reason.map(|reason| cut(&reason, characters));
    shortened
}

fn written(notification: &Notification, is_truncated: bool) -> String {
    let mut data = serde_json::to_value(notification).unwrap_or(Value::Null);
    if let (true, Some(data)) = (is_truncated, data.as_object_mut()) {
        data.insert("truncated".to_owned(), Value::Bool(true));
    }
    json!({
        "type": notification.event_type(),
        "timestamp": notification.created,
        "data": data,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r3_retry_after_is_seconds_or_a_date_and_bounded() {
        let now = WallTime::parse("2015-10-21T07:00:00Z").unwrap();
        assert_eq!(wait("120", now), Some(Duration::from_mins(2)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_mins(28)));
        assert_eq!(wait("Wed, 21 Oct 2015 06:28:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(wait("99999999999", now), Some(MAX_RETRY_AFTER));
        assert_eq!(wait("soon", now), None);
    }

    #[test]
    fn e1_urls_and_secrets_that_cannot_work_are_refused_without_being_printed() {
        super::super::install_tls_provider();
        let made = |url: &str, secret: &str| {
            let webhook = Webhook {
                url: url.to_owned(),
                secret: contract::configuration::Secret::new(secret),
                allow_private_addresses: false,
            };
            WebhookChannel::new("hook", &webhook).map(|_| ()).map_err(|error| error.to_string())
        };
        let good = format!("whsec_{}", STANDARD.encode([7; 24]));
        assert_eq!(made("https://example.org/hook", &good), Ok(()));
        assert!(made("ftp://example.org", &good).unwrap_err().contains("not one of HTTP"));
        for bytes in [23, 65] {
            let secret = format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
            let error = made("https://example.org", &secret).unwrap_err();
            assert!(error.contains("24 to 64") && !error.contains(&secret), "{error}");
        }
        assert!(made("https://example.org", "whsec_!!").is_err());
        assert!(made("https://example.org", good.trim_start_matches("whsec_")).is_err());
    }
}
