//! The keys of a contract.

use super::configuration::SECRET;
use super::{Form, Object, default, later, optional, required, retrain};

const DURATION: Form = Form::Duration;
const POINTER: Form = Form::Pointer;

pub const TASKS: &[&str] = &["binary_classification", "multiclass_classification", "regression", "ranking", "none"];
pub const COLUMN_KINDS: &[&str] = &["float64", "int64", "boolean", "string"];
pub const PRIVACIES: &[&str] = &["keep", "hash", "drop"];
pub const UNITS: &[&str] = &["s", "ms", "us", "ns"];
pub const FORMATS: &[&str] = &["json"];

/// The default of `rules`.
pub const DEFAULT_PACK: &str = "packs/default.yaml";

pub static CONTRACT: Object = Object {
    what: "a contract",
    keys: &[
        required("version", Form::One, "Version of this form.", "1"),
        required(
            "model",
            Form::Text,
            "Name of the model, unique in a service. Letters, digits, `_`, `-` and `.`.",
            "fraud",
        ),
        required(
            "task",
            Form::Choice(TASKS),
            "What the model predicts. Performance is judged for `binary_classification`; for the others inputs and outputs are.",
            "binary_classification",
        ),
        optional(
            "owner",
            Form::Text,
            "Who answers for the model. Routes of the configuration can name owners.",
            "risk-team",
        ),
        required("sources", Form::Object(&SOURCES), "Where the events are.", ""),
        required("fields", Form::Object(&FIELDS), "Where the parts of an event are.", ""),
        required(
            "schema",
            Form::Map("COLUMN", &Form::Object(&COLUMN)),
            "The columns that the model takes, one at least. Only these are read from the events.",
            "{ amount: { type: float64 } }",
        ),
        default(
            "segments",
            "none",
            Form::List(&Form::Text),
            "Columns by whose values performance is followed on its own.",
            "[ country ]",
        ),
        required("windows", Form::Object(&WINDOWS), "The spans of event time that are judged.", ""),
        default(
            "baseline",
            "`training`",
            Form::Any(&[Form::Choice(&["training"]), Form::Object(&BASELINE_PART), Form::Object(&BASELINE)]),
            "What windows are compared with. A bare value means all three parts.",
            "{ inputs: { trailing: 28d } }",
        ),
        default("budget", "one in 30 days", Form::Object(&BUDGET), "How many false alarms the owner accepts.", ""),
        default(
            "rules",
            "`[packs/default.yaml]`",
            Form::List(&Form::Path),
            "Rule files. `packs/NAME.yaml` is a pack that ships with Bellwether, unless such a file lies beside the contract.",
            "[ packs/default.yaml, own.yaml ]",
        ),
        retrain::key(),
    ],
};

pub static SOURCES: Object = Object {
    what: "`sources`",
    keys: &[
        required("predictions", Form::Object(&PREDICTION_SOURCE), "The prediction events.", ""),
        optional("labels", Form::Object(&LABEL_SOURCE), "The label events: the truth for earlier predictions.", ""),
        later("signals", "take it out; business signals aren't read yet"),
    ],
};

const TOPIC_MEANING: &str = "The Kafka topic.";
const FORMAT_MEANING: &str = "How events are encoded.";
const WHERE_MEANING: &str =
    "Pointers and the text that each must point at. An event that differs belongs to another model and is passed over.";

pub static PREDICTION_SOURCE: Object = Object {
    what: "`sources.predictions`",
    keys: &[
        required("topic", Form::Text, TOPIC_MEANING, "scoring.events"),
        default("format", "`json`", Form::Choice(FORMATS), FORMAT_MEANING, "json"),
        default("where", "every event", Form::Map("POINTER", &Form::Text), WHERE_MEANING, "{ /model/name: fraud }"),
    ],
};

pub static LABEL_SOURCE: Object = Object {
    what: "`sources.labels`",
    keys: &[
        required("topic", Form::Text, TOPIC_MEANING, "fraud.labels"),
        required(
            "horizon",
            DURATION,
            "The longest time from a prediction to a label that still counts. At most 366d.",
            "14d",
        ),
        default("format", "`json`", Form::Choice(FORMATS), FORMAT_MEANING, "json"),
        default("where", "every event", Form::Map("POINTER", &Form::Text), WHERE_MEANING, "{ /kind: final }"),
    ],
};

