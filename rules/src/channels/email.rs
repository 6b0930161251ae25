//! E-mail over SMTP: one message, text and HTML, sent to each recipient alone, so that one refused address doesn't keep the
//! others from being told.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use contract::WallTime;
use contract::configuration::Email;
use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};

use super::{Channel, DeliveryError, TIMEOUT, letter};
use crate::error::{Error, Result};
use crate::notification::{Notification, NotificationKind};

/// Deliveries to single recipients that are remembered, so that a retry for one doesn't tell the others again. A restart
/// forgets them: at least once, not exactly once.
const REMEMBERED: usize = 1_024;
const SERVER_HINT: &str = "write smtp://host:port, smtp+starttls://host:port or smtps://host:port";
const ADDRESS_HINT: &str = "write `name@example.org` or `Name <name@example.org>`";

/// A mail server and whom it writes to.
pub struct EmailChannel {
    server: Server,
    from: Mailbox,
    to: Vec<Mailbox>,
    /// (notification, recipient), oldest first.
    delivered: Mutex<VecDeque<(String, Address)>>,
}

impl EmailChannel {
    pub fn new(channel: &str, email: &Email) -> Result<Self> {
        let mailbox = |text: &String| {
            text.parse::<Mailbox>().map_err(|error| Error::Channel {
                channel: channel.to_owned(),
                detail: format!("`{text}` is not an e-mail address ({error})"),
                hint: ADDRESS_HINT,
            })
        };
        let mut server = server(channel, &email.server)?;
        if let (Some(username), Some(password)) = (&email.username, &email.password) {
            server.credentials = Some(Credentials::new(username.clone(), password.reveal().to_owned()));
        }
        let to: Vec<Mailbox> = email.to.iter().map(mailbox).collect::<Result<_>>()?;
        if to.is_empty() {
            let detail = "it has no recipients".to_owned();
            return Err(Error::Channel { channel: channel.to_owned(), detail, hint: ADDRESS_HINT });
        }
        Ok(Self { server, from: mailbox(&email.from)?, to, delivered: Mutex::default() })
    }

    fn message(&self, notification: &Notification) -> std::result::Result<Message, DeliveryError> {
        let domain = self.from.email.domain();
        let id = |id: &str| format!("<{id}@{domain}>");
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(letter::subject(notification))
            .message_id(Some(id(&notification.id)))
            .date(std::time::UNIX_EPOCH + std::time::Duration::from_micros(micros(notification.created)))
            .header(AutoSubmitted);
        if notification.kind == NotificationKind::Resolved {
            // Mail programs show the end of an alert below its beginning.
            builder = builder.in_reply_to(id(&notification.firing_id())).references(id(&notification.firing_id()));
        }
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let body = MultiPart::alternative_plain_html(letter::text(notification), letter::html(notification));
        builder
            .multipart(body)
            .map_err(|error| DeliveryError::permanent(format!("the message could not be written: {error}")))
    }

    fn is_delivered(&self, id: &str, to: &Address) -> bool {
        let delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        delivered.iter().any(|(known, recipient)| known == id && recipient == to)
    }

    fn remember(&self, id: &str, to: &Address) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        if delivered.len() >= REMEMBERED {
            delivered.pop_front();
        }
        delivered.push_back((id.to_owned(), to.clone()));
    }

    async fn send(&self, message: &[u8], to: &Address) -> std::result::Result<(), DeliveryError> {
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.clone()])
            .map_err(|error| DeliveryError::permanent(error.to_string()))?;
        match tokio::time::timeout(TIMEOUT, self.server.send(&envelope, message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if is_permanent(&error) => {
                Err(DeliveryError::permanent(format!("{to} was refused: {error}")))
            }
            Ok(Err(error)) => Err(DeliveryError::retryable(format!("{to} could not be reached: {error}"))),
            Err(_) => {
                let seconds = TIMEOUT.as_secs();
                Err(DeliveryError::retryable(format!("{to} could not be reached: no answer in {seconds} s")))
            }
        }
    }
}

/// A mail server. Every message has a connection of its own: alerts are rare, and a kept connection that has died
/// meanwhile would cost an attempt.
struct Server {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
}

