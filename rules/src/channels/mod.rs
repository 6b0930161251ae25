//! Channels: ways to reach people and programs.
//!
//! To add one: a file here that implements [`Channel`], a variant of [`contract::configuration::ChannelKind`], a line in
//! [`from_configuration`], and a test against a real server of its kind.

pub mod address;
pub mod email;
pub mod letter;
pub mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::WallTime;
use contract::configuration::{ChannelConfiguration, ChannelKind};

use crate::error::Result;
use crate::notification::Notification;

/// How long an attempt may take.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// The longest wait that a receiver can ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// A way to reach somebody. Delivering the same notification again must be recognisable to the receiver by its id.
#[async_trait::async_trait]
pub trait Channel: Send + Sync {
    /// One attempt. Returns once the receiver has taken the notification.
    async fn deliver(&self, notification: &Notification, now: WallTime) -> std::result::Result<(), DeliveryError>;
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// For the list of notifications: never holds secrets or URLs.
    pub message: String,
    /// False: another attempt would end the same way.
    pub is_retryable: bool,
    /// What the receiver asked for, at most [`MAX_RETRY_AFTER`].
    pub retry_after: Option<Duration>,
}

impl DeliveryError {
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_retryable: false, retry_after: None }
    }

    pub fn retryable(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_retryable: true, retry_after: None }
    }
}

/// Every configured channel by its name.
pub fn from_configuration(channels: &[ChannelConfiguration]) -> Result<BTreeMap<String, Arc<dyn Channel>>> {
    install_tls_provider();
    let mut made: BTreeMap<String, Arc<dyn Channel>> = BTreeMap::new();
    for ChannelConfiguration { name, kind } in channels {
        let channel: Arc<dyn Channel> = match kind {
            ChannelKind::Email(email) => Arc::new(email::EmailChannel::new(name, email)?),
            ChannelKind::Webhook(webhook) => Arc::new(webhook::WebhookChannel::new(name, webhook)?),
        };
        made.insert(name.clone(), channel);
    }
    Ok(made)
}

/// Chooses ring for TLS, once a process; a choice that was made before stays.
pub fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
