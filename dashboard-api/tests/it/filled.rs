//! Stores with rows made up for tests: [`season`] has a spring with a fault and a decay, [`small`] one of everything.

use std::f64::consts::TAU;
use std::time::Duration;

use contract::{EventTime, Fault, Finding, Severity, Subject, WallTime, Window};
use dashboard_api::ModelInfo;
use serde_json::json;
use store::{
    AlertRow, AuditRow, DeadLetterRow, DeploymentRow, Figure, Figures, NotificationRow, RetrainingRow, ShardRow, Store,
    Transaction, VersionRow, WindowRow,
};

/// The name says that nothing of it is real.
pub const MODEL: &str = "flights-test-data";
/// A model that has read nothing yet.
pub const EMPTY: &str = "loans-test-data";
/// Days of [`season`].
pub const DAYS: i64 = 110;
const DAY: Duration = Duration::from_hours(24);
const FAULT: std::ops::Range<i64> = 69..73;
const DECAY: i64 = 98;
/// From this day on version 2 has some of the traffic.
const CANARY: i64 = 104;

pub fn info(model: &str) -> ModelInfo {
    let sources = json!({ "predictions": { "topic": format!("{model}.predictions") }, "labels": { "topic": format!("{model}.labels") } });
    ModelInfo {
        model: model.to_owned(),
        owner: Some("nobody (test data)".to_owned()),
        window_seconds: DAY.as_secs(),
        contract: json!({ "model": model, "sources": sources }),
    }
}

/// The `day`-th day since 2013-03-01.
pub fn window(day: i64) -> Window {
    let first = EventTime::parse("2013-03-01T00:00:00Z").unwrap();
    let start = EventTime::from_micros(first.micros() + day * contract::time::micros(DAY));
    Window { start, end: start + DAY }
}

/// A wall time some seconds into an hour of the year of these tests.
pub fn wall(seconds: u64) -> WallTime {
    WallTime::parse("2026-11-24T10:00:00Z").unwrap() + Duration::from_secs(seconds)
}

/// A number in [-1, 1] that is always the same for a seed.
fn noise(seed: i64) -> f64 {
    let mixed = (seed as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed >> 33) as f64 / (1_u64 << 30) as f64) - 1.0
}

pub fn window_row(model: &str, version: &str, day: i64, figures: &Figures) -> WindowRow {
    WindowRow {
        model: model.to_owned(),
        version: version.to_owned(),
        segment: String::new(),
        window: window(day),
        revision: 1,
        rows: 900,
        labelled: 882,
        coverage: Some(0.98),
        matured: true,
        quarantined: false,
        layout: 0,
        figures: figures.to_json(),
        profile: Vec::new(),
        as_of: "{\"prediction\":900}".to_owned(),
        first_judged: wall(0),
        updated: wall(0),
    }
}

pub fn finding(model: &str, day: i64, feature: &str, detector: &str, severity: Severity) -> Finding {
    Finding {
        model: model.to_owned(),
        version: String::new(),
        segment: String::new(),
        window: window(day).into(),
        revision: 0,
        subject: Subject::Feature,
        feature: feature.to_owned(),
        detector: detector.to_owned(),
        statistic: Some(2.25),
        interval: None,
        limit: Some(1.5),
        level: Some(0.0005),
        effect: Some(2.25),
        severity,
        fault: None,
        since: window(day).start,
        consecutive: 1,
        explanation: format!("{feature} moved: its mean went from 50.2 to 61.3 (against the last 28 days)."),
        reason: None,
    }
}

pub fn alert(model: &str, rule: &str, feature: &str, days: (i64, Option<i64>, Option<i64>)) -> AlertRow {
    let (started, fired, resolved) = days;
    let state = match (fired, resolved) {
        (_, Some(_)) => "resolved",
        (Some(_), None) => "firing",
        (None, None) => "pending",
    };
    AlertRow {
        fingerprint: format!("{model}/{rule}/{feature}"),
        model: model.to_owned(),
        rule: rule.to_owned(),
        segment: String::new(),
        feature: feature.to_owned(),
        state: state.to_owned(),
        severity: "page".to_owned(),
        started: window(started).start,
        fired: fired.map(|day| window(day).end),
        resolved: resolved.map(|day| window(day).end),
        value: Some(0.61),
        annotations: json!({ "summary": format!("{model}: {rule} {feature}") }).to_string(),
        notified: None,
        updated: wall(0),
    }
}