enum Security {
    None,
    /// The connection begins in the clear and is encrypted before anything is said; never without.
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

impl Server {
    async fn send(&self, envelope: &Envelope, message: &[u8]) -> std::result::Result<(), SmtpError> {
        let name = ClientId::default();
        let server = (self.host.as_str(), self.port);
        let encrypted = match &self.security {
            Security::Tls(parameters) => Some(parameters.clone()),
            Security::None | Security::StartTls(_) => None,
        };
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(TIMEOUT), &name, encrypted, None).await?;
        if let Security::StartTls(parameters) = &self.security {
            connection.starttls(parameters.clone(), &name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        connection.send(envelope, message).await?;
        // The message has been taken; how the connection ends doesn't matter.
        let _ = connection.quit().await;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Channel for EmailChannel {
    async fn deliver(&self, notification: &Notification, _now: WallTime) -> std::result::Result<(), DeliveryError> {
        let message = self.message(notification)?.formatted();
        let mut failures = Vec::new();
        for Mailbox { email: to, .. } in &self.to {
            if self.is_delivered(&notification.id, to) {
                continue;
            }
            match self.send(&message, to).await {
                Ok(()) => self.remember(&notification.id, to),
                Err(failure) => failures.push(failure),
            }
        }
        summarize(&failures, self.to.len())
    }
}

/// Good only if every recipient has it. As long as one can still be reached, there is another attempt.
fn summarize(failures: &[DeliveryError], recipients: usize) -> std::result::Result<(), DeliveryError> {
    if failures.is_empty() {
        return Ok(());
    }
    let told = recipients - failures.len().min(recipients);
    let reasons: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    let message = format!("{told} of {recipients} recipients have it; {}", reasons.join("; "));
    let is_retryable = failures.iter().any(|failure| failure.is_retryable);
    Err(DeliveryError { message, is_retryable, retry_after: None })
}

/// A refusal for good. Wrong credentials (530, 534, 535, 538) get mended while the notification waits.
fn is_permanent(error: &SmtpError) -> bool {
    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
    error.is_permanent() && !["530", "534", "535", "538"].contains(&code.as_str())
}

fn micros(time: WallTime) -> u64 {
    u64::try_from(time.micros()).unwrap_or_default()
}

fn server(channel: &str, server: &str) -> Result<Server> {
    let bad = |detail: &str| Error::Channel {
        channel: channel.to_owned(),
        detail: format!("the mail server {detail}"),
        hint: SERVER_HINT,
    };
    let url = reqwest::Url::parse(server).map_err(|error| bad(&format!("is no address ({error})")))?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| bad("has no host"))?;
    // IPv6 addresses stand in brackets in URLs, and without them everywhere else.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if !url.username().is_empty()
        || url.password().is_some()
        || !matches!(url.path(), "" | "/")
        || url.query().is_some()
    {
        return Err(bad("is more than host and port"));
    }
    let parameters = || {
        TlsParameters::new(host.clone())
            .map_err(|error| Error::Client { channel: channel.to_owned(), detail: error.to_string() })
    };
    let (security, port) = match url.scheme() {
        "smtp" => (Security::None, 25),
        "smtp+starttls" => (Security::StartTls(parameters()?), 587),
        "smtps" => (Security::Tls(parameters()?), 465),
        other => return Err(bad(&format!("speaks `{other}`"))),
    };
    Ok(Server { host, port: url.port().unwrap_or(port), security, credentials: None })
}

/// Tells other mail programs not to answer (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> std::result::Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(server: &str, to: &str) -> Email {
        Email {
            server: server.to_owned(),
            username: None,
            password: None,
            from: "Bellwether <bellwether@example.org>".to_owned(),
            to: vec![to.to_owned()],
        }
    }

    #[test]
    fn e1_servers_and_addresses_that_cannot_work_are_refused() {
        super::super::install_tls_provider();
        let made = |server, to| EmailChannel::new("mail", &email(server, to)).map(|_| ()).map_err(|e| e.to_string());
        for server in ["smtp://127.0.0.1:2525", "smtp://[::1]:25", "smtp://mail.example.org"] {
            assert_eq!(made(server, "a@example.org"), Ok(()), "{server}");
        }
        for server in
            ["mail.example.org:25", "http://mail.example.org", "smtp://user:secret@mail", "smtp://mail/path", "smtp://"]
        {
            let error = made(server, "a@example.org").unwrap_err();
            assert!(error.contains("channel `mail` can't be used") && !error.contains("secret"), "{server}: {error}");
        }
        assert!(made("smtp://mail", "a@example.org\r\nBcc: b@example.org").is_err());
        assert!(made("smtp://mail", "nobody").unwrap_err().contains("`nobody` is not an e-mail address"));
    }

    #[test]
    fn r3_one_recipient_that_can_still_be_reached_is_worth_another_attempt() {
        let refused = DeliveryError::permanent("b was refused");
        let waiting = DeliveryError::retryable("c could not be reached");
        assert_eq!(summarize(&[], 3), Ok(()));
        let error = summarize(&[refused.clone(), waiting], 3).unwrap_err();
        assert!(error.is_retryable);
        assert_eq!(error.message, "1 of 3 recipients have it; b was refused; c could not be reached");
        assert!(!summarize(&[refused], 1).unwrap_err().is_retryable);
    }
}
