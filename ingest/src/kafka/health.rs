//! Why the driver is not ready, if it isn't: for `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::reminders::Reminders;

/// Until Kafka has assigned partitions for the first time.
const UNASSIGNED: &str = "assignment";

/// What stands in the way, by subject. Subjects are topics, shards and the cluster: as many as the configuration has.
#[derive(Debug)]
pub struct Health {
    reasons: Mutex<BTreeMap<String, String>>,
    reminders: Mutex<Reminders>,
}

impl Default for Health {
    /// Not ready: nothing has been assigned yet.
    fn default() -> Self {
        let waiting = (UNASSIGNED.to_owned(), "Kafka has not assigned any partitions yet".to_owned());
        Self { reasons: Mutex::new(BTreeMap::from([waiting])), reminders: Mutex::default() }
    }
}

impl Health {
    /// One sentence each; none: ready.
    pub fn reasons(&self) -> Vec<String> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn assigned(&self) {
        self.clear(UNASSIGNED);
    }

    pub(super) fn set(&self, subject: &str, reason: &str) {
        let before = self.lock().insert(subject.to_owned(), reason.to_owned());
        if before.as_deref() != Some(reason) {
            tracing::warn!(subject, "not ready: {reason}");
        }
    }

    /// As [`Self::set`], if nothing is said of the subject yet: two who find different words don't take turns.
    pub(super) fn set_if_ready(&self, subject: &str, reason: &str) {
        if !self.lock().contains_key(subject) {
            self.set(subject, reason);
        }
    }

    /// Whether an error of Kafka's client is to be logged: how often it was passed over since it last was.
    pub(super) fn is_news(&self, error: &str) -> Option<u64> {
        self.reminders.lock().unwrap_or_else(PoisonError::into_inner).is_due(error, Instant::now())
    }

    pub(super) fn clear(&self, subject: &str) {
        if self.lock().remove(subject).is_some() {
            tracing::info!(subject, "ready");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e4_reasons_come_and_go() {
        let health = Health::default();
        assert_eq!(health.reasons().len(), 1);
        health.assigned();
        assert!(health.reasons().is_empty());
        health.set("cluster", "away");
        health.set("cluster", "still away");
        health.set_if_ready("cluster", "in other words");
        assert_eq!(health.reasons(), ["still away"]);
        health.clear("cluster");
        health.clear("cluster");
        assert!(health.reasons().is_empty());
        health.set_if_ready("cluster", "away again");
        assert_eq!(health.reasons(), ["away again"]);
    }
}
