//! The simulated world: every call may fail, hang, happen twice or be the last thing that the process does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use contract::{Contract, EventTime};
use rand::Rng;
use rand::rngs::StdRng;
use retrain_trigger::commands::{Desk, Import};
use retrain_trigger::retraining::{Analysis, Manifest, Retraining};
use retrain_trigger::world::{
    Comparison, Evaluation, Imported, Outcome, Registered, Run, TargetState, Traffic, Trouble, World,
};
use serde_json::json;
use store::Store;
use tokio::sync::Notify;

use super::Defect;
use super::chance::{Fate, Odds, Worth};
use super::laws::{self, Seen};
use super::others;
use super::target::{Call, Target};
use super::trainer::Trainer;

/// Lines of the log that a failure shows.
const LOG: usize = 40;

/// One history's world, which outlives the process.
pub struct Shared {
    pub store: Store,
    pub desk: Desk,
    pub contract: Arc<Contract>,
    pub defect: Option<Defect>,
    /// Rung when the process is killed.
    pub died: Notify,
    inner: Mutex<Inner>,
}

pub struct Inner {
    pub rng: StdRng,
    pub odds: Odds,
    pub target: Target,
    /// By retraining.
    pub trainers: BTreeMap<String, Trainer>,
    worths: BTreeMap<String, Worth>,
    looks: BTreeMap<(String, u32), u32>,
    /// The newest word of the events, by retraining.
    /// Retrainings that a person has cancelled or rolled back.
    pub unwanted: BTreeSet<String>,
    pub said: BTreeMap<String, Analysis>,
    /// Calls that will arrive, and in how many deliveries.
    late: Vec<(u32, Call)>,
    pub now: EventTime,
    /// Publications of the shard, which carry the clock.
    pub published: u64,
    pub has_fault: bool,
    /// Someone else has changed what the target serves since the last rollout ended.
    pub is_disturbed: bool,
    /// The same since the executor looked at the target.
    pub is_unseen: bool,
    pub seen: Seen,
    log: VecDeque<String>,
    /// The first law that was broken.
    pub broken: Option<String>,
}

impl Inner {
    pub fn new(mut rng: StdRng, defect: Option<Defect>) -> Self {
        let odds = Odds::draw(&mut rng);
        Self {
            rng,
            odds,
            target: Target::new(defect),
            trainers: BTreeMap::new(),
            worths: BTreeMap::new(),
            looks: BTreeMap::new(),
            unwanted: BTreeSet::new(),
            said: BTreeMap::new(),
            late: Vec::new(),
            now: EventTime::parse("2026-01-01T00:00:00Z").unwrap(),
            published: 0,
            has_fault: false,
            is_disturbed: false,
            is_unseen: false,
            seen: Seen::default(),
            log: VecDeque::new(),
            broken: None,
        }
    }

    pub fn say(&mut self, words: impl Into<String>) {
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(words.into());
    }

    pub fn log(&self) -> impl Iterator<Item = &String> {
        self.log.iter()
    }

    pub fn break_law(&mut self, words: impl Into<String>) {
        let words = words.into();
        self.say(format!("BROKEN: {words}"));
        self.broken.get_or_insert(words);
    }

    fn call(&mut self, call: &Call) -> Outcome<()> {
        let outcome = self.target.take(call);
        self.say(format!("  the target: {call:?} -> {outcome:?}"));
        outcome
    }

    /// Most come soon, some after a retraining's end.
    fn delay(&mut self, call: &Call) {
        let most = if self.rng.random_bool(0.7) { 6 } else { 60 };
        let left = self.rng.random_range(1..most);
        self.late.push((left, call.clone()));
    }

    /// Some calls are on their way still.
    pub fn is_awaited(&self) -> bool {
        !self.late.is_empty()
    }

    /// All that is on its way arrives.
    pub fn deliver_all(&mut self) {
        while !self.late.is_empty() {
            self.deliver();
        }
    }

