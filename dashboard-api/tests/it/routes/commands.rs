//! `POST /api/v1/models/{model}/…` and `/api/v1/retrainings/{id}/…`: promise E2.

use dashboard_api::Role;
use retrain_trigger::commands::Command;
use serde_json::{Value, json};

use crate::decider::{BROKEN, NEVER};
use crate::filled::{self, MODEL};
use crate::server::{Server, request, send};

const UNDER_WAY: &str = "flights-test-data-training-3";

/// Every command: its path, a body that is good, and who may give it.
fn commands() -> Vec<(String, Value, Role)> {
    let model = |name: &str| format!("/api/v1/models/{MODEL}/{name}");
    let retraining = |name: &str| format!("/api/v1/retrainings/{UNDER_WAY}/{name}");
    let reason = json!({ "reason": "decay since June" });
    let artifact = json!({ "reason": "decay since June", "path": "/srv/model", "version": "7", "champion": true });
    vec![
        (model("retrain"), reason.clone(), Role::Operator),
        (model("promote"), reason.clone(), Role::Operator),
        (model("rollback"), reason.clone(), Role::Operator),
        (model("versions"), artifact, Role::Admin),
        (retraining("approve"), reason.clone(), Role::Operator),
        (retraining("cancel"), reason.clone(), Role::Operator),
        (retraining("override"), reason, Role::Admin),
    ]
}

async fn server() -> Server {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    let row = filled::retraining(MODEL, "training", 3, "PerformanceDecay", "rule PerformanceDecay fired");
    transaction.insert_retraining(&row).await.unwrap();
    let over = filled::retraining(MODEL, "promoted", 1, "PerformanceDecay", "promoted");
    transaction.insert_retraining(&over).await.unwrap();
    transaction.commit().await.unwrap();
    server
}

