//! Starts and stops workers as the group assigns and revokes partitions, and begins failed ones again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use contract::Contract;
use contract::configuration::Configuration;
use rdkafka::consumer::Consumer;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::bundle::{Bundle, bundles, obstacle, topics};
use super::client::{self, CLUSTER, Reader};
use super::dead_letters::DeadLetters;
use super::health::Health;
use super::keeper::{self, Outlets};
use super::member::{self, Event, Member, Membership};
use super::metrics::Metrics;
use super::worker::{self, Shared};
use crate::error::{Class, Error, Result};
use crate::publication::Sink;

/// How often topics are looked for while some are missing, and the cluster is asked whether it is there.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long a broker may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long revoked shards may take for their last checkpoint; then they are dropped, and go on from the one before.
const LAST_CHECKPOINT: Duration = Duration::from_secs(20);
/// Waiting times before a failed worker begins again; a worker that ran for longer than the longest begins at the first.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// One worker: the index of its partitions, and the models that it reads for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    index: i32,
    models: Vec<String>,
}

impl Job {
    /// What it is called in [`Health`].
    fn subject(&self) -> String {
        format!("partitions {} of {}", self.index, self.models.join(", "))
    }

    /// Nothing is said any more of it and its shards.
    fn forget(&self, health: &Health) {
        health.clear(&self.subject());
        self.models.iter().for_each(|model| health.clear(&keeper::subject(model, self.index)));
    }
}

struct Running {
    job: Job,
    stop: CancellationToken,
    since: Instant,
}

/// A job that failed.
struct Failed {
    wait: Duration,
    again: Instant,
}

pub struct Supervisor {
    contracts: Vec<Arc<Contract>>,
    health: Arc<Health>,
    shared: Arc<Shared>,
    member: Member,
    events: mpsc::Receiver<Event>,
    member_thread: JoinHandle<()>,
    member_stop: CancellationToken,
    /// Ends the member's thread when this is dropped in the middle.
    _guard: DropGuard,
    /// Partitions of each topic that exists.
    partitions: BTreeMap<String, i32>,
    /// Contracts that can be read.
    bundles: Vec<Bundle>,
    subscribed: BTreeSet<String>,
    owned: BTreeSet<(String, i32)>,
    running: BTreeMap<Id, Running>,
    failed: BTreeMap<Job, Failed>,
    tasks: JoinSet<Result<()>>,
}

impl Supervisor {
    pub fn start(
        contracts: Vec<Arc<Contract>>,
        configuration: &Configuration,
        sink: Arc<dyn Sink>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
    ) -> Result<Self> {
        let kafka = &configuration.kafka;
        let member_stop = CancellationToken::new();
        let dead_letters = DeadLetters::from_configuration(kafka, Arc::clone(&health))?;
        let reader = client::reader(kafka, Arc::clone(&metrics), Arc::clone(&health))?;
        let Membership { member, events, thread } = member::join(kafka, Arc::clone(&health), member_stop.clone())?;
        let outlets = Outlets { sink, dead_letters, metrics, health: Arc::clone(&health) };
        let shared = Arc::new(Shared::new(configuration, reader, member.clone(), outlets));
        Ok(Self {
            contracts,
            health,
            shared,
            member,
            events,
            member_thread: thread,
            _guard: member_stop.clone().drop_guard(),
            member_stop,
            partitions: BTreeMap::new(),
            bundles: Vec::new(),
            subscribed: BTreeSet::new(),
            owned: BTreeSet::new(),
            running: BTreeMap::new(),
            failed: BTreeMap::new(),
            tasks: JoinSet::new(),
        })
    }