pub static FIELDS: Object = Object {
    what: "`fields`",
    keys: &[
        required("predictions", Form::Object(&PREDICTION_FIELDS), "The parts of a prediction.", ""),
        optional(
            "labels",
            Form::Object(&LABEL_FIELDS),
            "The parts of a label. Required with `sources.labels`, and only then allowed.",
            "",
        ),
    ],
};

const TIME: Form = Form::Any(&[POINTER, Form::Object(&TIME_FIELD)]);
const EVENT_ID_MEANING: &str =
    "What joins a label to its prediction, and tells repeated events. Text or a whole number.";

pub static PREDICTION_FIELDS: Object = Object {
    what: "`fields.predictions`",
    keys: &[
        required("event_id", POINTER, EVENT_ID_MEANING, "/request_id"),
        required("time", TIME, "When the prediction was made: RFC 3339 text, or a number with its unit.", "/ts"),
        optional("version", POINTER, "The version of the model that predicted.", "/model/version"),
        default(
            "features",
            "`\"\"`, the event itself",
            POINTER,
            "The object that holds the features. Only the columns of `schema` are taken from it.",
            "/input",
        ),
        optional(
            "score",
            POINTER,
            "The number that the model gives; for classification the probability of the label being true.",
            "/output/p",
        ),
        optional("prediction", POINTER, "The class that the model decided for.", "/output/class"),
        optional(
            "latency",
            Form::Any(&[POINTER, Form::Object(&LATENCY_FIELD)]),
            "How long the prediction took; milliseconds when no unit is given.",
            "{ pointer: /seconds, unit: s }",
        ),
        optional("error", POINTER, "Why the model failed, in events that say so.", "/error"),
        optional(
            "shadow",
            Form::Object(&SHADOW_FIELDS),
            "The score that another version would have given the same event. It is kept in the history, to compare versions by.",
            "{ version: /shadow/version, score: /shadow/score }",
        ),
    ],
};

pub static SHADOW_FIELDS: Object = Object {
    what: "`fields.predictions.shadow`",
    keys: &[
        required("version", POINTER, "The version that scored the event too.", "/shadow/version"),
        required("score", POINTER, "The number that it gave.", "/shadow/score"),
    ],
};

pub static LABEL_FIELDS: Object = Object {
    what: "`fields.labels`",
    keys: &[
        required("event_id", POINTER, "The event id of the prediction that the label belongs to.", "/request_id"),
        required(
            "time",
            TIME,
            "When the label became known: RFC 3339 text, or a number with its unit.",
            "{ pointer: /decided_at, unit: ms }",
        ),
        required("label", POINTER, "The truth: a boolean, or 0 or 1.", "/is_fraud"),
    ],
};

pub static TIME_FIELD: Object = Object {
    what: "a time with a unit",
    keys: &[
        required("pointer", POINTER, "Where the number is.", "/decided_at"),
        required("unit", Form::Choice(UNITS), "What it counts since 1970-01-01T00:00:00Z.", "ms"),
    ],
};

pub static LATENCY_FIELD: Object = Object {
    what: "a latency with a unit",
    keys: &[
        required("pointer", POINTER, "Where the number is.", "/latency"),
        default("unit", "`ms`", Form::Choice(UNITS), "What it counts.", "us"),
    ],
};