pub fn notification(model: &str, id: &str, kind: &str, state: &str, created: u64) -> NotificationRow {
    NotificationRow {
        id: id.to_owned(),
        channel: if id.ends_with("hook") { "on-call-hook" } else { "risk-team-mail" }.to_owned(),
        model: model.to_owned(),
        alert_fingerprint: format!("{model}/PerformanceDecay/"),
        kind: kind.to_owned(),
        body: "{}".to_owned(),
        created: wall(created),
        attempts: 1,
        next_attempt: wall(created + 300),
        state: state.to_owned(),
        last_error: (state != "delivered").then(|| "connection refused".to_owned()),
        delivered: (state == "delivered").then(|| wall(created + 1)),
    }
}

pub fn retraining(model: &str, state: &str, day: i64, rule: &str, reason: &str) -> RetrainingRow {
    let id = format!("{model}-{state}-{day}");
    let is_over = ["vetoed", "promoted", "rolled_back", "failed", "cancelled"].contains(&state);
    let document = json!({
        "id": id, "model": model, "kind": "retraining", "state": state, "reason": format!("rule {rule} fired"),
        "asked_by": { "rule": rule }, "event_time": window(day).end, "created": wall(0),
        "outcome": is_over.then_some(reason),
    });
    RetrainingRow {
        kind: "retraining".to_owned(),
        id,
        model: model.to_owned(),
        state: state.to_owned(),
        reason: reason.to_owned(),
        rule: rule.to_owned(),
        event_time: window(day).end,
        created: wall(0),
        updated: wall(5),
        version: String::new(),
        is_active: !is_over,
        document: document.to_string(),
    }
}

/// A retraining whose candidate has had 10 % of the traffic since `day + 2`: everything up to there is known of it.
pub fn rollout(model: &str, day: i64) -> RetrainingRow {
    let row = retraining(model, "canary", day, "PerformanceDecay", "rule PerformanceDecay fired");
    let mut document: serde_json::Value = serde_json::from_str(&row.document).unwrap();
    let more = json!({
        "attempts": 1,
        "manifest": {
            "rows": 51_230, "labelled": 50_107, "coverage": 0.978, "from": window(day - 62).start, "to": window(day).start,
            "held_out_from": window(day - 7).start, "sha256": "9f2c".repeat(16), "left_out": ["2013-05-09 to 2013-05-12: unit_change"],
        },
        "progress": { "phase": "write", "fraction": 1.0, "epoch": 8, "of": 8, "loss": 0.497 },
        "metrics": { "log_loss": 0.497 },
        "gate": {
            "phase": "successful", "reason": "the candidate's log loss is lower by 0.041 on the 7 held-out days",
            "stable": 0.554, "candidate": 0.513, "difference": { "estimate": -0.041, "lower": -0.063, "upper": -0.019 },
            "rows": 6_214, "blocks": 7, "margin": 0.0, "worse_segments": [],
        },
        "candidate": { "version": "2", "sha256": "3b5e".repeat(16) },
        "stable": "1",
        "rollout": {
            "step": 0, "weight": 10, "generation": 4, "since": window(day + 2).start,
            "analysis": {
                "phase": "inconclusive", "reason": "712 labelled events of the candidate: no harm so far, and not enough to be sure",
                "performance": {
                    "phase": "inconclusive", "reason": "not enough labels yet",
                    "blocked": { "estimate": -0.028, "lower": -0.071, "upper": 0.015 }, "gross": null, "blocks": 5,
                    "labelled_stable": 6_404, "labelled_candidate": 712,
                },
                "operations": { "phase": "successful", "reason": "errors and latency as usual" },
                "scores": { "stable": 0.24, "candidate": 0.27 },
            },
        },
        "waits_for": "labels of the canary's events",
    });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    RetrainingRow { version: "2".to_owned(), document: document.to_string(), ..row }
}

pub fn version(model: &str, version: &str, validation: &str, retraining: &str) -> VersionRow {
    VersionRow {
        model: model.to_owned(),
        version: version.to_owned(),
        sha256: if version == "1" { "70aa" } else { "3b5e" }.repeat(16),
        uri: format!("file:///srv/registry/{model}/{version}"),
        validation: validation.to_owned(),
        retraining: retraining.to_owned(),
        registered: wall(if version == "1" { 0 } else { 900 }),
        registered_by: if retraining.is_empty() { "admin" } else { "" }.to_owned(),
        lineage: json!({ "revision": "0123abc", "seed": 0 }).to_string(),
        baseline: if retraining.is_empty() { "" } else { "/srv/registry/baseline.parquet" }.to_owned(),
    }
}

