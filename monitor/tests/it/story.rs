//! What the store tells when it is over, without wall times: two ways to the same end must tell the same story.

use contract::Severity;
use monitor::{Entry, Journal};
use store::{AlertFilter, FindingFilter, Store, WindowFilter};

use crate::stream::MODEL;

/// One line a row of every table that people see, in order.
pub async fn told(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    for row in store.windows(MODEL, &WindowFilter::default()).await.unwrap() {
        let profile = row.profile.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        lines.push(format!(
            "window {} {:?} {:?} r{} rows {} labelled {} matured {} quarantined {} {profile:x} {}",
            row.window.start,
            row.version,
            row.segment,
            row.revision,
            row.rows,
            row.labelled,
            row.matured,
            row.quarantined,
            row.figures
        ));
    }
    let filter = FindingFilter { min_severity: Severity::None, ..FindingFilter::default() };
    for finding in store.findings(&filter).await.unwrap() {
        lines.push(format!("finding {}", serde_json::to_string(&finding).unwrap()));
    }
    for row in store.alerts(&AlertFilter::default()).await.unwrap() {
        lines.push(format!(
            "alert {} {} {} started {} fired {:?} resolved {:?} {:?} {} told {}",
            row.fingerprint,
            row.rule,
            row.state,
            row.started,
            row.fired,
            row.resolved,
            row.value,
            row.annotations,
            row.notified.is_some()
        ));
    }
    let mut notifications: Vec<String> = store
        .notifications(None, 1_000)
        .await
        .unwrap()
        .into_iter()
        .map(|row| {
            let mut body: serde_json::Value = serde_json::from_str(&row.body).unwrap();
            body.as_object_mut().unwrap().remove("created");
            format!("notification {} {} {body}", row.id, row.kind)
        })
        .collect();
    notifications.sort();
    lines.append(&mut notifications);
    for row in store.retrainings(MODEL, 1_000).await.unwrap() {
        lines.push(format!("retraining {} {} {} at {}: {}", row.id, row.rule, row.state, row.event_time, row.reason));
    }
    lines.push(format!("rules {}", store.rule_state(MODEL).await.unwrap().unwrap_or_default()));
    lines.push(format!("judge {}", store.judge_cursor(MODEL).await.unwrap().unwrap_or_default()));
    lines
}

/// The changes of alerts: "2013-01-24 PerformanceDecay firing".
pub fn alerts(journal: &Journal) -> Vec<String> {
    let lines = journal.entries.iter().filter_map(|entry| match entry {
        Entry::Alert(alert) => {
            Some(format!("{} {} {}", &alert.window.start.to_string()[..10], alert.rule, alert.state))
        }
        _ => None,
    });
    lines.collect()
}

/// The decisions about retraining: "PerformanceDecay requested".
pub fn retrainings(journal: &Journal) -> Vec<String> {
    let lines = journal.entries.iter().filter_map(|entry| match entry {
        Entry::Retraining(retraining) => Some(format!("{} {}", retraining.rule, retraining.state)),
        _ => None,
    });
    lines.collect()
}