#[tokio::test]
async fn e2_nobody_gives_commands_without_a_token_that_is_known() {
    let server = server().await;
    let revoked = server.token("left-the-team", Role::Admin).await;
    let mut transaction = server.store.begin().await.unwrap();
    assert!(transaction.revoke_token("left-the-team", filled::wall(9)).await.unwrap());
    transaction.commit().await.unwrap();
    let unknown = format!("bw_{}", "A".repeat(43));
    for (path, body, _) in commands() {
        for token in [None, Some(revoked.as_str()), Some(unknown.as_str()), Some("bw_short"), Some("' OR 1=1 --")] {
            let answer = server.post(&path, token, &body).await;
            assert!(answer.problem(401).contains("token"), "{path} {token:?}: {}", answer.body);
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"bellwether\"");
        }
        // A proxy's own user is nobody here.
        let text = body.to_string();
        let basic = [("Authorization", "Basic YWRtaW46YWRtaW4="), ("Content-Type", "application/json")];
        assert_eq!(send(server.address, "POST", &path, &basic, &text).await.status, 401);
    }
    assert!(server.decider.asked.lock().unwrap().is_empty());
    assert_eq!(server.store.audit(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn e2_each_role_gives_its_commands_and_others_are_denied_on_record() {
    let server = server().await;
    let roles = [Role::Viewer, Role::Operator, Role::Admin];
    for role in roles {
        let token = server.token(role.name(), role).await;
        for (path, body, needed) in commands() {
            server.decider.asked.lock().unwrap().clear();
            let before = server.store.audit(None, 1_000).await.unwrap().len();
            let answer = server.post(&path, Some(&token), &body).await;
            let audit = server.store.audit(None, 1_000).await.unwrap();
            let asked = server.decider.asked.lock().unwrap().pop();
            if role >= needed {
                assert_eq!(answer.status, 202, "{role} {path}: {}", answer.body);
                let asked = asked.unwrap();
                let who = (asked.by.as_str(), asked.role.as_str(), asked.reason.as_str(), asked.model.as_str());
                assert_eq!(who, (role.name(), role.name(), "decay since June", MODEL), "{path}");
                // The one who decides writes the line.
                assert_eq!(audit.len(), before, "{path}");
                assert_eq!(answer.json()["state"], "requested");
            } else {
                let told = answer.problem(403);
                let expected = format!("This needs the role {needed}; the token `{role}` has the role {role}.");
                assert!(told.starts_with(&expected), "{told}");
                assert_eq!((asked, audit.len()), (None, before + 1), "{path}");
                let newest = audit.iter().find(|row| path.ends_with(&row.command)).or_else(|| audit.first()).unwrap();
                let outcome = format!("denied: This needs the role {needed}");
                assert_eq!((newest.outcome.as_str(), newest.model.as_str()), (outcome.as_str(), MODEL));
            }
        }
    }
}

#[tokio::test]
async fn commands_carry_what_they_were_given() {
    let server = server().await;
    let token = server.token("ann", Role::Admin).await;
    let asked = async |path: &str, body: Value| {
        let answer = server.post(path, Some(&token), &body).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        server.decider.asked.lock().unwrap().pop().unwrap()
    };
    let model = |name: &str| format!("/api/v1/models/{MODEL}/{name}");
    let body = json!({ "reason": " more epochs ", "parameters": { "epochs": 20, "hidden": [64] } });
    let retrain = asked(&model("retrain"), body).await;
    let parameters = json!({ "epochs": 20, "hidden": [64] }).as_object().unwrap().clone();
    assert_eq!((retrain.command, retrain.reason.as_str()), (Command::Retrain { parameters }, "more epochs"));
    let promote = asked(&model("promote"), json!({ "reason": "good enough", "version": "7" })).await;
    assert_eq!(promote.command, Command::Promote { version: Some("7".to_owned()) });
    let register = asked(&model("versions"), json!({ "reason": "bought", "path": "/srv/m", "version": "1" })).await;
    let command = Command::Register { path: "/srv/m".into(), version: "1".to_owned(), champion: false };
    assert_eq!((register.command, register.retraining), (command, None));
    let cancel = asked(&format!("/api/v1/retrainings/{UNDER_WAY}/cancel"), json!({ "reason": "wrong data" })).await;
    assert_eq!((cancel.command, cancel.retraining.as_deref()), (Command::Cancel, Some(UNDER_WAY)));
}

#[tokio::test]
async fn e2_a_refusal_says_why() {
    let server = server().await;
    let token = server.token("ann", Role::Admin).await;
    let reason = json!({ "reason": "decay since June" });
    let cancel = "/api/v1/retrainings/flights-test-data-promoted-1/cancel";
    let told = server.post(cancel, Some(&token), &reason).await.problem(409);
    assert_eq!(told, "retraining flights-test-data-promoted-1 is promoted: there is nothing to cancel");
    let told = server.post("/api/v1/models/flight/retrain", Some(&token), &reason).await.problem(404);
    assert_eq!(told, "There is no model `flight`; there is: flights-test-data, loans-test-data.");
    let never = format!("/api/v1/models/{MODEL}/retrain");
    let told = server.post(&never, Some(&token), &json!({ "reason": NEVER })).await.problem(422);
    assert_eq!(told, "the contract has no `retrain` section");

    // A retraining that there isn't is nobody's: the interface itself records the refusal.
    let asked = server.decider.asked.lock().unwrap().len();
    let told = server.post("/api/v1/retrainings/nothing/override", Some(&token), &reason).await.problem(404);
    assert_eq!(told, "there is no retraining `nothing`");
    assert_eq!(server.decider.asked.lock().unwrap().len(), asked);
    let newest = server.store.audit(None, 1).await.unwrap().pop().unwrap();
    let line = [newest.who, newest.role, newest.command, newest.subject, newest.reason, newest.outcome];
    let outcome = "refused: there is no retraining `nothing`";
    assert_eq!(line, ["ann", "admin", "override", "nothing", "decay since June", outcome]);
}

#[tokio::test]
async fn e3_bodies_have_a_form_and_limits() {
    let server = server().await;
    let token = server.token("ann", Role::Admin).await;
    let bearer = format!("Bearer {token}");
    let path = format!("/api/v1/models/{MODEL}/retrain");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let too_long = json!({ "reason": "x".repeat(501) }).to_string();
    let too_large = json!({ "reason": "x", "parameters": { "seed": "x".repeat(64 * 1024) } }).to_string();
    let one_line = "The reason must be one line of at most 500 characters.";
    // Whole sentences, without names of types and places in the text.
    for (body, status, expected) in [
        ("{}", 422, "The body is not understood: missing field `reason`."),
        ("{\"reason\":\"  \"}", 422, "The reason is empty; say why in one line."),
        ("{\"reason\":\"a\\u001b[2J\"}", 422, one_line),
        ("{\"reason\":\"a\\nb\"}", 422, one_line),
        (too_long.as_str(), 422, one_line),
        (
            "{\"reason\":\"x\",\"parameter\":{}}",
            422,
            "The body is not understood: unknown field `parameter`, expected `reason` or `parameters`.",
        ),
        (
            "{\"reason\":\"x\",\"parameters\":[]}",
            422,
            "The body is not understood: `parameters`: invalid type: sequence, expected a map.",
        ),
        ("3", 422, "The body must be one JSON object."),
        ("reason=x", 400, "The body is no JSON: expected value at line 1 column 1."),
        (too_large.as_str(), 413, "The body has more than 64 KiB."),
    ] {
        let answer = send(server.address, "POST", &path, &headers, body).await;
        assert_eq!(answer.problem(status), expected);
    }
    let told = send(server.address, "POST", &path, &headers[..1], "{\"reason\":\"x\"}").await.problem(415);
    assert!(told.contains("application/json"), "{told}");
    let versions = format!("/api/v1/models/{MODEL}/versions");
    for (artifact, part) in [
        (json!({ "reason": "x", "path": "model", "version": "7" }), "must be absolute"),
        (json!({ "reason": "x", "path": "/srv/m", "version": "../7" }), "A name has"),
        (
            json!({ "reason": "x", "path": format!("/{}", "x".repeat(1_000)), "version": "7" }),
            "at most 1000 characters",
        ),
        (json!({ "reason": "x", "path": "/srv/\u{1b}[2J", "version": "7" }), "must be one line"),
    ] {
        let told = server.post(&versions, Some(&token), &artifact).await.problem(422);
        assert!(told.contains(part), "{told}");
    }
    assert!(server.decider.asked.lock().unwrap().is_empty());
}

/// Who may not do it at all learns nothing of what would be wrong with it.
#[tokio::test]
async fn e2_the_role_is_looked_at_before_the_body() {
    let server = server().await;
    let token = server.token("viewer", Role::Viewer).await;
    for (path, _, _) in commands() {
        server.post(&path, Some(&token), &json!({ "nonsense": 1 })).await.problem(403);
        request(server.address, "POST", &path, &[("Content-Length", "0")]).await.problem(401);
    }
}

/// The limits that a contract's own parameters have: what is kept must be readable later.
#[tokio::test]
async fn e3_parameters_have_the_limits_of_a_contracts() {
    let server = server().await;
    let token = server.token("ann", Role::Operator).await;
    let path = format!("/api/v1/models/{MODEL}/retrain");
    let nested = |depth: usize| (0..depth).fold(json!(1), |value, _| json!([value]));
    let retrain = async |parameters: Value| {
        server.post(&path, Some(&token), &json!({ "reason": "x", "parameters": parameters })).await
    };
    assert_eq!(retrain(json!({ "hidden": nested(7) })).await.status, 202);
    assert_eq!(retrain(json!({ "hidden": vec![1; 998] })).await.status, 202);
    for (parameters, excess) in [
        (json!({ "hidden": nested(8) }), "lists and mappings more than 8 deep"),
        (json!({ "hidden": nested(120) }), "lists and mappings more than 8 deep"),
        (json!({ "hidden": vec![1; 999] }), "more than 1000 values"),
    ] {
        assert_eq!(retrain(parameters).await.problem(422), format!("The parameters have {excess}."));
    }
    assert_eq!(server.decider.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn e2_every_command_of_a_known_token_is_on_record_whatever_becomes_of_it() {
    let server = server().await;
    let token = server.token("ann", Role::Admin).await;
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let mut lines = 0;
    let mut newest = async |path: &str| {
        let audit = server.store.audit(None, 1_000).await.unwrap();
        assert_eq!(audit.len(), lines + 1, "{path}");
        lines = audit.len();
        audit
    };
    let too_large = json!({ "reason": "x".repeat(64 * 1024) }).to_string();
    let mut paths: Vec<String> = commands().into_iter().map(|(path, _, _)| path).collect();
    paths.extend(["/api/v1/tokens", "/api/v1/models/%FF/retrain", "/api/v1/retrainings/%FF/cancel"].map(str::to_owned));
    for path in &paths {
        for (body, headers, status) in [
            ("reason=x", &headers[..], 400),
            (too_large.as_str(), &headers[..], 413),
            ("{\"reason\":\"x\"}", &headers[..1], 415),
            ("{}", &headers[..], 422),
        ] {
            let told = send(server.address, "POST", path, headers, body).await.problem(status);
            let outcome = format!("refused: {told}");
            let audit = newest(path).await;
            assert!(audit.iter().any(|row| row.outcome == outcome && row.who == "ann"), "{path}: {outcome}");
        }
    }
    for (path, body, _) in commands() {
        let mut body = body;
        body["reason"] = json!(BROKEN);
        let told = server.post(&path, Some(&token), &body).await.problem(500);
        assert!(!told.contains("secret"), "{told}");
    }
    let audit = server.store.audit(None, 1_000).await.unwrap();
    let failed: Vec<_> = audit.iter().filter(|row| row.outcome.starts_with("failed: The command could not")).collect();
    assert_eq!(failed.len(), commands().len());
    assert!(failed.iter().all(|row| row.reason == BROKEN && row.model == MODEL));
    // Long names are cut, and the token is nowhere.
    let long = format!("/api/v1/models/{}/retrain", "x".repeat(5_000));
    server.post(&long, Some(&token), &json!({ "reason": "x" })).await.problem(404);
    for row in server.store.audit(None, 1_000).await.unwrap() {
        assert!(row.model.len() <= 200 && row.subject.len() <= 200 && row.outcome.len() <= 1_200, "{row:?}");
        assert!(!format!("{row:?}").contains("bw_"), "{row:?}");
    }
}
