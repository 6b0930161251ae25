//! What live events tell of a candidate.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::EventTime;
use detectors::canary::Phase;
use retrain_trigger::effects::Effects;
use retrain_trigger::retraining::{Analysis, Candidate};
use retrain_trigger::world::{Comparison, Trouble, World};

use crate::scene::{DAY, HOUR, Known, MODEL, Scene, Served, at};

fn comparison(weight: u32) -> Comparison {
    Comparison {
        model: MODEL.to_owned(),
        retraining: "r1".to_owned(),
        stable: "1".to_owned(),
        candidate: Candidate { version: "2".to_owned(), sha256: "ab".to_owned() },
        weight,
        since: at(10, 0),
    }
}

/// Live events of some days, half of them served by the candidate, labelled an hour later.
struct Live {
    scene: Scene,
    effects: Effects,
    /// What each version says of an event with this label.
    scores: BTreeMap<&'static str, fn(bool) -> f64>,
    has_shadow: bool,
}

impl Live {
    async fn new(stable: fn(bool) -> f64, candidate: fn(bool) -> f64) -> Self {
        let scene = Scene::new().await;
        let effects = scene.effects();
        Self { scene, effects, scores: BTreeMap::from([("1", stable), ("2", candidate)]), has_shadow: false }
    }

    /// Predictions of a day, and their labels.
    fn day(&self, day: i64, events: i64) -> (Vec<Served>, Vec<Known>) {
        let (mut served, mut known) = (Vec::new(), Vec::new());
        for n in 0..events {
            let time = EventTime::from_micros(at(day, 0).micros() + n * (DAY / events));
            let (version, label) = (if n % 2 == 0 { "1" } else { "2" }, n % 3 == 0);
            let shadow = (self.has_shadow && version == "2").then(|| ("1", self.scores["1"](label)));
            let score = Some(self.scores[version](label));
            served.push(Served { version, score, shadow, ..Served::new(format!("{day}-{n}"), time) });
            known.push(Known::new(format!("{day}-{n}"), EventTime::from_micros(time.micros() + HOUR), label));
        }
        (served, known)
    }

    async fn pass(&mut self, day: i64, events: i64) {
        let (served, known) = self.day(day, events);
        self.scene.predictions(&served).await;
        self.scene.labels(&known).await;
        self.scene.read_until(at(day + 1, 0), at(day + 1, 1)).await;
    }

    async fn analyse(&self, weight: u32) -> Analysis {
        self.effects.analyse(&comparison(weight)).await.unwrap()
    }
}

fn good(label: bool) -> f64 {
    if label { 0.7 } else { 0.3 }
}

fn inverted(label: bool) -> f64 {
    if label { 0.05 } else { 0.95 }
}

#[tokio::test]
async fn t4_a_harmful_candidate_fails_by_its_labels_and_a_new_process_says_the_same() {
    let mut live = Live::new(good, inverted).await;
    live.scene.read_until(at(10, 1), at(10, 1)).await;
    let nothing = live.analyse(10).await;
    assert_eq!((nothing.phase, nothing.until), (Phase::Inconclusive, at(10, 1)));
    live.pass(10, 400).await;
    let analysis = live.analyse(10).await;
    assert_eq!(analysis.phase, Phase::Failed, "{}", analysis.reason);
    assert_eq!(analysis.until, at(11, 0));
    let performance = analysis.performance.clone().unwrap();
    assert_eq!((performance.labelled_stable, performance.labelled_candidate), (200, 200));
    assert_eq!(analysis.shadow, None);
    let scores = analysis.scores.clone().unwrap();
    assert!(
        (scores.candidate.unwrap() - 0.65).abs() < 0.01 && (scores.stable.unwrap() - 0.43).abs() < 0.01,
        "{scores:?}"
    );
    live.effects = live.scene.effects();
    assert_eq!(live.analyse(10).await, analysis);
}