    /// Until `stop`, or until a defect shows.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        let ended = self.supervise(&stop).await;
        self.owned.clear();
        self.stop_workers(|_| true).await;
        self.leave().await;
        ended
    }

    async fn supervise(&mut self, stop: &CancellationToken) -> Result<()> {
        let (reader, health) = (Arc::clone(&self.shared.reader), Arc::clone(&self.health));
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let again = self.next_attempt();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                event = self.events.recv() => match event {
                    Some(event) => self.handle(event).await,
                    None => return Err(defect("the group's member", "its thread has ended")),
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended)?,
                _ = look.tick() => self.look().await,
                () = tokio::time::sleep_until(again) => self.start_workers(),
                error = serve(&reader, &health) => return Err(error),
            }
        }
    }

    /// When a failed worker begins again.
    fn next_attempt(&self) -> Instant {
        let is_waiting = |job: &Job| !self.running.values().any(|running| running.job == *job);
        let waiting = self.failed.iter().filter(|(job, _)| is_waiting(job)).map(|(_, failed)| failed.again);
        waiting.min().unwrap_or_else(|| Instant::now() + LONGEST_WAIT)
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Assigned(partitions) => {
                tracing::info!(?partitions, "assigned");
                self.health.assigned();
                self.owned.extend(partitions);
                self.replace_workers().await;
            }
            Event::Revoked { partitions, done } => {
                tracing::info!(?partitions, "revoked");
                for partition in partitions {
                    self.owned.remove(&partition);
                }
                self.stop_workers_that_do_not_fit().await;
                // A rebalance that nobody waits for any more is over.
                let _ = done.send(());
                self.start_workers();
            }
        }
    }

    /// What should run now, by what is owned.
    fn wanted(&self) -> BTreeSet<Job> {
        let mut models: BTreeMap<(usize, i32), Vec<String>> = BTreeMap::new();
        for (number, bundle) in self.bundles.iter().enumerate() {
            for contract in &bundle.contracts {
                let topic = &contract.sources.predictions.topic;
                for (_, index) in self.owned.iter().filter(|(owned, _)| owned == topic) {
                    models.entry((number, *index)).or_default().push(contract.model.clone());
                }
            }
        }
        models.into_iter().map(|((_, index), models)| Job { index, models }).collect()
    }

    async fn replace_workers(&mut self) {
        self.stop_workers_that_do_not_fit().await;
        self.start_workers();
    }

    async fn stop_workers_that_do_not_fit(&mut self) {
        let wanted = self.wanted();
        let health = &self.health;
        self.failed.retain(|job, _| {
            let is_wanted = wanted.contains(job);
            if !is_wanted {
                job.forget(health);
            }
            is_wanted
        });
        self.stop_workers(|job| !wanted.contains(job)).await;
    }

    /// Starts what is wanted, does not run, and is not waiting after a failure.
    fn start_workers(&mut self) {
        let now = Instant::now();
        for job in self.wanted() {
            let is_running = self.running.values().any(|running| running.job == job);
            let is_waiting = self.failed.get(&job).is_some_and(|failed| failed.again > now);
            if is_running || is_waiting {
                continue;
            }
            let is_one = |contract: &&Arc<Contract>| job.models.contains(&contract.model);
            let contracts: Vec<_> = self.contracts.iter().filter(is_one).cloned().collect();
            let shards =
                contracts.first().and_then(|contract| self.partitions.get(&contract.sources.predictions.topic));
            let shards = shards.copied().unwrap_or(1);
            let stop = CancellationToken::new();
            let work = worker::run(Arc::clone(&self.shared), contracts, job.index, shards, stop.clone());
            let task = self.tasks.spawn(work);
            self.running.insert(task.id(), Running { job, stop, since: now });
        }
    }

    /// Stops some workers and waits for their last checkpoints.
    async fn stop_workers(&mut self, is_one: impl Fn(&Job) -> bool) {
        let mut stopping: BTreeSet<Id> = BTreeSet::new();
        for (id, running) in self.running.iter().filter(|(_, running)| is_one(&running.job)) {
            running.stop.cancel();
            stopping.insert(*id);
        }
        let deadline = Instant::now() + LAST_CHECKPOINT;
        while stopping.iter().any(|id| self.running.contains_key(id)) {
            match tokio::time::timeout_at(deadline, self.tasks.join_next_with_id()).await {
                Ok(Some(ended)) => {
                    if let Err(error) = self.ended(ended) {
                        tracing::error!("a worker failed: {error}");
                    }
                }
                Ok(None) => return,
                Err(_) => {
                    tracing::warn!("some last checkpoints took too long: the shards will go on from the ones before");
                    self.abort(&stopping).await;
                    return;
                }
            }
        }
    }

    /// Ends everything at once. What others were in the midst of begins again at its checkpoint.
    async fn abort(&mut self, stopping: &BTreeSet<Id>) {
        self.tasks.shutdown().await;
        for (id, running) in std::mem::take(&mut self.running) {
            if !stopping.contains(&id) {
                tracing::debug!(?running.job, "begins again");
            }
        }
    }

    /// A worker has ended: because it was stopped, or because it failed.
    fn ended(&mut self, ended: std::result::Result<(Id, Result<()>), JoinError>) -> Result<()> {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (error.id(), Err(defect("a worker", &error.to_string()))),
        };
        let Some(Running { job, stop, since }) = self.running.remove(&id) else { return Ok(()) };
        let subject = job.subject();
        let Err(error) = outcome else {
            job.forget(&self.health);
            self.failed.remove(&job);
            return Ok(());
        };
        if error.class() == Class::Internal {
            return Err(error);
        }
        if stop.is_cancelled() {
            job.forget(&self.health);
            tracing::warn!(subject, "the last checkpoint failed, the next owner goes on from the one before: {error}");
            return Ok(());
        }
        self.health.set(&subject, &error.to_string());
        let before = self.failed.get(&job).map(|failed| failed.wait).filter(|_| since.elapsed() < LONGEST_WAIT);
        let wait = before.map_or(FIRST_WAIT, |wait| (wait * 2).min(LONGEST_WAIT));
        self.failed.insert(job, Failed { wait, again: Instant::now() + wait });
        Ok(())
    }

    /// Looks at the topics: which contracts can be read, and whether Kafka is there.
    async fn look(&mut self) {
        let names: BTreeSet<String> =
            self.contracts.iter().flat_map(|contract| topics(contract).into_values()).collect();
        let reader = Arc::clone(&self.shared.reader);
        let found = tokio::task::spawn_blocking(move || {
            let mut found = BTreeMap::new();
            for name in names {
                if let Some(partitions) = client::partitions(reader.client(), &name, ANSWER)? {
                    found.insert(name, partitions);
                }
            }
            Ok::<_, Error>(found)
        });
        match found.await {
            Ok(Ok(found)) => {
                self.health.clear(CLUSTER);
                self.clear_healthy();
                self.adopt(found).await;
            }
            Ok(Err(error)) => self.health.set(CLUSTER, &error.to_string()),
            Err(error) => self.health.set(CLUSTER, &error.to_string()),
        }
    }

    /// Workers that have run for a while since they failed are well again.
    fn clear_healthy(&mut self) {
        for running in self.running.values().filter(|running| running.since.elapsed() >= LOOK_EVERY) {
            if self.failed.contains_key(&running.job) {
                self.health.clear(&running.job.subject());
            }
        }
    }

    /// Takes new topics into account.
    async fn adopt(&mut self, found: BTreeMap<String, i32>) {
        let mut ready = Vec::new();
        for contract in &self.contracts {
            let subject = format!("topics of {}", contract.model);
            match obstacle(contract, &found) {
                None => {
                    self.health.clear(&subject);
                    ready.push(Arc::clone(contract));
                }
                Some(reason) => self.health.set(&subject, &reason),
            }
        }
        if found == self.partitions {
            return;
        }
        self.partitions = found;
        self.bundles = bundles(&ready);
        self.replace_workers().await;
        let topics: BTreeSet<String> =
            ready.iter().map(|contract| contract.sources.predictions.topic.clone()).collect();
        if topics != self.subscribed {
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            if let Err(error) = self.member.subscribe(&names) {
                self.health.set(CLUSTER, &error.to_string());
                // Looked at again as if it were new.
                self.partitions.clear();
                return;
            }
            self.subscribed = topics;
        }
    }

    /// Leaves the group, so that others take over at once, and ends the clients where waiting is allowed.
    async fn leave(self) {
        let Self { shared, events, member_thread, member_stop, .. } = self;
        // The member's thread must not wait for answers that nobody gives any more.
        drop(events);
        member_stop.cancel();
        if let Err(error) = member_thread.await {
            tracing::error!("the group's member ended badly: {error}");
        }
        if let Err(error) = tokio::task::spawn_blocking(move || drop(shared)).await {
            tracing::error!("the consumer ended badly: {error}");
        }
    }
}

/// Serves what is not a record: statistics and errors. Ends only when a record comes where none may come.
async fn serve(reader: &Reader, health: &Health) -> Error {
    loop {
        match reader.recv().await {
            Err(error) => {
                let error = format!("reading: {error}");
                if let Some(passed_over) = health.is_news(&error) {
                    tracing::warn!(passed_over, "{error}");
                }
            }
            Ok(_) => return defect("the consumer", "a record came outside its partition's queue"),
        }
    }
}

fn defect(who: &str, what: &str) -> Error {
    Error::Kafka { doing: format!("running {who}"), detail: what.to_owned() }
}
