//! Sockets: how many there may be, and how long one may be held without asking for anything.
//!
//! `axum::serve` knows no limits here, so this is its loop with them. When the house is full, whoever has been idle longest makes
//! room for the next one, so nobody can shut others out by merely being there. A connection is idle while no request of it is
//! being answered: what it reads or writes then is the other side's affair.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::protection::{HEADERS_BYTES, Limits};

/// The turn of a connection that isn't idle.
const ANSWERING: u64 = u64::MAX;

/// Serves until `stop` is cancelled, then lets running requests end, within a limit.
pub(crate) async fn serve(mut listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let mut house = House::new(router, limits, stop.clone());
    loop {
        let stream = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = house.tasks.join_next_with_id() => {
                house.forget(ended);
                continue;
            }
            (stream, _) = Listener::accept(&mut listener) => stream,
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = house.make_room() => house.admit(stream),
        }
    }
    drop(listener);
    house.close().await;
}

/// The connections that are open.
struct House {
    service: TowerToHyperService<Router>,
    limits: Limits,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    guests: HashMap<Id, Guest>,
    /// Counts up whenever a connection becomes idle: the lowest turn has been idle longest.
    turns: Arc<AtomicU64>,
    /// Told when a connection becomes idle.
    idle: Arc<Notify>,
}

struct Guest {
    task: AbortHandle,
    turn: Arc<AtomicU64>,
}

impl House {
    fn new(router: Router, limits: Limits, stop: CancellationToken) -> Self {
        Self {
            service: TowerToHyperService::new(router),
            limits,
            stop,
            tasks: JoinSet::new(),
            guests: HashMap::new(),
            turns: Arc::default(),
            idle: Arc::default(),
        }
    }

    fn admit(&mut self, stream: TcpStream) {
        let turn = Arc::new(AtomicU64::new(self.turns.fetch_add(1, Ordering::Relaxed)));
        let presence =
            Presence { turn: Arc::clone(&turn), turns: Arc::clone(&self.turns), idle: Arc::clone(&self.idle) };
        let task = self.tasks.spawn(converse(stream, self.service.clone(), presence, self.limits, self.stop.clone()));
        self.guests.insert(task.id(), Guest { task, turn });
    }

    /// Waits until there is room for one more.
    async fn make_room(&mut self) {
        while self.tasks.len() >= self.limits.connections.max(1) {
            let is_one_leaving = self.send_away();
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
                // All were being answered, and one isn't any more.
                () = self.idle.notified(), if !is_one_leaving => {}
            }
        }
    }

    /// Ends the connection that has been idle longest. Whether there is one.
    fn send_away(&mut self) -> bool {
        let idle = self.guests.iter().map(|(id, guest)| (guest.turn.load(Ordering::Relaxed), *id));
        let longest = idle.filter(|(turn, _)| *turn != ANSWERING).min_by_key(|(turn, _)| *turn);
        let guest = longest.and_then(|(_, id)| self.guests.remove(&id));
        if let Some(guest) = &guest {
            guest.task.abort();
        }
        guest.is_some()
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "a connection broke off");
                }
                error.id()
            }
        };
        self.guests.remove(&id);
    }

    /// Waits for those who are told to end; not for ever.
    async fn close(mut self) {
        let end_within = self.limits.end_within;
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.forget(ended);
            }
        };
        if tokio::time::timeout(end_within, all).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "some connections did not end in time");
            self.tasks.shutdown().await;
        }
    }
}

/// A connection's own side of what the house knows of it.
#[derive(Clone)]
struct Presence {
    turn: Arc<AtomicU64>,
    turns: Arc<AtomicU64>,
    idle: Arc<Notify>,
}

impl Presence {
    /// The connection isn't idle until the answer is dropped.
    fn answering(&self) -> Answering {
        self.turn.store(ANSWERING, Ordering::Relaxed);
        Answering(self.clone())
    }
}

struct Answering(Presence);

impl Drop for Answering {
    fn drop(&mut self) {
        let Presence { turn, turns, idle } = &self.0;
        turn.store(turns.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        idle.notify_one();
    }
}

/// One connection from its first byte to its last.
async fn converse(
    stream: TcpStream,
    service: TowerToHyperService<Router>,
    presence: Presence,
    limits: Limits,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answering = presence.answering();
        let answer = service.call(request);
        async move {
            let answer = answer.await;
            drop(answering);
            answer
        }
    });
    let mut builder = http1::Builder::new();
    // It runs while nothing has been asked yet, too, and again after each answer: an idle connection ends by it.
    builder.timer(TokioTimer::new()).header_read_timeout(limits.headers_within).max_buf_size(HEADERS_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
