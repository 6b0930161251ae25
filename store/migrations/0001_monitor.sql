-- The tables of the first monitor.
--
-- Times are integers: microseconds since 1970-01-01T00:00:00Z. `*_time`, `window_*`, `started`, `fired`, `resolved` and
-- watermarks are event time; `updated`, `created`, `seen`, `first_judged`, `next_attempt` and `delivered` are wall time.
-- Only constructs that PostgreSQL knows too; BLOB is its BYTEA.

CREATE TABLE shards (
    model                TEXT    NOT NULL,
    shard                BIGINT  NOT NULL,
    shards               BIGINT  NOT NULL,
    epoch                BIGINT  NOT NULL,
    sequence             BIGINT  NOT NULL,
    prediction_watermark BIGINT,
    label_watermark      BIGINT,
    predictions_idle     BOOLEAN NOT NULL,
    labels_idle          BOOLEAN NOT NULL,
    offsets              TEXT    NOT NULL,
    counts               TEXT    NOT NULL,
    updated              BIGINT  NOT NULL,
    PRIMARY KEY (model, shard)
);

-- A shard's share of a window, until the window is judged and final.
CREATE TABLE parts (
    model        TEXT    NOT NULL,
    shard        BIGINT  NOT NULL,
    window_start BIGINT  NOT NULL,
    window_end   BIGINT  NOT NULL,
    revision     BIGINT  NOT NULL,
    phase        TEXT    NOT NULL,
    cells        BLOB    NOT NULL,
    epoch        BIGINT  NOT NULL,
    sequence     BIGINT  NOT NULL,
    dirty        BOOLEAN NOT NULL,
    PRIMARY KEY (model, shard, window_start)
);
CREATE INDEX parts_by_window ON parts (model, window_start);

-- One row a model, version, segment and window: the merged profile is one blob.
CREATE TABLE windows (
    model        TEXT    NOT NULL,
    version      TEXT    NOT NULL,
    segment      TEXT    NOT NULL,
    window_start BIGINT  NOT NULL,
    window_end   BIGINT  NOT NULL,
    revision     BIGINT  NOT NULL,
    row_count    BIGINT  NOT NULL,
    labelled     BIGINT  NOT NULL,
    coverage     DOUBLE PRECISION,
    matured      BOOLEAN NOT NULL,
    quarantined  BOOLEAN NOT NULL,
    -- Out of the baselines of inputs (no version) or outputs, and of performance, for what was found may be a lasting shift.
    held_out             BOOLEAN NOT NULL,
    performance_held_out BOOLEAN NOT NULL,
    -- The columns that the profile has, hashed.
    layout       BIGINT  NOT NULL,
    figures      TEXT    NOT NULL,
    profile      BLOB    NOT NULL,
    as_of        TEXT    NOT NULL,
    first_judged BIGINT  NOT NULL,
    updated      BIGINT  NOT NULL,
    PRIMARY KEY (model, version, segment, window_start)
);
CREATE INDEX windows_by_time ON windows (model, segment, window_start);

CREATE TABLE findings (
    model        TEXT   NOT NULL,
    version      TEXT   NOT NULL,
    segment      TEXT   NOT NULL,
    window_start BIGINT NOT NULL,
    window_end   BIGINT NOT NULL,
    subject      TEXT   NOT NULL,
    feature      TEXT   NOT NULL,
    detector     TEXT   NOT NULL,
    revision     BIGINT NOT NULL,
    severity     BIGINT NOT NULL,
    fault        TEXT,
    body         TEXT   NOT NULL,
    PRIMARY KEY (model, version, segment, window_start, subject, feature, detector)
);
CREATE INDEX findings_by_time ON findings (model, window_start, severity);

CREATE TABLE alerts (
    fingerprint TEXT   NOT NULL,
    started     BIGINT NOT NULL,
    model       TEXT   NOT NULL,
    rule        TEXT   NOT NULL,
    segment     TEXT   NOT NULL,
    feature     TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    severity    TEXT   NOT NULL,
    fired       BIGINT,
    resolved    BIGINT,
    value       DOUBLE PRECISION,
    annotations TEXT   NOT NULL,
    notified    BIGINT,
    updated     BIGINT NOT NULL,
    PRIMARY KEY (fingerprint, started)
);
CREATE INDEX alerts_by_model ON alerts (model, started);

-- Where each engine of a model stands: JSON text under a name.
CREATE TABLE progress (
    model TEXT NOT NULL,
    name  TEXT NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (model, name)
);

-- The outbox.
CREATE TABLE notifications (
    id                TEXT   NOT NULL PRIMARY KEY,
    channel           TEXT   NOT NULL,
    model             TEXT   NOT NULL,
    alert_fingerprint TEXT   NOT NULL,
    kind              TEXT   NOT NULL,
    body              TEXT   NOT NULL,
    created           BIGINT NOT NULL,
    attempts          BIGINT NOT NULL,
    next_attempt      BIGINT NOT NULL,
    state             TEXT   NOT NULL,
    last_error        TEXT,
    delivered         BIGINT
);
CREATE INDEX notifications_by_state ON notifications (state, next_attempt);

CREATE TABLE dead_letters (
    model         TEXT   NOT NULL,
    topic         TEXT   NOT NULL,
    partition     BIGINT NOT NULL,
    record_offset BIGINT NOT NULL,
    kind          TEXT   NOT NULL,
    reason        TEXT   NOT NULL,
    detail        TEXT   NOT NULL,
    payload       BLOB   NOT NULL,
    seen          BIGINT NOT NULL,
    PRIMARY KEY (model, topic, partition, record_offset)
);
CREATE INDEX dead_letters_by_age ON dead_letters (model, seen);

-- Counts outlive the letters themselves, of which only the newest are kept.
CREATE TABLE dead_letter_counts (
    model  TEXT   NOT NULL,
    kind   TEXT   NOT NULL,
    reason TEXT   NOT NULL,
    letters BIGINT NOT NULL,
    PRIMARY KEY (model, kind, reason)
);

CREATE TABLE history_files (
    path         TEXT   NOT NULL PRIMARY KEY,
    model        TEXT   NOT NULL,
    shard        BIGINT NOT NULL,
    kind         TEXT   NOT NULL,
    row_count    BIGINT NOT NULL,
    min_time     BIGINT NOT NULL,
    max_time     BIGINT NOT NULL,
    sha256       TEXT   NOT NULL,
    first_offset BIGINT NOT NULL,
    last_offset  BIGINT NOT NULL
);
CREATE INDEX history_files_by_time ON history_files (model, min_time);

CREATE TABLE retrainings (
    id          TEXT   NOT NULL PRIMARY KEY,
    model       TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    rule        TEXT   NOT NULL,
    event_time  BIGINT NOT NULL,
    created     BIGINT NOT NULL,
    annotations TEXT   NOT NULL
);
CREATE INDEX retrainings_by_model ON retrainings (model, event_time);
