//! Promise T1 under a simulator: planner and executor in a world where everything fails.
//!
//! A history is drawn from its seed: a contract, a world, what goes wrong and when. Each call to the world may fail before or
//! after it happened, hang and happen later, happen twice, or be refused; the process is killed in calls and between any two
//! transactions; people and rules act meanwhile; the serving app restarts, forgets, and is set by others. [`laws`] are looked
//! at after every transaction and at every call. Then the world is healed, and everything has to come to an end.
//!
//! `SIMULATE_HISTORIES=10000` runs more of them, `SIMULATE_SEED=17` only the one.

mod chance;
mod laws;
mod others;
mod target;
mod trainer;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use contract::Contract;
use contract::lower::contract_from_text;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use retrain_trigger::commands::{Command, Desk, Subject};
use retrain_trigger::driver::Bell;
use retrain_trigger::execute::{Executor, Ticked};
use retrain_trigger::world::Registered;
use serde_json::Map;
use store::Store;

use self::chance::{Odds, UNDECIDED};
use self::target::{Call, only};
use self::world::{AnyFolder, Hand, Shared};
use crate::subject;

/// Histories of one run, unless the environment asks for more.
const HISTORIES: u64 = 1_000;
/// A store is shared by so many histories, each with a model of its own.
const PER_STORE: u64 = 50;
/// In a healed world a retraining ends, or waits for a person, within so many ticks.
const PATIENCE: u32 = 120;
/// People's words until everything has ended.
const WORDS: u32 = 6;

/// A deliberate defect, of the world or of the records: a simulator that doesn't find it is blind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    /// The target takes traffic of an older generation.
    IgnoresGenerations,
    /// The target sends traffic to what it hasn't loaded.
    ServesWhatIsNotLoaded,
    /// The target says that traffic is split, and doesn't split it.
    OnlySaysYes,
    /// Effects aren't written down before they happen.
    LosesRecords,
    /// A version that serves isn't validated.
    LosesValidation,
}

/// A broken law, with what led there.
struct Failure {
    seed: u64,
    words: String,
}

type Ends = BTreeMap<&'static str, u32>;