pub fn deployment(model: &str, day: i64, kind: &str, version: &str, weight: u32) -> DeploymentRow {
    let words = match kind {
        "registered" => format!("version {version} is registered as the one that serves"),
        _ => format!("version {version} gets {weight} % of the traffic"),
    };
    DeploymentRow {
        id: format!("{model}-{kind}-{day}"),
        model: model.to_owned(),
        event_time: window(day).start,
        at: wall(900),
        kind: kind.to_owned(),
        version: version.to_owned(),
        weight,
        retraining: String::new(),
        words,
    }
}

/// Version 1 serves, version 2 has 10 % of the traffic: a retraining, two versions, their marks.
pub async fn registry(store: &Store) {
    let mut transaction = store.begin().await.unwrap();
    let row = rollout(MODEL, 0);
    transaction.insert_retraining(&row).await.unwrap();
    served_by_two(&mut transaction, &row, 0).await;
    transaction.commit().await.unwrap();
}

async fn served_by_two(transaction: &mut Transaction, row: &RetrainingRow, day: i64) {
    transaction.insert_version(&version(MODEL, "1", "external", "")).await.unwrap();
    transaction.insert_version(&version(MODEL, "2", "passed", &row.id)).await.unwrap();
    for (alias, version) in [("champion", "1"), ("challenger", "2")] {
        transaction.set_alias(MODEL, alias, Some(version), window(day).start, wall(900)).await.unwrap();
    }
    transaction.insert_deployment(&deployment(MODEL, 0, "registered", "1", 100)).await.unwrap();
    transaction.insert_deployment(&deployment(MODEL, day + 2, "canary", "2", 10)).await.unwrap();
}

pub fn dead_letter(model: &str, offset: i64, reason: &str, detail: &str) -> DeadLetterRow {
    DeadLetterRow {
        model: model.to_owned(),
        kind: if offset % 5 == 4 { "label" } else { "prediction" }.to_owned(),
        topic: format!("{model}.predictions"),
        partition: (offset % 2) as i32,
        record_offset: offset,
        reason: reason.to_owned(),
        detail: detail.to_owned(),
        payload: b"secret".to_vec(),
        seen: wall(offset as u64),
    }
}

pub fn shard(model: &str, shard: i32, day: i64) -> ShardRow {
    ShardRow {
        model: model.to_owned(),
        shard,
        shards: 2,
        epoch: 3,
        sequence: 41,
        prediction_watermark: Some(EventTime::from_micros(window(day).end.micros() - 1_800_000_000)),
        label_watermark: Some(window(day - 1).start),
        predictions_idle: false,
        labels_idle: false,
        offsets: json!({ "prediction": 49_500, "label": 47_120 }).to_string(),
        counts: json!({ "predictions": { "accepted": 49_480, "duplicate": 12, "late": 3, "dead_letter": 5, "other_model": 0 } })
            .to_string(),
        updated: wall(600),
    }
}

/// One row of everything, for tests and the examples of docs/api.md.
pub async fn small(store: &Store) {
    let mut transaction = store.begin().await.unwrap();
    let mut figures = Figures { mean_score: Some(0.31), positive_rate: Some(0.22), ..Figures::default() };
    let log_loss = Figure { value: Some(0.61), interval: Some((0.57, 0.65)), limit: Some(0.59), reason: None };
    figures.performance.insert("log_loss".to_owned(), log_loss);
    figures.performance.insert("roc_auc".to_owned(), Figure { value: Some(0.68), ..Figure::default() });
    transaction.upsert_shard(&shard(MODEL, 0, 1)).await.unwrap();
    transaction.upsert_window(&window_row(MODEL, "1", 0, &figures)).await.unwrap();
    transaction.upsert_finding(&finding(MODEL, 0, "temp", "location", Severity::Warning)).await.unwrap();
    transaction.upsert_alert(&alert(MODEL, "PerformanceDecay", "", (0, Some(0), None))).await.unwrap();
    let row = rollout(MODEL, 0);
    transaction.insert_retraining(&row).await.unwrap();
    served_by_two(&mut transaction, &row, 0).await;
    let effect = transaction.begin_effect(&row.id, "pin", "{}", wall(20)).await.unwrap();
    assert!(transaction.end_effect(&row.id, effect, "done", wall(24)).await.unwrap());
    let line = AuditRow {
        id: "a1".to_owned(),
        at: wall(3),
        who: "ann".to_owned(),
        role: "operator".to_owned(),
        command: "cancel".to_owned(),
        model: MODEL.to_owned(),
        subject: "flights-test-data-promoted-1".to_owned(),
        reason: "wrong data".to_owned(),
        outcome: "refused: retraining flights-test-data-promoted-1 is promoted: there is nothing to cancel".to_owned(),
    };
    transaction.insert_audit(&line).await.unwrap();
    transaction.insert_notification(&notification(MODEL, "n1-mail", "firing", "delivered", 10)).await.unwrap();
    let letter = dead_letter(MODEL, 17, "missing_field", "the field /request_id is missing");
    transaction.insert_dead_letters(&[letter]).await.unwrap();
    transaction.commit().await.unwrap();
}

