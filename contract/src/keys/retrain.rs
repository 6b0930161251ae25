//! The keys of a contract's `retrain`.

use super::{Form, Key, Object, default, moved, optional, required};

const DURATION: Form = Form::Duration;

pub const STAGES: &[&str] = &["training", "rollout"];
pub const DEVICES: &[&str] = &["auto", "cpu", "cuda"];
pub const DATA_FORMATS: &[&str] = &["parquet", "csv"];

pub static RETRAIN: Object = Object {
    what: "`retrain`",
    keys: &[
        default("policy", "see there", Form::Object(&RETRAIN_POLICY), "When a retraining may begin.", ""),
        default("dataset", "see there", Form::Object(&DATASET), "Which accepted events a candidate learns from.", ""),
        optional(
            "executor",
            Form::Object(&EXECUTOR),
            "The program that trains. Without it retrainings are requested, and carried out by someone else. Needs labels, a \
             `score`, and the task `binary_classification`.",
            "{ command: [ bellwether-trainer ] }",
        ),
        default(
            "evaluate",
            "see there",
            Form::Object(&EVALUATE),
            "The gate: the candidate against the stable version, on the same held-out events.",
            "",
        ),
        default(
            "rollout",
            "see there",
            Form::Object(&ROLLOUT),
            "How traffic moves to a candidate, and what stops it.",
            "",
        ),
        optional(
            "target",
            Form::Object(&TARGET),
            "The app that serves the model. Without it candidates are trained, judged and registered, and served by nobody. \
             Needs `executor` and `fields.predictions.version`.",
            "{ url: \"http://127.0.0.1:8080\" }",
        ),
        moved("cool_down", "`cool_down` stands in `policy` now", "write `policy: { cool_down: 14d }`"),
    ],
};

pub static RETRAIN_POLICY: Object = Object {
    what: "`retrain.policy`",
    keys: &[
        default("cool_down", "`14d`", DURATION, "Event time between two requests of rules. At most 366d.", "28d"),
        default(
            "budget",
            "4 in 90 days",
            Form::Object(&RETRAIN_BUDGET),
            "How many retrainings there may be, whoever asks.",
            "{ runs: 2, per: 30d }",
        ),
        default(
            "minimum_labels",
            "`1000`",
            Form::Number,
            "Events with labels that the data must have, training and held-out together.",
            "20000",
        ),
        default(
            "approval",
            "none",
            Form::List(&Form::Choice(STAGES)),
            "Where a person must say yes: before data are pinned and trained on, before a candidate gets traffic.",
            "[ rollout ]",
        ),
        default(
            "stop_after_failures",
            "`3`",
            Form::Number,
            "After so many failed retrainings in a row rules are not heard, until one that a person asked for is promoted. \
             1 to 100.",
            "1",
        ),
    ],
};

pub static RETRAIN_BUDGET: Object = Object {
    what: "`retrain.policy.budget`",
    keys: &[
        default("runs", "`4`", Form::Number, "Retrainings that begin. 1 to 1000.", "2"),
        default("per", "`90d`", DURATION, "In how much event time. At most ten years.", "30d"),
    ],
};

pub static DATASET: Object = Object {
    what: "`retrain.dataset`",
    keys: &[
        default(
            "span",
            "`56d`",
            DURATION,
            "Event time of the training data, which end where the held-out data begin. Not less than `held_out`, at most ten \
             years.",
            "180d",
        ),
        default(
            "held_out",
            "`7d`",
            DURATION,
            "The newest labelled events, which the candidate doesn't see and is judged on. At least three days, and three windows.",
            "14d",
        ),
    ],
};

pub static EXECUTOR: Object = Object {
    what: "`retrain.executor`",
    keys: &[
        required(
            "command",
            Form::List(&Form::Text),
            "Program and first arguments; `run --spec FILE --output FOLDER` is added. A program without `/` is looked for \
             beside Bellwether's own, then in `PATH`.",
            "[ bellwether-trainer ]",
        ),
        default("timeout", "`2h`", DURATION, "Wall time of one attempt. At most 30d.", "30m"),
        default(
            "attempts",
            "`3`",
            Form::Number,
            "Starts of the program for one retraining, crashes of any kind included. 1 to 10.",
            "1",
        ),
        default(
            "device",
            "`auto`",
            Form::Choice(DEVICES),
            "What is trained on: `auto` is CUDA where there is one.",
            "cpu",
        ),
        default(
            "format",
            "`parquet`",
            Form::Choice(DATA_FORMATS),
            "How the program gets its data: `csv` is for scripts.",
            "csv",
        ),
        default("seed", "`0`", Form::Number, "What training draws its random numbers from.", "7"),
        default(
            "parameters",
            "none",
            Form::Map("NAME", &Form::Anything),
            "Hyper-parameters, passed on to the program as JSON.",
            "{ hidden: [ 64, 32 ], epochs: 8 }",
        ),
    ],
};

pub static EVALUATE: Object = Object {
    what: "`retrain.evaluate`",
    keys: &[
        default(
            "margin",
            "`0`",
            Form::Number,
            "By how much the candidate's log loss must be lower than the stable version's, at least.",
            "0.005",
        ),
        default(
            "segments",
            "none",
            Form::List(&Form::Text),
            "Columns none of whose values may become clearly worse; the same columns as in `segments` are allowed.",
            "[ country ]",
        ),
    ],
};

pub static ROLLOUT: Object = Object {
    what: "`retrain.rollout`",
    keys: &[
        default(
            "steps",
            "`[10, 50, 100]`",
            Form::List(&Form::Number),
            "Per cent of the traffic, one step after the other: whole numbers that rise to 100. At most 20.",
            "[ 1, 10, 100 ]",
        ),
        default(
            "bake",
            "`7d`",
            DURATION,
            "Event time at 100 % before promotion; the version before stays loaded. At most 366d.",
            "2d",
        ),
        default(
            "gross_harm",
            "`0.25`",
            Form::Number,
            "A difference in log loss that is looked for event by event. Above zero.",
            "0.5",
        ),
        default(
            "margin",
            "`0.05`",
            Form::Number,
            "How much worse, in log loss, a candidate may be and still count as no worse.",
            "0.01",
        ),
        default(
            "latency_ratio",
            "`2`",
            Form::Number,
            "The candidate's 95th percentile of the latency may be so many times the stable version's. At least 1.",
            "1.5",
        ),
        default(
            "error_excess",
            "`0.02`",
            Form::Number,
            "The candidate's share of errors may exceed the stable version's by so much. 0 to 1.",
            "0.001",
        ),
        default(
            "patience",
            "`10m`",
            DURATION,
            "How long the serving app may be out of reach, by the clock on the wall, before the candidate goes back. At most 1d.",
            "1h",
        ),
    ],
};

pub static TARGET: Object = Object {
    what: "`retrain.target`",
    keys: &[
        required(
            "url",
            Form::Text,
            "Where the app answers, `http://` or `https://`; `/v1/models/…` is added.",
            "http://127.0.0.1:8080",
        ),
        optional(
            "token",
            Form::Secret,
            "The bearer token that the app asks for. Read with the contract.",
            "{ env: SERVING_TOKEN }",
        ),
    ],
};

/// The key that says where `retrain` stands in a contract.
pub const fn key() -> Key {
    optional(
        "retrain",
        Form::Object(&RETRAIN),
        "What decay leads to: when retraining is requested, and how it is carried out. Without it, nothing.",
        "{ policy: { cool_down: 14d } }",
    )
}
