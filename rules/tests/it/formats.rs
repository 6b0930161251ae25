//! Promise E5: what earlier versions left in the store is read.

use rules::{AlertState, Notification};

use crate::scene::{DECAY, Life, notification};

/// A file that a version of that format wrote. A new format gets a new file; this one stays as it is.
fn stored(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/formats/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn e5_alert_states_of_format_1_are_read() {
    let mut life = Life::new(DECAY);
    for number in 1..=3 {
        life.matured(number, 0.9, contract::Severity::Warning);
    }
    let text = stored("alert_state_v1.json");
    let state: AlertState = serde_json::from_str(&text).unwrap();
    assert_eq!(state, life.state);
}

#[test]
fn e5_notifications_of_format_1_are_read() {
    let text = stored("notification_v1.json");
    let read: Notification = serde_json::from_str(&text).unwrap();
    assert_eq!(read, notification());
}