fn contract(model: &str, rng: &mut StdRng) -> Contract {
    let mut of = |choices: &[&'static str]| *choices.choose(rng).unwrap();
    let policy = of(&["cool_down: 1d", "cool_down: 1d", "cool_down: 1d, budget: { runs: 3, per: 30d }"]);
    let approval =
        of(&["", "", ", approval: [ training ]", ", approval: [ rollout ]", ", approval: [ training, rollout ]"]);
    let attempts = of(&["1", "2", "3", "3"]);
    let steps = of(&["[ 100 ]", "[ 10, 100 ]", "[ 10, 50, 100 ]", "[ 1, 5, 25, 100 ]"]);
    let bake = of(&["1d", "3d"]);
    let target = of(&[subject::TARGET, subject::TARGET, subject::TARGET, subject::TARGET, ""]);
    let text = subject::text(
        model,
        &format!(
            "retrain:\n  policy: {{ {policy}{approval} }}\n  executor: {{ command: [ trainer ], attempts: {attempts} }}\n  \
             rollout: {{ steps: {steps}, bake: {bake} }}\n{target}"
        ),
    );
    let mut contract =
        contract_from_text(&text, Path::new("folder/m.yaml")).unwrap_or_else(|errors| panic!("{errors:?}"));
    // Time on the wall doesn't pass here.
    if let Some(retrain) = &mut contract.retrain {
        retrain.rollout.patience = Duration::ZERO;
    }
    contract
}

/// The world before the first retraining.
async fn world(store: &Store, model: &str, defect: Option<Defect>, mut rng: StdRng) -> Arc<Shared> {
    let contract = Arc::new(contract(model, &mut rng));
    let subject = Subject { contract: Arc::clone(&contract), import: Arc::new(AnyFolder) };
    let desk = Desk::new(store.clone(), vec![subject], Bell::default());
    let serves = rng.random_bool(0.8);
    let shared = Arc::new(Shared::new(store.clone(), desk, contract, defect, rng));
    others::pass_time(&shared, 24).await;
    if serves {
        let command = Command::Register { path: "0".into(), version: "1".to_owned(), champion: true };
        assert!(others::submit(&shared, command, None).await);
        let row = store.version(model, "1").await.unwrap().unwrap();
        let version = Registered { version: row.version, sha256: row.sha256, uri: row.uri };
        let inner = &mut *shared.lock();
        inner.target.take(&Call::Load(version)).unwrap();
        inner.target.take(&Call::SetTraffic(only("1", 1))).unwrap();
        inner.is_disturbed = false;
    }
    shared
}

fn executor(shared: &Arc<Shared>) -> Executor<Hand> {
    let retrain = Arc::new(shared.contract.retrain.clone().unwrap());
    Executor::new(shared.model(), retrain, shared.store.clone(), Hand(Arc::clone(shared)))
}

/// One tick, unless the process is killed in it: then a new one goes on.
async fn tick(shared: &Arc<Shared>, executor: &mut Executor<Hand>) -> Option<Ticked> {
    let ticked = tokio::select! {
        biased;
        () = shared.died.notified() => {
            let inner = &mut *shared.lock();
            if inner.rng.random_bool(0.3) {
                laws::lose_trainers(inner);
            }
            None
        }
        ticked = executor.tick() => Some(ticked),
    };
    let ticked = match ticked {
        None => {
            *executor = self::executor(shared);
            None
        }
        Some(Ok(ticked)) => ticked,
        Some(Err(error)) => {
            shared.lock().break_law(format!("a tick ended with: {error}"));
            None
        }
    };
    if let Some(ticked) = &ticked {
        let words = ticked.trouble.as_deref().or(ticked.retraining.waits_for.as_deref()).unwrap_or("");
        shared.lock().say(format!("tick: {} in {} {words}", ticked.step, ticked.before.name()));
    }
    ticked
}

async fn history(store: &Store, seed: u64, defect: Option<Defect>) -> Result<Ends, Failure> {
    let rng = StdRng::seed_from_u64(seed);
    let shared = world(store, &format!("m{seed}"), defect, rng).await;
    let mut executor = executor(&shared);
    let ticks = shared.lock().rng.random_range(15..55);
    for _ in 0..ticks {
        others::pass_time(&shared, 24).await;
        others::carry_on(&shared).await;
        others::lose_validation(&shared).await;
        if tick(&shared, &mut executor).await.is_none() && !is_busy(&shared).await {
            laws::quiet(&shared).await;
            others::tidy(&shared).await;
        }
        if shared.lock().broken.is_some() {
            return Err(failure(&shared, seed));
        }
    }
    heal(&shared).await;
    end(&shared, &mut executor).await;
    if shared.lock().broken.is_some() {
        return Err(failure(&shared, seed));
    }
    let ends = std::mem::take(&mut shared.lock().seen.ends);
    Ok(ends)
}

async fn is_busy(shared: &Shared) -> bool {
    shared.store.active_retraining(shared.model()).await.unwrap().is_some()
}

/// From now on everything works, and nobody asks for anything.
async fn heal(shared: &Shared) {
    shared.lock().say("the world is healed");
    shared.lock().odds = Odds::default();
    others::set_fault(shared, false).await;
}

/// Everything comes to an end, or waits for a person, who then says a word.
async fn end(shared: &Arc<Shared>, executor: &mut Executor<Hand>) {
    let (mut ticks, mut words) = (0, 0);
    while shared.lock().broken.is_none() {
        others::pass_time(shared, 48).await;
        others::lose_validation(shared).await;
        let ticked = tick(shared, executor).await;
        if ticked.is_none() && !is_busy(shared).await {
            shared.lock().deliver_all();
            laws::look(shared).await;
            laws::quiet(shared).await;
            return;
        }
        ticks += 1;
        if ticks > PATIENCE {
            return shared.lock().break_law("in a healed world a retraining does not come to its end");
        }
        let Some(ticked) = ticked.filter(|ticked| ticked.step == "wait" && waits_for_a_person(ticked)) else {
            continue;
        };
        words += 1;
        if words > WORDS {
            return shared.lock().break_law("a retraining waits for ever more words");
        }
        ticks = 0;
        say_a_word(shared, &ticked).await;
    }
}

fn waits_for_a_person(ticked: &Ticked) -> bool {
    let why = ticked.retraining.waits_for.as_deref().unwrap_or("");
    ["approval of ", "a person who deploys", UNDECIDED].iter().any(|reason| why.starts_with(reason))
}

async fn say_a_word(shared: &Shared, ticked: &Ticked) {
    let id = Some(ticked.retraining.id.clone());
    let may_approve = ticked.retraining.waits_for.as_deref().is_some_and(|why| why.starts_with("approval of "));
    let choice = shared.lock().rng.random_range(0..4);
    let (command, id) = match choice {
        0 => (Command::Cancel, id),
        1 if ticked.retraining.rollout.is_some() => (Command::Rollback { version: None }, None),
        _ if may_approve => (Command::Approve, id),
        _ => (Command::Promote { version: None }, None),
    };
    if !others::submit(shared, command, id).await {
        shared.lock().break_law("a word that was waited for is refused");
    }
}

fn failure(shared: &Shared, seed: u64) -> Failure {
    let inner = shared.lock();
    let mut words = format!("seed {seed}: {}\n", inner.broken.as_deref().unwrap_or_default());
    for line in inner.log() {
        let _ = writeln!(words, "  {line}");
    }
    Failure { seed, words }
}

/// Runs histories on all cores until one breaks a law.
fn histories(seeds: std::ops::Range<u64>, defect: Option<Defect>) -> Result<Ends, Failure> {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let run = || -> Result<Ends, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut ends = Ends::new();
        loop {
            let first = next.fetch_add(PER_STORE, Ordering::Relaxed);
            if first >= seeds.end {
                return Ok(ends);
            }
            let store = runtime.block_on(Store::in_memory()).unwrap();
            for seed in first..(first + PER_STORE).min(seeds.end) {
                match runtime.block_on(history(&store, seed, defect)) {
                    Ok(more) => more.into_iter().for_each(|(end, count)| *ends.entry(end).or_default() += count),
                    Err(failure) => {
                        next.store(seeds.end, Ordering::Relaxed);
                        return Err(failure);
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run)).collect();
        let mut ends = Ends::new();
        let mut failures = Vec::new();
        for thread in threads {
            match thread.join().unwrap() {
                Ok(more) => more.into_iter().for_each(|(end, count)| *ends.entry(end).or_default() += count),
                Err(failure) => failures.push(failure),
            }
        }
        failures.into_iter().min_by_key(|failure| failure.seed).map_or(Ok(ends), Err)
    })
}

#[test]
fn t1_a_thousand_histories_of_failures_and_kills_keep_every_law() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let seeds = match number("SIMULATE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATE_HISTORIES").unwrap_or(HISTORIES),
    };
    let is_one = seeds.end - seeds.start == 1;
    let ends = histories(seeds, None).unwrap_or_else(|failure| panic!("{}", failure.words));
    // Every end is reached, so no law holds merely because nothing happens.
    for end in ["promoted", "vetoed", "rolled_back", "failed", "cancelled", "superseded"] {
        assert!(is_one || ends.get(end).is_some_and(|count| *count >= 20), "{end} is too rare: {ends:?}");
    }
}

