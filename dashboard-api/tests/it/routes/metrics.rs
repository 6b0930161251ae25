//! `/metrics`

use contract::metrics::{DEAD_LETTERS, OUTBOX_OLDEST};
use prometheus::{Gauge, IntCounterVec, Opts};

use crate::server::Server;

#[tokio::test]
async fn e4_metrics_come_in_prometheus_text_format() {
    let server = Server::empty().await;
    let options = Opts::new(DEAD_LETTERS.name, DEAD_LETTERS.help);
    let letters = IntCounterVec::new(options, DEAD_LETTERS.labels).unwrap();
    server.registry.register(Box::new(letters.clone())).unwrap();
    letters.with_label_values(&["a\"b", "wrong_type"]).inc_by(3);
    let oldest = Gauge::new(OUTBOX_OLDEST.name, OUTBOX_OLDEST.help).unwrap();
    server.registry.register(Box::new(oldest)).unwrap();

    let answer = server.get("/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4"));
    let expected = format!(
        "# HELP {letters} {}\n# TYPE {letters} counter\n{letters}{{model=\"a\\\"b\",reason=\"wrong_type\"}} 3\n\
         # HELP {oldest} {}\n# TYPE {oldest} gauge\n{oldest} 0\n",
        DEAD_LETTERS.help,
        OUTBOX_OLDEST.help,
        letters = DEAD_LETTERS.name,
        oldest = OUTBOX_OLDEST.name,
    );
    assert_eq!(answer.body, expected);
}