#[tokio::test]
async fn t4_events_count_once_whatever_is_read_first_and_only_those_of_the_step() {
    let mut live = Live::new(good, good).await;
    let (before, known_before) = live.day(9, 40);
    let (served, known) = live.day(10, 40);
    // Labels are there first, one twice, one of an event that never was, one too late.
    live.scene.labels(&known_before).await;
    live.scene.labels(&known).await;
    live.scene.labels(&[Known::new("stranger", at(10, 5), true), Known::new("10-1", at(10, 9), false)]).await;
    live.scene.read_until(at(10, 1), at(11, 1)).await;
    assert_eq!(live.analyse(50).await.performance.unwrap().labelled_stable, 0);
    live.scene.predictions(&before).await;
    live.scene.predictions(&served).await;
    live.scene.predictions(&[Served { version: "3", ..Served::new("other", at(10, 3)) }]).await;
    live.scene
        .predictions(&[Served { version: "2", score: None, is_error: true, ..Served::new("broken", at(10, 3)) }])
        .await;
    live.scene.labels(&[Known::new("other", at(10, 4), true), Known::new("broken", at(10, 4), true)]).await;
    live.scene.read_until(at(11, 0), at(11, 2)).await;
    for _ in 0..2 {
        let performance = live.analyse(50).await.performance.unwrap();
        assert_eq!((performance.labelled_stable, performance.labelled_candidate), (20, 20));
    }
    live.pass(11, 40).await;
    let performance = live.analyse(50).await.performance.unwrap();
    assert_eq!((performance.labelled_stable, performance.labelled_candidate), (40, 40));
    // Another step begins anew.
    let next = Comparison { since: at(11, 0), ..comparison(100) };
    assert_eq!(live.effects.analyse(&next).await.unwrap().scores.unwrap().candidate.map(|mean| mean > 0.3), Some(true));
    let next = Comparison { since: at(11, 0), ..comparison(50) };
    assert_eq!(live.effects.analyse(&next).await.unwrap().performance.unwrap().labelled_stable, 20);
}

#[tokio::test]
async fn t3_the_hours_of_a_day_are_one_block_whatever_the_windows_are() {
    let mut live = Live::new(good, good).await;
    live.scene.contract.windows.size = Duration::from_hours(1);
    live.effects = live.scene.effects();
    live.pass(10, 240).await;
    live.pass(11, 240).await;
    assert_eq!(live.analyse(50).await.performance.unwrap().blocks, 2);
}

#[tokio::test]
async fn t4_with_all_the_traffic_the_shadow_is_what_counts() {
    let mut live = Live::new(good, inverted).await;
    live.pass(10, 400).await;
    let alone = live.analyse(100).await;
    assert_eq!((alone.phase, alone.performance, alone.shadow), (Phase::Inconclusive, None, None));
    assert!(alone.reason.starts_with("nothing to compare with"), "{}", alone.reason);
    live.has_shadow = true;
    live.pass(11, 400).await;
    let shadowed = live.analyse(100).await;
    assert_eq!((shadowed.phase, shadowed.performance), (Phase::Failed, None), "{}", shadowed.reason);
    assert!(shadowed.shadow.is_some());
}

#[tokio::test]
async fn t4_errors_and_latency_fail_without_any_label() {
    let mut live = Live::new(good, good).await;
    let (mut served, _) = live.day(10, 2_000);
    for event in served.iter_mut().filter(|event| event.version == "2") {
        event.is_error = event.id.ends_with(['1', '5']);
    }
    live.scene.predictions(&served).await;
    live.scene.read_until(at(11, 0), at(11, 0)).await;
    let analysis = live.analyse(50).await;
    assert_eq!(analysis.phase, Phase::Failed, "{}", analysis.reason);
    assert_eq!(analysis.operations.unwrap().phase, Phase::Failed);

    let mut live = Live::new(good, good).await;
    let (mut served, _) = live.day(10, 2_000);
    served.iter_mut().filter(|event| event.version == "2").for_each(|event| event.latency = Some(0.05));
    live.scene.predictions(&served).await;
    live.scene.read_until(at(11, 0), at(11, 0)).await;
    assert_eq!(live.analyse(50).await.operations.unwrap().phase, Phase::Failed);
}

#[tokio::test]
async fn a_history_file_that_cannot_be_read_passes_and_nothing_counts_twice() {
    let mut live = Live::new(good, good).await;
    let (served, known) = live.day(10, 40);
    live.scene.predictions(&served).await;
    let file = live.scene.labels(&known).await;
    live.scene.read_until(at(11, 0), at(11, 1)).await;
    let path = live.scene.state().join(&file.path);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, "something else").unwrap();
    let trouble = live.effects.analyse(&comparison(50)).await.unwrap_err();
    assert!(matches!(&trouble, Trouble::Passing(words) if words.contains(&file.path)), "{trouble}");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(live.analyse(50).await.performance.unwrap().labelled_stable, 20);
}