/// A hundred and ten days: quiet with storms, a unit change in May, decay in June, labels two days behind.
pub async fn season(store: &Store) {
    let mut transaction = store.begin().await.unwrap();
    for index in 0..2 {
        transaction.upsert_shard(&shard(MODEL, index, DAYS - 1)).await.unwrap();
    }
    for day in 0..DAYS {
        judged_day(&mut transaction, day).await;
    }
    for row in [
        AlertRow { severity: "ticket".to_owned(), ..alert(MODEL, "VolumeDrop", "", (37, Some(38), Some(39))) },
        alert(MODEL, "PipelineFault", "temp", (69, Some(69), Some(73))),
        alert(MODEL, "PipelineFault", "dewp", (69, Some(69), Some(73))),
        AlertRow { severity: "ticket".to_owned(), ..alert(MODEL, "SustainedDrift", "temp", (107, None, None)) },
        alert(MODEL, "PerformanceDecay", "", (100, Some(102), None)),
    ] {
        transaction.upsert_alert(&row).await.unwrap();
    }
    let veto = "the newest windows look like a pipeline fault (unit_change of the weather source)";
    transaction.insert_retraining(&retraining(MODEL, "vetoed", 69, "PipelineFault", veto)).await.unwrap();
    let row = rollout(MODEL, CANARY - 2);
    transaction.insert_retraining(&row).await.unwrap();
    served_by_two(&mut transaction, &row, CANARY - 2).await;
    transaction.insert_deployment(&deployment(MODEL, CANARY + 2, "step", "2", 50)).await.unwrap();
    for row in [
        notification(MODEL, "fault-mail", "firing", "delivered", 10),
        notification(MODEL, "fault-over-mail", "resolved", "delivered", 60),
        notification(MODEL, "decay-mail", "firing", "delivered", 300),
        notification(MODEL, "decay-hook", "firing", "waiting", 300),
        NotificationRow { attempts: 10, ..notification(MODEL, "volume-hook", "firing", "dead", 5) },
    ] {
        transaction.insert_notification(&row).await.unwrap();
    }
    let letters: Vec<_> = (0..37).map(bad_event).collect();
    transaction.insert_dead_letters(&letters).await.unwrap();
    transaction.commit().await.unwrap();
}

fn bad_event(offset: i64) -> DeadLetterRow {
    let (reason, detail) = match offset % 7 {
        0..=2 => ("undecodable", "not JSON: expected value at line 1 column 1"),
        3 => ("missing_field", "the field /request_id is missing"),
        4 | 5 => ("wrong_type", "the field /input/temp is text, but float64 is declared"),
        _ => ("time_in_future", "the event's time is 4,017 days ahead of the broker's"),
    };
    dead_letter(MODEL, offset * 131 + 7, reason, detail)
}