    /// Calls that were on their way arrive, if it is their turn.
    pub fn deliver(&mut self) {
        for (left, _) in &mut self.late {
            *left = left.saturating_sub(1);
        }
        let (due, rest) = std::mem::take(&mut self.late).into_iter().partition(|(left, _)| *left == 0);
        self.late = rest;
        for (_, call) in due {
            self.say("  late:");
            // Nobody hears the answer.
            let _ = self.call(&call);
        }
    }

    /// What is on its way dies with the app that it was meant for.
    pub fn restart_target(&mut self, is_forgetful: bool) {
        self.late.clear();
        self.say(format!("  the target restarts{}", if is_forgetful { " and has lost its state" } else { "" }));
        if is_forgetful {
            self.target.forget();
            self.seen.generation = 0;
            self.is_disturbed = true;
            self.is_unseen = true;
        }
    }

    fn worth(&mut self, retraining: &str) -> Worth {
        let rng = &mut self.rng;
        self.worths.entry(retraining.to_owned()).or_insert_with(|| Worth::draw(rng)).clone()
    }
}

impl Shared {
    pub fn new(store: Store, desk: Desk, contract: Arc<Contract>, defect: Option<Defect>, rng: StdRng) -> Self {
        let inner = Mutex::new(Inner::new(rng, defect));
        Self { store, desk, contract, defect, died: Notify::new(), inner }
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn model(&self) -> &str {
        &self.contract.model
    }

    /// The process ends here: whoever waits for this is dropped.
    async fn die<T>(&self) -> T {
        self.lock().say("  KILLED");
        self.died.notify_one();
        std::future::pending().await
    }

    /// An effect, as fate has it. `late`: it may arrive later.
    async fn effect<T: Send>(&self, late: Option<&Call>, act: impl Fn(&mut Inner) -> Outcome<T> + Send) -> Outcome<T> {
        let fate = {
            let inner = &mut *self.lock();
            Fate::draw(&mut inner.rng, &inner.odds)
        };
        if fate != Fate::Fine {
            self.lock().say(format!("  {fate:?}"));
        }
        let passing = |words: &str| Err(Trouble::Passing(words.to_owned()));
        match fate {
            Fate::Fine => act(&mut self.lock()),
            Fate::FailsBefore => passing("no answer"),
            Fate::FailsAfter => act(&mut self.lock()).and_then(|_| passing("the answer was lost")),
            Fate::Late => {
                let inner = &mut *self.lock();
                if let (Some(call), true) = (late, inner.rng.random_bool(0.8)) {
                    inner.delay(call);
                }
                passing("no answer in time")
            }
            Fate::Twice => {
                let inner = &mut *self.lock();
                let first = act(inner);
                match late {
                    Some(call) => {
                        inner.delay(call);
                        first
                    }
                    None => act(inner),
                }
            }
            Fate::Refused => Err(Trouble::Lasting("refused".to_owned())),
            Fate::KilledBefore => self.die().await,
            Fate::KilledAfter => {
                let _ = act(&mut self.lock());
                self.die().await
            }
        }
    }

    async fn call(&self, call: Call) -> Outcome<()> {
        others::act(self).await;
        laws::call(self, &call).await;
        self.effect(Some(&call), |inner| inner.call(&call)).await
    }
}

/// What the executor holds of the world.
pub struct Hand(pub Arc<Shared>);

#[async_trait]
impl World for Hand {
    async fn pin(&self, retraining: &Retraining) -> Outcome<Manifest> {
        others::act(&self.0).await;
        laws::effect(&self.0, "pin", &retraining.id).await;
        self.0.effect(None, |inner| Ok(manifest(inner.now))).await
    }

    async fn train(&self, retraining: &Retraining, attempt: u32) -> Outcome<()> {
        others::act(&self.0).await;
        laws::effect(&self.0, "train", &retraining.id).await;
        let outcome = self
            .0
            .effect(None, |inner| {
                inner.say(format!("  the trainer starts, attempt {attempt}"));
                let mishap = inner.odds.mishap.min(0.2);
                inner.trainers.entry(retraining.id.clone()).or_default().start(&mut inner.rng, mishap);
                Ok(())
            })
            .await;
        if outcome.is_err() {
            self.0.lock().trainers.entry(retraining.id.clone()).or_default().unconfirmed += 1;
        }
        outcome
    }

