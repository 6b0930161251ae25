//! Who is told what of a retraining: that it ended, or waits for a person.

use std::sync::Arc;

use contract::model::{ApprovalStage, Retrain};
use contract::{Contract, EventTime, WallTime};
use retrain_trigger::commands::stage_to_approve;
use retrain_trigger::execute::Teller;
use retrain_trigger::retraining::{Retraining, State};
use rules::{AlertSeverity, Notification, NotificationContext, RetrainingNews};
use store::NotificationRow;

use crate::commit::DeliveryPlan;

/// Writes the messages about the retrainings of one model.
pub fn teller(contract: Arc<Contract>, plan: Arc<DeliveryPlan>) -> Teller {
    Arc::new(move |retraining, now| match news(contract.retrain.as_ref(), retraining) {
        Some(news) => messages(&contract, &plan, &news, now),
        None => Vec::new(),
    })
}

/// What is worth a message. A promotion is good to know; what failed, went back or waits is somebody's work, and a way back
/// that leads nowhere can't wait.
fn news(retrain: Option<&Retrain>, retraining: &Retraining) -> Option<RetrainingNews> {
    let version = retraining.candidate.as_ref().map(|candidate| candidate.version.clone()).unwrap_or_default();
    let candidate = if version.is_empty() { "the candidate".to_owned() } else { format!("version {version}") };
    let why = retraining.outcome.clone().unwrap_or_default();
    let (news, severity, summary) = match retraining.state {
        State::Promoted => ("promoted", AlertSeverity::Info, format!("{candidate} serves now; {why}")),
        State::RolledBack => {
            let stable = retraining.stable.clone().unwrap_or_default();
            (
                "rolled_back",
                AlertSeverity::Ticket,
                format!("{candidate} is out of service, version {stable} serves; {why}"),
            )
        }
        State::Failed => ("failed", AlertSeverity::Ticket, why),
        State::RollingBack if retraining.is_stuck() => {
            let waits_for = retraining.waits_for.clone().unwrap_or_default();
            (
                "rollback_stuck",
                AlertSeverity::Page,
                format!("{candidate} may still serve, the way back is barred: {waits_for}"),
            )
        }
        State::Requested | State::Registered if retraining.waits_for.is_some() => {
            waiting(retrain?, retraining, &candidate)?
        }
        _ => return None,
    };
    Some(RetrainingNews {
        model: retraining.model.clone(),
        retraining: retraining.id.clone(),
        news,
        severity,
        at: at(retraining),
        version,
        summary,
    })
}

/// What it waits for, if that is a person.
fn waiting(
    retrain: &Retrain,
    retraining: &Retraining,
    candidate: &str,
) -> Option<(&'static str, AlertSeverity, String)> {
    let approval = stage_to_approve(retrain, retraining).map(|stage| match stage {
        ApprovalStage::Training => "training",
        ApprovalStage::Rollout => "rollout",
    });
    let (news, summary) = if let Some(what) = approval {
        let summary = format!("it waits for approval of the {what}: bellwether approve {}", retraining.id);
        ("awaiting_approval", summary)
    } else if retraining.state == State::Registered && retrain.target.is_none() {
        let model = &retraining.model;
        let summary = format!("{candidate} is registered: deploy it, then bellwether promote --model {model}");
        ("awaiting_deployment", summary)
    } else {
        return None;
    };
    Some((news, AlertSeverity::Ticket, summary))
}

/// As far as events have told.
fn at(retraining: &Retraining) -> EventTime {
    let rollout = retraining.rollout.as_ref();
    let analysis = rollout.and_then(|rollout| rollout.analysis.as_ref());
    analysis.map(|analysis| analysis.until).or(rollout.map(|rollout| rollout.since)).unwrap_or(retraining.event_time)
}

fn messages(contract: &Contract, plan: &DeliveryPlan, news: &RetrainingNews, now: WallTime) -> Vec<NotificationRow> {
    let context = NotificationContext {
        owner: contract.owner.clone(),
        page: plan.page.clone(),
        created: now,
        ..NotificationContext::default()
    };
    plan.outbox(&Notification::of_retraining(news, &context), now)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use retrain_trigger::retraining::{AskedBy, Candidate, Rollout};

    use super::*;

    fn retraining(state: State) -> Retraining {
        let time = EventTime::from_micros(0);
        let by = AskedBy::Rule("PerformanceDecay".to_owned());
        let mut retraining =
            Retraining::requested("m-1".to_owned(), "m", by, "it fired", time, WallTime::from_micros(0));
        retraining.state = state;
        retraining
    }

    fn retrain(extra: &str) -> Retrain {
        let text = format!(
            "version: 1\nmodel: m\ntask: binary_classification\n\
             sources: {{ predictions: {{ topic: p }}, labels: {{ topic: l, horizon: 1d }} }}\n\
             fields:\n  predictions: {{ event_id: /id, time: /t, version: /v, score: /p }}\n  labels: {{ event_id: /id, time: /t, label: /l }}\n\
             schema: {{ x: {{ type: float64 }} }}\nwindows: {{ size: 1h }}\n\
             retrain: {{ policy: {{ approval: [ rollout ] }}, executor: {{ command: [ t ] }}{extra} }}\n"
        );
        contract::lower::contract_from_text(&text, Path::new("m.yaml")).unwrap().retrain.unwrap()
    }

    fn registered() -> Retraining {
        let mut waiting = retraining(State::Registered);
        waiting.candidate = Some(Candidate { version: "2".to_owned(), sha256: String::new() });
        waiting.waits_for = Some("somebody".to_owned());
        waiting
    }

    #[test]
    fn r3_people_are_told_of_ends_and_of_what_waits_for_them() {
        let mut retrain = retrain("");
        for state in State::ALL {
            let told = news(Some(&retrain), &retraining(state)).map(|news| news.news);
            let expected = match state {
                State::Promoted => Some("promoted"),
                State::RolledBack => Some("rolled_back"),
                State::Failed => Some("failed"),
                _ => None,
            };
            assert_eq!(told, expected, "{}", state.name());
        }
        let told = news(Some(&retrain), &registered()).unwrap();
        assert_eq!(told.summary, "it waits for approval of the rollout: bellwether approve m-1");
        assert_eq!((told.news, told.version.as_str()), ("awaiting_approval", "2"));
        retrain.policy.approval.clear();
        let told = news(Some(&retrain), &registered()).unwrap();
        assert_eq!(told.summary, "version 2 is registered: deploy it, then bellwether promote --model m");
        assert_eq!(told.news, "awaiting_deployment");
    }

    #[test]
    fn r3_a_way_back_that_is_barred_pages_somebody() {
        let retrain = retrain(", target: { url: \"http://a\" }");
        assert!(news(Some(&retrain), &registered()).is_some());
        let mut back = registered();
        back.state = State::RollingBack;
        back.rollout = Some(Rollout {
            step: 0,
            weight: 10,
            generation: 5,
            since: EventTime::from_micros(0),
            is_guarded: false,
            errors: 4,
            failing_since: None,
            analysis: None,
        });
        assert!(news(Some(&retrain), &back).is_none());
        back.rollout.as_mut().unwrap().errors = 5;
        let told = news(Some(&retrain), &back).unwrap();
        assert_eq!((told.news, told.severity), ("rollback_stuck", AlertSeverity::Page));
    }
}