async fn judged_day(transaction: &mut Transaction, day: i64) {
    let is_faulty = FAULT.contains(&day);
    let rows =
        (880.0 + 90.0 * (day as f64 * TAU / 7.0).sin() + 40.0 * noise(day)) as i64 - if day == 38 { 600 } else { 0 };
    let labelled_share = match DAYS - 1 - day {
        0 => 0.0,
        1 => 0.24,
        2 => 0.61,
        _ => 0.985 + 0.01 * noise(day * 3),
    };
    let labelled = (rows as f64 * labelled_share) as i64;
    let mut log_loss = 0.47 + 0.018 * (day as f64 * TAU / 7.0).cos() + 0.03 * noise(day * 7 + 1);
    if is_faulty {
        log_loss += 0.09;
    }
    if day >= DECAY {
        log_loss += (0.035 * (day - DECAY) as f64).min(0.19);
    }
    let is_matured = day < DAYS - 3;
    let mut figures = Figures {
        mean_score: Some(0.24),
        positive_rate: Some(0.22),
        late: u64::from(day % 9 == 0),
        ..Figures::default()
    };
    if labelled > 0 {
        let is_judged = is_matured && day >= 14;
        let log_loss = Figure {
            value: Some(log_loss),
            interval: is_judged.then_some((log_loss - 0.032, log_loss + 0.034)),
            limit: is_judged.then_some(0.565 + 0.004 * noise(day / 9)),
            reason: None,
        };
        figures.performance.insert("log_loss".to_owned(), log_loss);
        for (name, value) in [
            ("roc_auc", 1.15 - log_loss_of(&figures)),
            ("brier_score", log_loss_of(&figures) / 3.0),
            ("accuracy", 1.25 - log_loss_of(&figures)),
        ] {
            figures.performance.insert(name.to_owned(), Figure { value: Some(value), ..Figure::default() });
        }
    }
    // The candidate has learnt what changed.
    let mut candidate = figures.clone();
    if let Some(figure) = candidate.performance.get_mut("log_loss") {
        *figure = Figure { value: figure.value.map(|value| value - 0.08), ..Figure::default() };
    }
    let share = match day - CANARY {
        ..0 => 0,
        0..2 => 10,
        _ => 45,
    };
    for (version, percent) in [("", 100), ("1", 100 - share), ("2", share)].into_iter().filter(|(_, share)| *share > 0)
    {
        let figures = if version == "2" { candidate.clone() } else { figures.clone() };
        let (rows, labelled) = (rows * percent / 100, labelled * percent / 100);
        let row = WindowRow {
            rows,
            labelled,
            coverage: Some(labelled as f64 / rows as f64),
            matured: is_matured,
            quarantined: is_faulty,
            ..window_row(MODEL, version, day, &figures)
        };
        transaction.upsert_window(&row).await.unwrap();
    }
    for found in findings(day, log_loss, is_matured && day >= 14) {
        transaction.upsert_finding(&found).await.unwrap();
    }
}

fn log_loss_of(figures: &Figures) -> f64 {
    figures.value("log_loss").unwrap_or_default()
}

fn findings(day: i64, log_loss: f64, is_judged: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add =
        |feature: &str, detector: &str, severity| found.push(finding(MODEL, day, feature, detector, severity));
    if FAULT.contains(&day) {
        for (feature, (fahrenheit, celsius)) in [("temp", (60.9, 16.1)), ("dewp", (45.2, 7.3))] {
            let explanation = format!(
                "{feature} from source weather looks like celsius where fahrenheit is declared: its mean is {celsius} where \
                 {fahrenheit} is usual. A fault of the pipeline, not drift."
            );
            let fault = Finding {
                fault: Some(Fault::UnitChange),
                explanation,
                since: window(FAULT.start).start,
                consecutive: (day - FAULT.start + 1) as u32,
                ..finding(MODEL, day, feature, "unit_change", Severity::Critical)
            };
            found.push(fault);
        }
        found.push(finding(MODEL, day, "score", "location", Severity::Info));
        return found;
    }
    if day % 13 == 7 {
        add("visib", "ks", Severity::Info);
        add("wind_speed", "location", if day % 26 == 7 { Severity::Warning } else { Severity::Info });
    }
    if (33..48).contains(&day) && day % 3 != 0 {
        add("temp", "location", Severity::Info);
    }
    if (50..53).contains(&day) || day >= 107 {
        add("temp", "psi", Severity::Warning);
        add("humid", "psi", Severity::Info);
    }
    if day == 38 {
        let drop = Finding {
            subject: Subject::Volume,
            feature: String::new(),
            ..finding(MODEL, day, "", "volume", Severity::Critical)
        };
        found.push(Finding { explanation: "Only 278 predictions came where 880 are usual.".to_owned(), ..drop });
    }
    if day >= DECAY + 2 {
        let score = Finding {
            subject: Subject::Score,
            feature: String::new(),
            ..finding(MODEL, day, "", "location", Severity::Warning)
        };
        found.push(Finding { explanation: "The score moved: its mean went from 0.24 to 0.33.".to_owned(), ..score });
    }
    if is_judged && log_loss > 0.565 {
        let severity = if log_loss > 0.62 { Severity::Critical } else { Severity::Warning };
        found.push(Finding {
            version: "1".to_owned(),
            subject: Subject::Performance,
            feature: String::new(),
            statistic: Some(log_loss),
            limit: Some(0.565),
            since: window(DECAY).start,
            consecutive: (day - DECAY + 1).max(1) as u32,
            explanation: format!(
                "The log loss is {log_loss:.3}, where {:.3} is usual and 0.565 the limit; origin EWR lost most.",
                0.47
            ),
            ..finding(MODEL, day, "", "log_loss", severity)
        });
    }
    found
}