    async fn run(&self, retraining: &Retraining) -> Outcome<Run> {
        others::act(&self.0).await;
        self.0.effect(None, |inner| Ok(inner.trainers.entry(retraining.id.clone()).or_default().look())).await
    }

    async fn stop_training(&self, retraining: &Retraining) -> Outcome<()> {
        others::act(&self.0).await;
        laws::effect(&self.0, "stop_training", &retraining.id).await;
        self.0.lock().trainers.entry(retraining.id.clone()).or_default().was_told = true;
        self.0
            .effect(None, |inner| {
                inner.trainers.entry(retraining.id.clone()).or_default().stop();
                Ok(())
            })
            .await
    }

    async fn evaluate(&self, retraining: &Retraining, stable: Option<&str>) -> Outcome<Evaluation> {
        others::act(&self.0).await;
        laws::effect(&self.0, "evaluate", &retraining.id).await;
        if stable != retraining.stable.as_deref() {
            self.0.lock().break_law("a candidate is judged against another version than the document says");
        }
        self.0
            .effect(None, |inner| {
                if !inner.trainers.get(&retraining.id).is_some_and(Trainer::is_done) {
                    inner.break_law("a candidate is judged that was never trained");
                }
                let worth = inner.worth(&retraining.id);
                Ok(Evaluation {
                    gate: worth.report(),
                    metrics: json!({}),
                    sha256: format!("sha-{}", retraining.id),
                    uri: format!("file:///{}", retraining.id),
                    baseline: String::new(),
                    lineage: json!({}),
                })
            })
            .await
    }

    async fn target(&self) -> Outcome<TargetState> {
        others::act(&self.0).await;
        self.0
            .effect(None, |inner| {
                inner.is_unseen = false;
                Ok(inner.target.state().clone())
            })
            .await
    }

    async fn load(&self, version: &Registered) -> Outcome<()> {
        self.0.call(Call::Load(version.clone())).await
    }

    async fn set_traffic(&self, traffic: &Traffic) -> Outcome<()> {
        self.0.call(Call::SetTraffic(traffic.clone())).await
    }

    async fn unload(&self, version: &str) -> Outcome<()> {
        self.0.call(Call::Unload(version.to_owned())).await
    }

    async fn analyse(&self, comparison: &Comparison) -> Outcome<Analysis> {
        others::act(&self.0).await;
        self.0
            .effect(None, |inner| {
                let worth = inner.worth(&comparison.retraining);
                let looks = inner.looks.entry((comparison.retraining.clone(), comparison.weight)).or_default();
                *looks += 1;
                let looks = *looks - 1;
                let analysis = worth.analysis(comparison.weight, looks, inner.now);
                inner.said.insert(comparison.retraining.clone(), analysis.clone());
                Ok(analysis)
            })
            .await
    }

    async fn recorded(&self) {
        laws::look_at_active(&self.0).await;
        laws::lose_records(&self.0).await;
        others::act(&self.0).await;
        let is_killed = {
            let inner = &mut *self.0.lock();
            let kill = inner.odds.kill;
            inner.rng.random_bool(kill)
        };
        if is_killed {
            self.0.die::<()>().await;
        }
    }
}

fn manifest(now: EventTime) -> Manifest {
    Manifest {
        sha256: "sha-of-the-data".to_owned(),
        path: "/data/manifest.json".to_owned(),
        rows: 1_000,
        labelled: 900,
        train_rows: 800,
        held_out_rows: 100,
        coverage: 0.9,
        from: now,
        to: now,
        held_out_from: now,
        left_out: Vec::new(),
    }
}

/// Takes any folder for an artifact.
pub struct AnyFolder;

#[async_trait]
impl Import for AnyFolder {
    async fn import(&self, folder: &Path, version: &str) -> Result<Imported, String> {
        let digest = format!("sha-{}-{version}", folder.display());
        Ok(Imported { uri: format!("file:///{digest}"), sha256: digest, baseline: String::new(), lineage: json!({}) })
    }
}
