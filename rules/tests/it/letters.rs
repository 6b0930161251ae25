//! What people and programs read.

use contract::{EventTime, Severity};
use rules::channels::{letter, webhook};
use rules::{AlertSeverity, Notification, NotificationContext, RetrainingNews, Stage};
use serde_json::Value;

use crate::scene::{Life, context, day, decay, notification, unit_change};

fn resolved() -> Notification {
    let context = NotificationContext { retraining: "cooling_down".to_owned(), ..context() };
    Notification::from_change(&decay().1, &context).unwrap()
}

fn fault() -> Notification {
    let mut life = Life::new("- alert: PipelineFault\n  when: fault(any)\n  severity: page\n");
    let findings = [unit_change("temp"), unit_change("dewp")];
    let reason = "a fault of the pipeline stands: unit_change of dewp, temp (source weather)";
    let context = NotificationContext {
        retraining: "vetoed".to_owned(),
        retraining_reason: Some(reason.to_owned()),
        ..context()
    };
    Notification::from_change(&life.step(&day(9, Stage::Closed, &findings))[0], &context).unwrap()
}

#[test]
fn a_decay_as_a_letter() {
    let notification = notification();
    insta::assert_snapshot!(letter::subject(&notification), @"[page] flights: PerformanceDecay");
    insta::assert_snapshot!("decay_text", letter::text(&notification));
    insta::assert_snapshot!("decay_html", letter::html(&notification));
}

#[test]
fn a_fault_as_a_letter() {
    insta::assert_snapshot!("fault_text", letter::text(&fault()));
}

#[test]
fn an_end_as_a_letter() {
    let notification = resolved();
    insta::assert_snapshot!(letter::subject(&notification), @"[resolved] flights: PerformanceDecay");
    insta::assert_snapshot!("resolved_text", letter::text(&notification));
    assert_eq!(notification.firing_id(), self::notification().id);
}

#[test]
fn a_retraining_as_a_letter_and_as_a_webhook() {
    let news = RetrainingNews {
        model: "flights".to_owned(),
        retraining: "flights-20130620T0800Z-1f".to_owned(),
        news: "rolled_back",
        severity: AlertSeverity::Ticket,
        at: EventTime::from_micros(0),
        version: "3".to_owned(),
        summary: "version 3 is out of service, version 2 serves; it was worse by 0.9".to_owned(),
    };
    let notification = Notification::of_retraining(&news, &NotificationContext::default());
    insta::assert_snapshot!(letter::subject(&notification), @"[ticket] flights: retraining rolled back");
    insta::assert_snapshot!(letter::text(&notification), @r"
    flights: retraining rolled back

    version 3 is out of service, version 2 serves; it was worse by 0.9

    At          1970-01-01T00:00:00Z
    Retraining  flights-20130620T0800Z-1f
    Version     3
    ");
    let body: Value = serde_json::from_str(&webhook::body(&notification)).unwrap();
    assert_eq!(body["type"], "retraining.rolled_back");
    assert_eq!(notification.id, "flights-20130620T0800Z-1f-rolled_back");
}

#[test]
fn a_decay_as_a_webhook() {
    let body: Value = serde_json::from_str(&webhook::body(&notification())).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
}

#[test]
fn markup_and_line_breaks_in_names_stay_text() {
    let mut notification = notification();
    notification.model = "a\r\nBcc: everyone@example.org".to_owned();
    notification.annotations.insert("summary".to_owned(), "<script>alert('x')</script> & \"more\"".to_owned());
    notification.annotations.insert("runbook".to_owned(), "https://example.org/\"onclick=x".to_owned());
    let subject = letter::subject(&notification);
    assert!(!subject.contains(['\r', '\n']), "{subject}");
    let html = letter::html(&notification);
    assert!(!html.contains("<script>") && !html.contains("\"onclick"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;"));
    notification.model = "m".repeat(500);
    assert!(letter::subject(&notification).chars().count() <= 120);
}

#[test]
fn d3_versions_features_and_segments_bring_no_control_characters() {
    let evil = "1\n\u{1b}[2J\u{202e}";
    let mut notification = notification();
    notification.segment = format!("origin={evil}");
    notification.feature = evil.to_owned();
    notification.retraining = "vetoed".to_owned();
    notification.retraining_reason = Some(format!("a fault of the pipeline stands: unit_change of {evil}"));
    notification.annotations.insert("feature".to_owned(), evil.to_owned());
    notification.annotations.insert("version".to_owned(), evil.to_owned());
    notification.annotations.insert("summary".to_owned(), "the owner's\nown lines".to_owned());
    evil.clone_into(&mut notification.evidence[0].version);
    let text = letter::text(&notification);
    assert!(text.contains("the owner's\nown lines"), "{text}");
    for told in [letter::subject(&notification), text.replace('\n', ""), letter::html(&notification).replace('\n', "")]
    {
        assert!(!told.contains(|c: char| c.is_control() || c == '\u{202e}'), "{told:?}");
        assert!(told.contains("1\\n\\u{1b}[2J\\u{202e}"), "{told}");
    }
}

#[test]
fn e3_a_webhook_stays_below_its_limit_and_says_what_is_missing() {
    let mut notification = notification();
    let evidence = notification.evidence[0].clone();
    notification.evidence = vec![rules::notification::Evidence { explanation: "é".repeat(1_000), ..evidence }; 20];
    for index in 0..50 {
        notification.annotations.insert(format!("note{index}"), "n".repeat(4_000));
    }
    let body = webhook::body(&notification);
    assert!(body.len() < webhook::BODY_LIMIT, "{}", body.len());
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["data"]["truncated"], true);
    assert_eq!(value["data"]["id"], notification.id);
    notification.annotations =
        (0..200).map(|index| (format!("{index}{}", "k".repeat(200)), "v".repeat(4_000))).collect();
    assert!(webhook::body(&notification).len() < webhook::BODY_LIMIT);
}

#[test]
fn r3_an_id_depends_on_the_alert_alone() {
    let (firing, resolved) = decay();
    let later = NotificationContext { created: contract::WallTime::from_micros(7), ..NotificationContext::default() };
    let one = Notification::from_change(&firing, &context()).unwrap();
    assert_eq!(one.id, Notification::from_change(&firing, &later).unwrap().id);
    assert_ne!(one.id, Notification::from_change(&resolved, &context()).unwrap().id);
    assert_eq!(one.evidence[0].severity, Severity::Critical);
}
