//! A notification as a letter: subject, text and HTML. All three are made of the same [`Letter`], so they can't differ.

use std::fmt::Write;

use contract::{Severity, printable};

use crate::notification::{Evidence, Notification, NotificationKind};
use crate::template::{cut, figure};

/// Characters of a subject.
const SUBJECT_LIMIT: usize = 120;
/// Annotations that are told in a place of their own.
const PLACED: [&str; 6] = ["summary", "explanation", "feature", "fault", "version", "resolution"];

/// The parts of a letter, in order. Names that come from the data are printable.
struct Letter {
    title: String,
    summary: String,
    facts: Vec<(String, String)>,
    evidence: Vec<String>,
    retraining: Option<String>,
    links: Vec<(String, String)>,
}

/// One line, without anything that could end a header.
pub fn subject(notification: &Notification) -> String {
    let mark = match notification.kind {
        NotificationKind::Firing | NotificationKind::Retraining => notification.severity.name(),
        NotificationKind::Resolved => "resolved",
    };
    if notification.kind == NotificationKind::Retraining {
        let subject = format!("[{mark}] {}: retraining {}", notification.model, spaced(&notification.retraining));
        return cut(&printable(&subject), SUBJECT_LIMIT);
    }
    let segment = if notification.segment.is_empty() { String::new() } else { format!(" in {}", notification.segment) };
    let feature = if notification.feature.is_empty() { String::new() } else { format!(" of {}", notification.feature) };
    let subject = format!("[{mark}] {}: {}{feature}{segment}", notification.model, notification.rule);
    cut(&printable(&subject), SUBJECT_LIMIT)
}

/// The letter as plain text.
pub fn text(notification: &Notification) -> String {
    let letter = letter(notification);
    let mut text = format!("{}\n\n{}\n\n", letter.title, letter.summary);
    let width = letter.facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in &letter.facts {
        let _ = writeln!(text, "{name:width$}  {value}");
    }
    if !letter.evidence.is_empty() {
        text.push_str("\nEvidence\n");
        for line in &letter.evidence {
            let _ = writeln!(text, "- {line}");
        }
    }
    if let Some(retraining) = &letter.retraining {
        let _ = write!(text, "\n{retraining}\n");
    }
    if !letter.links.is_empty() {
        text.push('\n');
    }
    for (name, link) in &letter.links {
        let _ = writeln!(text, "{name}: {link}");
    }
    text
}

/// The letter as HTML, without anything that is loaded from elsewhere.
pub fn html(notification: &Notification) -> String {
    let letter = letter(notification);
    let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\"><body style=\"font-family: sans-serif\">\n");
    let _ = writeln!(html, "<h2>{}</h2>\n<p>{}</p>", escape(&letter.title), escape(&letter.summary));
    html.push_str("<table cellpadding=\"3\">\n");
    for (name, value) in &letter.facts {
        let (name, value) = (escape(name), escape(value));
        let _ = writeln!(html, "<tr><th align=\"left\" valign=\"top\">{name}</th><td>{value}</td></tr>");
    }
    html.push_str("</table>\n");
    if !letter.evidence.is_empty() {
        html.push_str("<h3>Evidence</h3>\n<ul>\n");
        for line in &letter.evidence {
            let _ = writeln!(html, "<li>{}</li>", escape(line));
        }
        html.push_str("</ul>\n");
    }
    if let Some(retraining) = &letter.retraining {
        let _ = writeln!(html, "<p><strong>{}</strong></p>", escape(retraining));
    }
    for (name, link) in &letter.links {
        let (name, link) = (escape(name), escape(link));
        let _ = writeln!(html, "<p>{name}: <a href=\"{link}\">{link}</a></p>");
    }
    html.push_str("</body></html>\n");
    html
}

fn letter(notification: &Notification) -> Letter {
    let Notification { model, rule, severity, kind, annotations, .. } = notification;
    let title = match kind {
        NotificationKind::Firing => format!("{model}: {rule} is firing ({})", severity.name()),
        NotificationKind::Resolved => format!("{model}: {rule} is resolved"),
        NotificationKind::Retraining => format!("{model}: retraining {}", spaced(&notification.retraining)),
    };
    let summary = annotations.get("summary").cloned().unwrap_or_default();
    let others = annotations.iter().filter(|(name, _)| !PLACED.contains(&name.as_str()));
    let (links, others): (Vec<_>, Vec<_>) = others.partition(|(_, value)| is_link(value));
    let mut facts = facts(notification);
    facts.extend(others.into_iter().map(|(name, value)| (capitalized(name), value.clone())));
    let mut links: Vec<_> = links.into_iter().map(|(name, value)| (capitalized(name), value.clone())).collect();
    links.extend(notification.page.iter().map(|page| ("Page".to_owned(), page.clone())));
    let shown = |text: String| printable(&text).into_owned();
    let evidence = notification.evidence.iter().map(|evidence| shown(evidence_line(evidence))).collect();
    let retraining = retraining(notification).map(shown);
    Letter { title: shown(title), summary, facts, evidence, retraining, links }
}

fn facts(notification: &Notification) -> Vec<(String, String)> {
    let annotation = |name: &str| notification.annotations.get(name).cloned();
    let shown = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let is_retraining = notification.kind == NotificationKind::Retraining;
    let all = [
        (if is_retraining { "At" } else { "Since" }, Some(notification.started.to_string())),
        ("Retraining", is_retraining.then(|| notification.fingerprint.clone())),
        ("Fired", notification.fired.map(|time| time.to_string())),
        ("Resolved", notification.resolved.map(|time| time.to_string())),
        ("Because", annotation("resolution")),
        (
            if notification.kind == NotificationKind::Firing { "Value" } else { "Value now" },
            notification.value.map(figure),
        ),
        ("Fault", annotation("fault")),
        ("Feature", annotation("feature")),
        ("Segment", shown(&notification.segment)),
        ("Version", annotation("version")),
        ("Owner", notification.owner.clone()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), printable(&value?).into_owned()))).collect()
}

/// "warning: log_loss is 0.9 …"; where there is no explanation, the figures alone.
fn evidence_line(evidence: &Evidence) -> String {
    let severity = if evidence.severity == Severity::None { "shown" } else { evidence.severity.name() };
    let version = if evidence.version.is_empty() { String::new() } else { format!(" (version {})", evidence.version) };
    if !evidence.explanation.is_empty() {
        return format!("{severity}{version}: {}", evidence.explanation);
    }
    let about = if evidence.feature.is_empty() { evidence.subject.name() } else { &evidence.feature };
    let figures = match (evidence.statistic, evidence.limit) {
        (Some(statistic), Some(limit)) => format!(" {}, limit {}", figure(statistic), figure(limit)),
        (Some(statistic), None) => format!(" {}", figure(statistic)),
        _ => String::new(),
    };
    format!("{severity}{version}: {} of {about}{figures}", evidence.detector)
}

fn retraining(notification: &Notification) -> Option<String> {
    if notification.kind == NotificationKind::Retraining {
        // It is what the whole letter is about.
        return None;
    }
    let reason = notification.retraining_reason.as_deref();
    match notification.retraining.as_str() {
        "requested" => Some("Retraining requested.".to_owned()),
        "vetoed" => Some(format!("Retraining vetoed: {}.", reason.unwrap_or("no reason was recorded"))),
        _ => None,
    }
}

/// "rolled_back" as people write it.
fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

fn is_link(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://")) && !text.contains(char::is_whitespace)
}

fn capitalized(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