pub static COLUMN: Object = Object {
    what: "a column of `schema`",
    keys: &[
        required(
            "type",
            Form::Choice(COLUMN_KINDS),
            "The type of its values. Others are counted as mistyped.",
            "float64",
        ),
        optional(
            "range",
            Form::Range,
            "The smallest and the largest value that make sense. Numbers only.",
            "[0, 1.0e6]",
        ),
        optional(
            "unit",
            Form::Text,
            "The unit of its values. Only known conversions of this unit are tried as the explanation of a change.",
            "fahrenheit",
        ),
        optional(
            "source",
            Form::Text,
            "The upstream that the column comes from. Faults are explained by source.",
            "weather",
        ),
        default("judge", "`true`", Form::Boolean, "`false`: profiled and shown, never judged.", "false"),
        default(
            "privacy",
            "`keep`",
            Form::Choice(PRIVACIES),
            "`hash`: the history has a hash instead (without a key: guessable values can be found again); profiles count \
             the hashes of text, and the values of numbers. `drop`: the history leaves the column out; profiles count its \
             values.",
            "hash",
        ),
    ],
};

pub static WINDOWS: Object = Object {
    what: "`windows`",
    keys: &[
        required(
            "size",
            DURATION,
            "Length of a window; windows are aligned to 1970-01-01T00:00:00Z. 1s to 366d.",
            "1d",
        ),
        default(
            "lateness",
            "`0s`",
            DURATION,
            "How far behind the newest event time an event may come and still count. At most 366d.",
            "30s",
        ),
        default(
            "maturity",
            "the label `horizon`; `lateness` without labels",
            DURATION,
            "How long after a window's end its performance is judged. Not less than `lateness`, not more than the label `horizon`.",
            "6h",
        ),
        default(
            "zone",
            "`UTC`",
            Form::Choice(&["UTC"]),
            "The time zone that windows of days follow. Others are not supported yet.",
            "UTC",
        ),
    ],
};

const PART: Form = Form::Any(&[Form::Choice(&["training"]), Form::Object(&BASELINE_PART)]);

pub static BASELINE: Object = Object {
    what: "`baseline`",
    keys: &[
        default(
            "inputs",
            "`training`",
            PART,
            "What input columns are compared with, over all versions.",
            "{ trailing: 28d }",
        ),
        default(
            "outputs",
            "`training`",
            PART,
            "What scores and predictions are compared with, version by version.",
            "training",
        ),
        default(
            "performance",
            "`training`",
            PART,
            "What performance is compared with, version by version.",
            "{ fixed: scores.parquet }",
        ),
    ],
};

pub static BASELINE_PART: Object = Object {
    what: "a part of `baseline`",
    keys: &[
        optional(
            "training",
            Form::Nothing,
            "The version's own training data; until a registry holds them, the first 14 accepted windows (\"learning\").",
            "{ training: , history: january.parquet }",
        ),
        optional("fixed", Form::Path, "A reference file or folder, for good.", "{ fixed: reference.parquet }"),
        optional(
            "trailing",
            DURATION,
            "The accepted windows of the last so long; at least eight of them.",
            "{ trailing: 28d }",
        ),
        later("seasonal", "use `trailing` with whole weeks until then"),
        optional(
            "history",
            Form::Path,
            "A reference file or folder that seeds the baseline until there are enough accepted windows. Not with `fixed`.",
            "{ trailing: 28d, history: january.parquet }",
        ),
    ],
};

pub static BUDGET: Object = Object {
    what: "`budget`",
    keys: &[
        default(
            "false_alarms",
            "`1`",
            Form::Number,
            "Windows with a false finding of severity `warning` or more. Above zero.",
            "2",
        ),
        default("per", "`30d`", DURATION, "In how much event time.", "7d"),
    ],
};

/// Every mapping of a contract, in the order of the documentation.
pub static ALL: &[&Object] = &[
    &CONTRACT,
    &SOURCES,
    &PREDICTION_SOURCE,
    &LABEL_SOURCE,
    &FIELDS,
    &PREDICTION_FIELDS,
    &LABEL_FIELDS,
    &TIME_FIELD,
    &LATENCY_FIELD,
    &SHADOW_FIELDS,
    &COLUMN,
    &WINDOWS,
    &BASELINE,
    &BASELINE_PART,
    &BUDGET,
    &retrain::RETRAIN,
    &retrain::RETRAIN_POLICY,
    &retrain::RETRAIN_BUDGET,
    &retrain::DATASET,
    &retrain::EXECUTOR,
    &retrain::EVALUATE,
    &retrain::ROLLOUT,
    &retrain::TARGET,
    &SECRET,
];
