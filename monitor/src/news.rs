//! Who is told what of a retraining: that it ended, or waits for a person.

use std::sync::Arc;

use contract::{Contract, EventTime, WallTime};
use retrain_trigger::execute::Teller;
use retrain_trigger::retraining::{Retraining, State};
use rules::{AlertSeverity, Notification, NotificationContext, RetrainingNews};
use store::NotificationRow;

use crate::commit::DeliveryPlan;

/// Writes the messages about the retrainings of one model.
pub fn teller(contract: Arc<Contract>, plan: Arc<DeliveryPlan>) -> Teller {
    Arc::new(move |retraining, now| match news(retraining) {
        Some(news) => messages(&contract, &plan, &news, now),
        None => Vec::new(),
    })
}

/// What is worth a message. A promotion is good to know; what failed, went back or waits is somebody's work.
fn news(retraining: &Retraining) -> Option<RetrainingNews> {
    let version = retraining.candidate.as_ref().map(|candidate| candidate.version.clone()).unwrap_or_default();
    let candidate = if version.is_empty() { "the candidate".to_owned() } else { format!("version {version}") };
    let why = retraining.outcome.clone().unwrap_or_default();
    let waits_for = retraining.waits_for.clone().unwrap_or_default();
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
        State::Requested | State::Registered if waits_for.starts_with("approval") => (
            "awaiting_approval",
            AlertSeverity::Ticket,
            format!("it waits for {waits_for}: bellwether approve {}", retraining.id),
        ),
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
    use retrain_trigger::retraining::{AskedBy, Candidate};

    use super::*;

    fn retraining(state: State) -> Retraining {
        let time = EventTime::from_micros(0);
        let by = AskedBy::Rule("PerformanceDecay".to_owned());
        let mut retraining =
            Retraining::requested("m-1".to_owned(), "m", by, "it fired", time, WallTime::from_micros(0));
        retraining.state = state;
        retraining
    }

    #[test]
    fn r3_people_are_told_of_ends_and_of_what_waits_for_them() {
        for state in State::ALL {
            let told = news(&retraining(state)).map(|news| news.news);
            let expected = match state {
                State::Promoted => Some("promoted"),
                State::RolledBack => Some("rolled_back"),
                State::Failed => Some("failed"),
                _ => None,
            };
            assert_eq!(told, expected, "{}", state.name());
        }
        let mut waiting = retraining(State::Registered);
        waiting.candidate = Some(Candidate { version: "2".to_owned(), sha256: String::new() });
        waiting.waits_for = Some("approval of the rollout".to_owned());
        let told = news(&waiting).unwrap();
        assert_eq!(told.summary, "it waits for approval of the rollout: bellwether approve m-1");
        assert_eq!((told.news, told.version.as_str()), ("awaiting_approval", "2"));
    }
}
