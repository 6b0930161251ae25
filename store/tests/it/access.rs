//! Tokens and the audit log.

use contract::WallTime;
use store::{AuditRow, MAX_ROWS, Store, TokenRow};

use crate::MODEL;

fn token(name: &str, sha256: &str) -> TokenRow {
    TokenRow {
        name: name.to_owned(),
        role: "operator".to_owned(),
        sha256: sha256.to_owned(),
        created: WallTime::from_micros(1),
        created_by: "admin".to_owned(),
        revoked: None,
    }
}

fn entry(id: &str, at: i64, model: &str) -> AuditRow {
    AuditRow {
        id: id.to_owned(),
        at: WallTime::from_micros(at),
        who: "ada".to_owned(),
        role: "viewer".to_owned(),
        command: "promote".to_owned(),
        model: model.to_owned(),
        subject: "2".to_owned(),
        reason: "it looks fine".to_owned(),
        outcome: "refused: a viewer can't promote".to_owned(),
    }
}

#[tokio::test]
async fn a_token_is_found_by_its_hash_until_it_is_revoked_and_its_name_stays_taken() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    assert!(transaction.insert_token(&token("ci", "aa")).await.unwrap());
    assert!(transaction.insert_token(&token("ada", "bb")).await.unwrap());
    assert!(!transaction.insert_token(&token("ci", "cc")).await.unwrap());
    assert!(!transaction.insert_token(&token("other name", "aa")).await.unwrap());
    assert_eq!(transaction.token_by_sha256("aa").await.unwrap(), Some(token("ci", "aa")));
    assert_eq!(transaction.token_by_sha256("cc").await.unwrap(), None);

    let now = WallTime::from_micros(7);
    assert!(transaction.revoke_token("ci", now).await.unwrap());
    assert!(!transaction.revoke_token("ci", WallTime::from_micros(8)).await.unwrap());
    assert!(!transaction.revoke_token("nobody", now).await.unwrap());
    assert_eq!(transaction.token_by_sha256("aa").await.unwrap(), None);
    assert!(!transaction.insert_token(&token("ci", "dd")).await.unwrap());
    let revoked = TokenRow { revoked: Some(now), ..token("ci", "aa") };
    assert_eq!(transaction.tokens().await.unwrap(), [token("ada", "bb"), revoked]);
}

#[test]
fn a_token_s_hash_is_not_in_its_debug_text() {
    let told = format!("{:?}", token("ci", "0123abcd"));
    assert!(told.contains("ci") && !told.contains("0123abcd"), "{told}");
}

#[tokio::test]
async fn the_audit_log_is_read_newest_first_and_no_entry_changes() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for row in [entry("b", 2, MODEL), entry("a", 1, MODEL), entry("c", 3, "")] {
        transaction.insert_audit(&row).await.unwrap();
    }
    let changed = AuditRow { outcome: "done".to_owned(), ..entry("a", 9, MODEL) };
    transaction.insert_audit(&changed).await.unwrap();
    let all = transaction.audit(None, 10).await.unwrap();
    assert_eq!(all, [entry("c", 3, ""), entry("b", 2, MODEL), entry("a", 1, MODEL)]);
    assert_eq!(transaction.audit(Some(MODEL), 10).await.unwrap(), [entry("b", 2, MODEL), entry("a", 1, MODEL)]);
    assert_eq!(transaction.audit(Some(MODEL), 1).await.unwrap(), [entry("b", 2, MODEL)]);
}

#[tokio::test]
async fn answers_of_the_audit_log_are_bounded() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for index in 0..=MAX_ROWS {
        transaction.insert_audit(&entry(&index.to_string(), i64::from(index), MODEL)).await.unwrap();
    }
    for model in [None, Some(MODEL)] {
        assert_eq!(transaction.audit(model, u32::MAX).await.unwrap().len(), MAX_ROWS as usize);
    }
}