#[test]
fn t1_the_same_seed_is_the_same_history() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let log = |seed: u64| {
        runtime.block_on(async {
            let store = Store::in_memory().await.unwrap();
            let shared = world(&store, "m", None, StdRng::seed_from_u64(seed)).await;
            let mut executor = executor(&shared);
            for _ in 0..30 {
                others::carry_on(&shared).await;
                tick(&shared, &mut executor).await;
            }
            let inner = shared.lock();
            // Names of retrainings hold the wall time.
            let words = inner.log().flat_map(|line| line.split(' ')).filter(|word| !word.contains("m-2026"));
            words.map(str::to_owned).collect::<Vec<_>>()
        })
    };
    for seed in 0..10 {
        assert_eq!(log(seed), log(seed), "{seed}");
    }
}

/// A tick whose future is dropped after it has waited so often, be it in the middle of a transaction.
async fn dropped(executor: &Executor<Hand>, waits: u32) {
    let mut tick = Box::pin(executor.tick());
    let mut left = waits;
    poll_fn(|context| match tick.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending if left == 0 => Poll::Ready(()),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await;
}

#[test]
fn t1_a_tick_that_is_dropped_wherever_it_waits_is_done_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::in_memory().await.unwrap();
        for waits in 0..60 {
            let shared = world(&store, &format!("m{waits}"), None, StdRng::seed_from_u64(u64::from(waits))).await;
            shared.lock().odds = Odds::default();
            let mut executor = executor(&shared);
            assert!(others::submit(&shared, Command::Retrain { parameters: Map::new() }, None).await);
            for _ in 0..12 {
                dropped(&executor, waits).await;
                tick(&shared, &mut executor).await;
            }
            end(&shared, &mut executor).await;
            let is_fine = shared.lock().broken.is_none();
            assert!(is_fine, "dropped after {waits} waits, {}", failure(&shared, u64::from(waits)).words);
        }
    });
}

/// Within how many histories each must be found.
#[test]
fn t1_the_simulator_finds_deliberate_defects() {
    for (defect, within) in [
        (Defect::LosesRecords, 20),
        (Defect::LosesValidation, 50),
        (Defect::OnlySaysYes, 50),
        (Defect::IgnoresGenerations, 1_000),
        (Defect::ServesWhatIsNotLoaded, 1_000),
    ] {
        assert!(histories(0..within, Some(defect)).is_err(), "{defect:?} is not found in {within} histories");
    }
}
