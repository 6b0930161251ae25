//! The planner's goldens: a situation, and the step that it gives. Each line is one branch of one state (promise T1).

mod case;

use std::fmt::Write;
use std::time::Duration;

use contract::WallTime;
use contract::model::ApprovalStage;
use detectors::canary::Phase;
use retrain_trigger::commands::gives_way;
use retrain_trigger::retraining::{Kind, Progress, State, Wish};
use retrain_trigger::world::{Run, Traffic};

use self::case::{Case, Change, compares, gate, lasting, passing, says, serving, start, table, traffic, word, words};

#[test]
fn t1_requested() {
    insta::assert_snapshot!(table(|| Case::new(State::Requested), &[
        ("nothing is in the way", |_| {}),
        ("approval is asked for", |case| case.asks_for(ApprovalStage::Training)),
        ("approval is asked for and given", |case| {
            case.asks_for(ApprovalStage::Training);
            case.retraining.approvals.insert(ApprovalStage::Training, word());
        }),
        ("approval is asked for the rollout alone", |case| case.asks_for(ApprovalStage::Rollout)),
        ("a fault stands", |case| case.fault = Some("a fault of the pipeline stands: unit_change of temp".to_owned())),
        ("a person cancels", |case| {
            case.retraining.wish = Some(Wish::Cancel);
            case.retraining.outcome = Some("cancelled by anna: not now".to_owned());
        }),
        ("the contract has no executor any more", |case| case.retrain.executor = None),
        ("something serves that isn't registered", |case| {
            case.without_stable();
            case.target = serving(&["9"], traffic(&[("9", 100)], 3, None));
        }),
        ("nothing serves", |case| {
            case.without_stable();
            case.target = serving(&["9"], traffic(&[("9", 0)], 3, None));
        }),
    ]), @r"
    nothing is in the way
      -> pin
    approval is asked for
      -> wait approval of the training
    approval is asked for and given
      -> pin
    approval is asked for the rollout alone
      -> pin
    a fault stands
      -> finish vetoed: a fault of the pipeline stands: unit_change of temp
    a person cancels
      -> finish cancelled: cancelled by anna: not now
    the contract has no executor any more
      -> wait someone who carries it out: the contract has no `retrain.executor`
    something serves that isn't registered
      -> finish failed: version 9 serves and isn't registered, so there is nothing to compare with and no way back: bellwether register --model m --version 9 --champion, then ask again
    nothing serves
      -> pin
    ");
}

#[test]
fn t1_data_pinned_and_training() {
    insta::assert_snapshot!(table(|| Case::new(State::Training), &[
        ("the data are pinned", |case| {
            case.retraining.state = State::DataPinned;
            case.run = Some(Ok(Run::Absent));
        }),
        ("the data are pinned, and a person cancels", |case| {
            case.retraining.state = State::DataPinned;
            case.run = Some(Ok(Run::Absent));
            case.retraining.wish = Some(Wish::Cancel);
        }),
        ("it runs", |case| case.run = Some(Ok(Run::Going(Progress::default())))),
        ("it is done", |case| case.run = Some(Ok(Run::Done))),
        ("nobody can say how it is", |case| case.run = passing()),
        ("nobody will ever say how it is", |case| case.run = lasting()),
        ("it broke, the first time", |case| {
            case.retraining.attempts = 1;
            case.run = Some(Ok(Run::Broken { why: "code 1".to_owned(), is_final: false }));
        }),
        ("it broke, the last time", |case| {
            case.retraining.attempts = 3;
            case.run = Some(Ok(Run::Broken { why: "code 1".to_owned(), is_final: false }));
        }),
        ("it broke for good", |case| {
            case.retraining.attempts = 1;
            case.run = Some(Ok(Run::Broken { why: "bad parameters".to_owned(), is_final: true }));
        }),
        ("it is gone, the first time", |case| {
            case.retraining.attempts = 1;
            case.run = Some(Ok(Run::Absent));
        }),
        ("it is gone, the last time", |case| {
            case.retraining.attempts = 3;
            case.run = Some(Ok(Run::Absent));
        }),
        ("it runs, and a person cancels", |case| {
            case.retraining.wish = Some(Wish::Cancel);
            case.run = Some(Ok(Run::Going(Progress::default())));
        }),
        ("it is done, and a person cancels", |case| {
            case.retraining.wish = Some(Wish::Cancel);
            case.run = Some(Ok(Run::Done));
        }),
        ("nobody can say how it is, and a person cancels", |case| {
            case.retraining.wish = Some(Wish::Cancel);
            case.run = passing();
        }),
    ]), @r"
    the data are pinned
      -> train attempt 1
    the data are pinned, and a person cancels
      -> finish cancelled: cancelled while it trained
    it runs
      -> wait the trainer
    it is done
      -> move evaluating
    nobody can say how it is
      -> wait the trainer: no answer
    nobody will ever say how it is
      -> finish failed: 401
    it broke, the first time
      -> train attempt 2
    it broke, the last time
      -> finish failed: code 1; the trainer was started 3 times
    it broke for good
      -> finish failed: bad parameters
    it is gone, the first time
      -> train attempt 2
    it is gone, the last time
      -> finish failed: the trainer is gone without a word; the trainer was started 3 times
    it runs, and a person cancels
      -> stop_training
    it is done, and a person cancels
      -> finish cancelled: cancelled while it trained
    nobody can say how it is, and a person cancels
      -> wait the trainer: no answer
    ");
}

#[test]
fn t1_evaluating() {
    insta::assert_snapshot!(table(|| Case::new(State::Evaluating), &[
        ("the trainer is done", |_| {}),
        ("a person cancels", |case| case.retraining.wish = Some(Wish::Cancel)),
    ]), @r"
    the trainer is done
      -> evaluate
    a person cancels
      -> finish cancelled: cancelled before it was evaluated
    ");
}

#[test]
fn t1_registered() {
    insta::assert_snapshot!(table(Case::registered, &[
        ("both versions are loaded", |_| {}),
        ("the candidate isn't loaded", |case| case.target = serving(&["1"], traffic(&[("1", 100)], 3, None))),
        ("the app has forgotten everything", |case| case.target = serving(&[], Traffic::default())),
        ("the candidate is loaded with other bytes", |case| {
            if let Some(Ok(target)) = &mut case.target {
                target.loaded.insert("2".to_owned(), "other".to_owned());
            }
        }),
        ("versions are loaded that nobody needs", |case| {
            case.previous = Some("0".to_owned());
            case.target = serving(&["0", "1", "2", "old"], traffic(&[("1", 100)], 3, None));
        }),
        ("an unknown version has traffic", |case| {
            case.target = serving(&["1", "2", "x"], traffic(&[("1", 50), ("x", 50)], 3, None));
        }),
        ("an unknown version is the shadow", |case| {
            case.target = serving(&["1", "2", "x"], traffic(&[("1", 100)], 3, Some("x")));
        }),
        ("the target doesn't answer", |case| case.target = passing()),
        ("the target refuses", |case| case.target = lasting()),
        ("the contract's one step is 100 %", |case| case.retrain.rollout.steps = vec![100]),
        ("the first version", |case| {
            case.without_stable();
            case.target = serving(&["2"], Traffic::default());
        }),
        ("the first version, and something serves that isn't registered", |case| {
            case.without_stable();
            case.target = serving(&["9"], traffic(&[("9", 100)], 3, None));
        }),
        ("the first version, and other bytes serve under its name", |case| {
            case.without_stable();
            case.target = serving(&["2"], traffic(&[("2", 100)], 3, None));
            if let Some(Ok(target)) = &mut case.target {
                target.loaded.insert("2".to_owned(), "other".to_owned());
            }
        }),
        ("a person promotes it", |case| case.retraining.forced = Some(word())),
        ("a person promotes it while a fault stands", |case| {
            case.retraining.forced = Some(word());
            case.fault = Some("a fault stands".to_owned());
        }),
        ("a fault stands", |case| case.fault = Some("a fault stands".to_owned())),
        ("approval is asked for", |case| case.asks_for(ApprovalStage::Rollout)),
        ("approval is asked for and given", |case| {
            case.asks_for(ApprovalStage::Rollout);
            case.retraining.approvals.insert(ApprovalStage::Rollout, word());
        }),
        ("approval is asked for, and it was let past the gate", |case| {
            case.asks_for(ApprovalStage::Rollout);
            case.retraining.overridden = Some(word());
        }),
        ("approval is asked for, and a person promotes it", |case| {
            case.asks_for(ApprovalStage::Rollout);
            case.retraining.forced = Some(word());
        }),
        ("the gate said no", |case| case.retraining.gate = Some(serde_json::from_value(gate("failed")).unwrap())),
        ("the gate said no, and it was let past", |case| {
            case.retraining.gate = Some(serde_json::from_value(gate("failed")).unwrap());
            case.retraining.overridden = Some(word());
        }),
        ("a deployment has no gate", |case| {
            case.retraining.kind = Kind::Deployment;
            case.retraining.gate = None;
            case.retraining.forced = Some(word());
        }),
        ("a person cancels", |case| case.retraining.wish = Some(Wish::Cancel)),
        ("there is no target", |case| case.retrain.target = None),
        ("there is no target, and a person promotes it", |case| {
            case.retrain.target = None;
            case.retraining.forced = Some(word());
        }),
        ("the candidate is not in the registry", |case| case.candidate = None),
        ("the stable version is not in the registry", |case| case.stable = None),
    ]), @r"
    both versions are loaded
      -> shift canary at step 0, 10 %, generation 4, since 2013-06-21T00:00:00Z
    the candidate isn't loaded
      -> load version 2 sha-2
    the app has forgotten everything
      -> load version 1 sha-1
    the candidate is loaded with other bytes
      -> load version 2 sha-2
    versions are loaded that nobody needs
      -> unload version old
    an unknown version has traffic
      -> shift canary at step 0, 10 %, generation 4, since 2013-06-21T00:00:00Z
    an unknown version is the shadow
      -> shift canary at step 0, 10 %, generation 4, since 2013-06-21T00:00:00Z
    the target doesn't answer
      -> wait the serving target: no answer
    the target refuses
      -> wait the serving target: 401
    the contract's one step is 100 %
      -> shift baking at step 0, 100 %, generation 4, since 2013-06-21T00:00:00Z, guarded
    the first version
      -> shift baking at step 0, 100 %, generation 1, since 2013-06-21T00:00:00Z, guarded
    the first version, and something serves that isn't registered
      -> finish failed: version 9 serves and isn't registered, so there is nothing to compare with and no way back: bellwether register --model m --version 9 --champion, then ask again
    the first version, and other bytes serve under its name
      -> finish failed: version 2 serves and isn't registered, so there is nothing to compare with and no way back: bellwether register --model m --version 2 --champion, then ask again
    a person promotes it
      -> shift baking at step 0, 100 %, generation 4, since 2013-06-21T00:00:00Z
    a person promotes it while a fault stands
      -> wait a fault stands
    a fault stands
      -> wait a fault stands
    approval is asked for
      -> wait approval of the rollout
    approval is asked for and given
      -> shift canary at step 0, 10 %, generation 4, since 2013-06-21T00:00:00Z
    approval is asked for, and it was let past the gate
      -> shift canary at step 0, 10 %, generation 4, since 2013-06-21T00:00:00Z
    approval is asked for, and a person promotes it
      -> shift baking at step 0, 100 %, generation 4, since 2013-06-21T00:00:00Z
    the gate said no
      -> finish failed: the candidate is not validated
    the gate said no, and it was let past
      -> shift canary at step 0, 10 %, generation 4, since 2013-06-21T00:00:00Z
    a deployment has no gate
      -> shift baking at step 0, 100 %, generation 4, since 2013-06-21T00:00:00Z
    a person cancels
      -> finish cancelled: cancelled before the candidate had traffic
    there is no target
      -> wait a person who deploys and promotes it: the contract has no `retrain.target`
    there is no target, and a person promotes it
      -> promote anna deployed it: it is good
    the candidate is not in the registry
      -> finish failed: the candidate is not in the registry
    the stable version is not in the registry
      -> finish failed: the version that serves is not in the registry; register it first
    ");
}

#[test]
fn t1_canary() {
    insta::assert_snapshot!(table(Case::canary, &[
        ("the events find it good", |_| {}),
        ("they find it good at the last step but one", |case| {
            let rollout = case.rollout();
            (rollout.step, rollout.weight, rollout.generation) = (1, 50, 5);
            case.target = serving(&["1", "2"], traffic(&[("1", 50), ("2", 50)], 5, None));
        }),
        ("they haven't decided", |case| case.analysis = says(Phase::Inconclusive, "80 labels")),
        ("they find harm", |case| case.analysis = says(Phase::Failed, "it is worse by 0.3")),
        ("they can't be judged", |case| case.analysis = says(Phase::Error, "no version in the events")),
        ("they can't be read", |case| case.analysis = passing()),
        ("they find it good while a fault stands", |case| case.fault = Some("a fault stands".to_owned())),
        ("they find harm while a fault stands", |case| {
            case.fault = Some("a fault stands".to_owned());
            case.analysis = says(Phase::Failed, "it is worse by 0.3");
        }),
        ("the traffic isn't set yet", |case| case.target = serving(&["1", "2"], traffic(&[("1", 100)], 3, None))),
        ("the traffic isn't set yet, and they find harm", |case| {
            case.target = serving(&["1", "2"], traffic(&[("1", 100)], 3, None));
            case.analysis = says(Phase::Failed, "it is worse by 0.3");
        }),
        ("the app has forgotten everything", |case| case.target = serving(&[], Traffic::default())),
        ("the app has forgotten the candidate", |case| case.target = serving(&["1"], traffic(&[("1", 100)], 3, None))),
        ("someone else set the traffic", |case| case.target = serving(&["1", "2"], traffic(&[("1", 100)], 7, None))),
        ("someone else set it with our generation", |case| {
            case.target = serving(&["1", "2"], traffic(&[("1", 100)], 4, None));
        }),
        ("someone else set it as we do", |case| {
            case.target = serving(&["1", "2"], traffic(&[("1", 90), ("2", 10), ("0", 0)], 9, None));
        }),
        ("someone else set another shadow", |case| {
            case.target = serving(&["0", "1", "2"], traffic(&[("1", 90), ("2", 10)], 5, Some("0")));
        }),
        ("the target doesn't answer, for the fourth time", |case| {
            case.fail(4);
            case.target = passing();
        }),
        ("the target doesn't answer, for the fifth time", |case| {
            case.fail(5);
            case.target = passing();
        }),
        ("the target doesn't answer, for the fifth time in a moment", |case| {
            case.fail(5);
            case.rollout().failing_since = Some(WallTime::from_micros(3_599_000_000));
            case.target = passing();
        }),
        ("a person rolls back", |case| {
            case.retraining.wish = Some(Wish::RollBack);
            case.retraining.outcome = Some("rolled back by anna: complaints".to_owned());
        }),
        ("a person rolls back, and the target doesn't answer", |case| {
            case.retraining.wish = Some(Wish::RollBack);
            case.target = passing();
        }),
        ("a person cancels", |case| case.retraining.wish = Some(Wish::Cancel)),
        ("a person promotes it", |case| {
            case.retraining.forced = Some(word());
            case.analysis = None;
        }),
        ("the contract has no target any more", |case| {
            case.retrain.target = None;
            (case.target, case.analysis) = (None, None);
        }),
    ]), @r#"
    the events find it good
      -> shift canary at step 1, 50 %, generation 5, since 2013-06-21T00:00:00Z
    they find it good at the last step but one
      -> shift baking at step 2, 100 %, generation 6, since 2013-06-21T00:00:00Z, guarded
    they haven't decided
      -> wait 80 labels
    they find harm
      -> roll_back to rolled_back, generation 5: it is worse by 0.3
    they can't be judged
      -> roll_back to rolled_back, generation 5: Error: no version in the events
    they can't be read
      -> wait the events: no answer
    they find it good while a fault stands
      -> wait a fault stands
    they find harm while a fault stands
      -> roll_back to rolled_back, generation 5: it is worse by 0.3
    the traffic isn't set yet
      -> set_traffic {"1": 90, "2": 10}, generation 4
    the traffic isn't set yet, and they find harm
      -> roll_back to rolled_back, generation 5: it is worse by 0.3
    the app has forgotten everything
      -> load version 1 sha-1
    the app has forgotten the candidate
      -> load version 2 sha-2
    someone else set the traffic
      -> roll_back to rolled_back, generation 8: someone else set the traffic of the serving target
    someone else set it with our generation
      -> roll_back to rolled_back, generation 5: someone else set the traffic of the serving target
    someone else set it as we do
      -> shift canary at step 1, 50 %, generation 5, since 2013-06-21T00:00:00Z
    someone else set another shadow
      -> roll_back to rolled_back, generation 6: someone else set the traffic of the serving target
    the target doesn't answer, for the fourth time
      -> wait the serving target: no answer
    the target doesn't answer, for the fifth time
      -> roll_back to rolled_back, generation 5: Error: 5 observations failed, one after the other, for 10m at least
    the target doesn't answer, for the fifth time in a moment
      -> wait the serving target: no answer
    a person rolls back
      -> roll_back to rolled_back, generation 5: rolled back by anna: complaints
    a person rolls back, and the target doesn't answer
      -> roll_back to rolled_back, generation 5: a person rolled it back
    a person cancels
      -> roll_back to cancelled, generation 5: cancelled during the rollout
    a person promotes it
      -> shift baking at step 2, 100 %, generation 5, since 2013-06-21T00:00:00Z
    the contract has no target any more
      -> wait the serving target: the contract has no `retrain.target` any more
    "#);
}

#[test]
fn t1_baking() {
    insta::assert_snapshot!(table(Case::baking, &[
        ("the bake isn't over", |_| {}),
        ("it is over, and the comparison is good", |case| case.now = start() + Duration::from_hours(168)),
        ("it is over, and the comparison hasn't decided", |case| {
            case.now = start() + Duration::from_hours(168);
            case.analysis = compares(Phase::Inconclusive, "80 labels");
        }),
        ("it is over, without anything to compare with", |case| {
            case.now = start() + Duration::from_hours(168);
            case.analysis = says(Phase::Inconclusive, "nothing to compare with");
        }),
        ("it is over while a fault stands", |case| {
            case.now = start() + Duration::from_hours(168);
            case.fault = Some("a fault stands".to_owned());
        }),
        ("the comparison finds harm", |case| case.analysis = compares(Phase::Failed, "it is worse by 0.1")),
        ("the traffic isn't set yet", |case| {
            case.target = serving(&["1", "2"], traffic(&[("1", 50), ("2", 50)], 5, None));
        }),
        ("the app has lost the shadow", |case| case.target = serving(&["1", "2"], traffic(&[("2", 100)], 6, None))),
        ("a person rolls back", |case| case.retraining.wish = Some(Wish::RollBack)),
        ("a person promotes it", |case| {
            case.retraining.forced = Some(word());
            case.analysis = None;
        }),
        ("the guard ended, and the shadow is still on", |case| {
            (case.rollout().is_guarded, case.rollout().generation) = (false, 7);
        }),
        ("the guard ended, and the shadow is off", |case| {
            (case.rollout().is_guarded, case.rollout().generation) = (false, 7);
            case.target = serving(&["1", "2"], traffic(&[("2", 100)], 7, None));
        }),
        ("the guard ended, the shadow is off, and harm is found", |case| {
            (case.rollout().is_guarded, case.rollout().generation) = (false, 7);
            case.target = serving(&["1", "2"], traffic(&[("2", 100)], 7, None));
            case.analysis = says(Phase::Failed, "errors: 9 %");
        }),
        ("a person's promotion is set", |case| {
            (case.rollout().is_guarded, case.rollout().generation) = (false, 7);
            case.target = serving(&["1", "2"], traffic(&[("2", 100)], 7, None));
            case.retraining.forced = Some(word());
            case.analysis = None;
        }),
        ("the first version isn't set yet", |case| {
            case.without_stable();
            case.rollout().generation = 1;
            case.target = serving(&["2"], Traffic::default());
        }),
        ("the first version is set", |case| {
            case.without_stable();
            case.rollout().generation = 1;
            case.target = serving(&["2"], traffic(&[("2", 100)], 1, None));
        }),
        ("the first version, and the target is silent for the ninth time", |case| {
            case.without_stable();
            case.fail(9);
            case.target = passing();
        }),
        ("the first version, and a person cancels", |case| {
            case.without_stable();
            case.retraining.wish = Some(Wish::Cancel);
        }),
    ]), @r#"
    the bake isn't over
      -> wait the end of the bake at 2013-06-27T00:00:00Z
    it is over, and the comparison is good
      -> shift baking at step 2, 100 %, generation 7, since 2013-06-20T00:00:00Z
    it is over, and the comparison hasn't decided
      -> wait 80 labels
    it is over, without anything to compare with
      -> shift baking at step 2, 100 %, generation 7, since 2013-06-20T00:00:00Z
    it is over while a fault stands
      -> wait a fault stands
    the comparison finds harm
      -> roll_back to rolled_back, generation 7: it is worse by 0.1
    the traffic isn't set yet
      -> set_traffic {"2": 100}, generation 6, 1 in the shadow
    the app has lost the shadow
      -> roll_back to rolled_back, generation 7: someone else set the traffic of the serving target
    a person rolls back
      -> roll_back to rolled_back, generation 7: a person rolled it back
    a person promotes it
      -> shift baking at step 2, 100 %, generation 7, since 2013-06-20T00:00:00Z
    the guard ended, and the shadow is still on
      -> set_traffic {"2": 100}, generation 7
    the guard ended, and the shadow is off
      -> promote baked until 2013-06-21T00:00:00Z
    the guard ended, the shadow is off, and harm is found
      -> roll_back to rolled_back, generation 8: errors: 9 %
    a person's promotion is set
      -> promote promoted by anna: it is good
    the first version isn't set yet
      -> set_traffic {"2": 100}, generation 1
    the first version is set
      -> promote the first version: there was nothing to compare it with
    the first version, and the target is silent for the ninth time
      -> wait the serving target: no answer
    the first version, and a person cancels
      -> roll_back to cancelled, generation 7: cancelled during the rollout
    "#);
}

#[test]
fn t4_rolling_back() {
    insta::assert_snapshot!(table(Case::rolling_back, &[
        ("the target doesn't know yet", |_| {}),
        ("it isn't asked about events, approvals or faults", |case| {
            case.fault = Some("a fault stands".to_owned());
            case.analysis = None;
            case.retrain.policy.approval = vec![ApprovalStage::Rollout];
        }),
        ("the target doesn't answer, for the hundredth time", |case| {
            case.fail(100);
            case.target = passing();
        }),
        ("the app has forgotten everything", |case| case.target = serving(&[], Traffic::default())),
        ("the stable version is loaded, and nothing else", |case| case.target = serving(&["1"], Traffic::default())),
        ("it is set, and the candidate is still loaded", |case| {
            case.target = serving(&["1", "2"], traffic(&[("1", 100)], 5, None));
        }),
        ("it is set, and the target won't let go of the candidate", |case| {
            case.fail(5);
            case.target = serving(&["1", "2"], traffic(&[("1", 100)], 5, None));
        }),
        ("it is set, and the candidate is gone", |case| {
            case.target = serving(&["1"], traffic(&[("1", 100)], 5, None));
        }),
        ("someone else set something", |case| {
            case.target = serving(&["1", "2"], traffic(&[("2", 100)], 8, None));
        }),
        ("someone else set something with our generation", |case| {
            case.target = serving(&["1", "2"], traffic(&[("2", 100)], 5, None));
        }),
        ("a person had cancelled", |case| {
            case.retraining.rolling_back_to_end = Some(State::Cancelled);
            case.target = serving(&["1"], traffic(&[("1", 100)], 5, None));
        }),
        ("the first version", Case::without_stable),
        ("the contract has no target any more", |case| {
            case.retrain.target = None;
            case.target = None;
        }),
        ("a return: the way back from what had been promoted", |case| {
            case.retraining.kind = Kind::Return;
            (case.rollout().generation, case.rollout().weight) = (0, 0);
            case.target = serving(&["1", "2"], traffic(&[("2", 100)], 7, None));
        }),
    ]), @r#"
    the target doesn't know yet
      -> set_traffic {"1": 100}, generation 5
    it isn't asked about events, approvals or faults
      -> set_traffic {"1": 100}, generation 5
    the target doesn't answer, for the hundredth time
      -> wait the serving target: no answer
    the app has forgotten everything
      -> load version 1 sha-1
    the stable version is loaded, and nothing else
      -> set_traffic {"1": 100}, generation 5
    it is set, and the candidate is still loaded
      -> unload version 2
    it is set, and the target won't let go of the candidate
      -> finish rolled_back: it does harm
    it is set, and the candidate is gone
      -> finish rolled_back: it does harm
    someone else set something
      -> roll_back to rolled_back, generation 9: it does harm
    someone else set something with our generation
      -> roll_back to rolled_back, generation 6: it does harm
    a person had cancelled
      -> finish cancelled: it does harm
    the first version
      -> finish failed: it does harm; there is no version to go back to
    the contract has no target any more
      -> wait the serving target: the contract has no `retrain.target` any more
    a return: the way back from what had been promoted
      -> roll_back to rolled_back, generation 8: it does harm
    "#);
}

#[test]
fn t1_whatever_is_over_stays_so() {
    for state in State::ALL.into_iter().filter(|state| state.is_over()) {
        assert_eq!(words(&Case::new(state).step()), "wait it is over", "{}", state.name());
    }
}

#[test]
fn t5_only_what_waits_for_a_person_gives_way() {
    let mut table = String::new();
    for (situation, change) in [
        ("nothing is asked for", (|_| {}) as Change),
        ("approval of the training is asked for", |case| case.asks_for(ApprovalStage::Training)),
        ("approval of the rollout is asked for", |case| case.asks_for(ApprovalStage::Rollout)),
        ("both are asked for and given", |case| {
            for stage in [ApprovalStage::Training, ApprovalStage::Rollout] {
                case.retrain.policy.approval.push(stage);
                case.retraining.approvals.insert(stage, word());
            }
        }),
        ("approval is asked for, and it was let past the gate", |case| {
            case.asks_for(ApprovalStage::Rollout);
            case.retraining.overridden = Some(word());
        }),
        ("approval is asked for, and a person promotes it", |case| {
            case.asks_for(ApprovalStage::Rollout);
            case.retraining.forced = Some(word());
        }),
        ("there is no target", |case| case.retrain.target = None),
        ("there is no target, and a person promotes it", |case| {
            case.retrain.target = None;
            case.retraining.forced = Some(word());
        }),
        ("there is no executor", |case| case.retrain.executor = None),
    ] {
        let gives = State::ALL.into_iter().filter(|state| {
            let mut case = Case::registered();
            change(&mut case);
            case.retraining.state = *state;
            gives_way(&case.retrain, &case.retraining)
        });
        let states: Vec<_> = gives.map(State::name).collect();
        let states = if states.is_empty() { "none".to_owned() } else { states.join(", ") };
        writeln!(table, "{situation}: {states}").unwrap();
    }
    insta::assert_snapshot!(table, @r"
    nothing is asked for: none
    approval of the training is asked for: requested
    approval of the rollout is asked for: registered
    both are asked for and given: none
    approval is asked for, and it was let past the gate: none
    approval is asked for, and a person promotes it: none
    there is no target: registered
    there is no target, and a person promotes it: none
    there is no executor: requested
    ");
}
