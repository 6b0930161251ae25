-- The tables of the closed loop: retrainings as state machines, versions, deployments, commands.
--
-- As in 0001: times are integers, `event_time` is event time, the others are wall time; only constructs that PostgreSQL
-- knows too.

-- Everything of a retraining that only its own machinery reads.
ALTER TABLE retrainings RENAME COLUMN annotations TO document;
-- `retraining`, or a person's `deployment` or `return`, which the policy doesn't count.
ALTER TABLE retrainings ADD COLUMN kind TEXT NOT NULL DEFAULT 'retraining';
ALTER TABLE retrainings ADD COLUMN updated BIGINT NOT NULL DEFAULT 0;
-- The candidate, once there is one.
ALTER TABLE retrainings ADD COLUMN version TEXT NOT NULL DEFAULT '';
-- What was requested before was for someone else to carry out: no machinery stands behind those rows.
ALTER TABLE retrainings ADD COLUMN active BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE retrainings SET updated = created;
CREATE UNIQUE INDEX one_active_retraining ON retrainings (model) WHERE active;

-- What a retraining did to the world, written before and after.
CREATE TABLE effects (
    retraining TEXT   NOT NULL,
    sequence   BIGINT NOT NULL,
    effect     TEXT   NOT NULL,
    detail     TEXT   NOT NULL,
    begun      BIGINT NOT NULL,
    ended      BIGINT,
    outcome    TEXT   NOT NULL,
    PRIMARY KEY (retraining, sequence)
);

-- What people ask for, until the machinery has answered, and the answers.
CREATE TABLE commands (
    id         TEXT   NOT NULL PRIMARY KEY,
    model      TEXT   NOT NULL,
    retraining TEXT   NOT NULL,
    command    TEXT   NOT NULL,
    body       TEXT   NOT NULL,
    asked_by   TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    created    BIGINT NOT NULL,
    handled    BIGINT,
    outcome    TEXT   NOT NULL
);
CREATE INDEX commands_that_wait ON commands (model, created) WHERE handled IS NULL;

CREATE TABLE audit (
    id       TEXT   NOT NULL PRIMARY KEY,
    recorded BIGINT NOT NULL,
    who      TEXT   NOT NULL,
    role     TEXT   NOT NULL,
    command  TEXT   NOT NULL,
    model    TEXT   NOT NULL,
    subject  TEXT   NOT NULL,
    reason   TEXT   NOT NULL,
    outcome  TEXT   NOT NULL
);
CREATE INDEX audit_by_time ON audit (recorded);
CREATE INDEX audit_by_model ON audit (model, recorded);

-- Tokens by their SHA-256; a revoked one keeps its name, so that the audit log stays clear.
CREATE TABLE tokens (
    name       TEXT   NOT NULL PRIMARY KEY,
    role       TEXT   NOT NULL,
    sha256     TEXT   NOT NULL UNIQUE,
    created    BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    revoked    BIGINT
);

CREATE TABLE versions (
    model         TEXT   NOT NULL,
    version       TEXT   NOT NULL,
    sha256        TEXT   NOT NULL,
    uri           TEXT   NOT NULL,
    validation    TEXT   NOT NULL,
    retraining    TEXT   NOT NULL,
    registered    BIGINT NOT NULL,
    registered_by TEXT   NOT NULL,
    lineage       TEXT   NOT NULL,
    baseline      TEXT   NOT NULL,
    PRIMARY KEY (model, version)
);

-- champion, challenger, previous: only registered versions have one.
CREATE TABLE aliases (
    model      TEXT   NOT NULL,
    alias      TEXT   NOT NULL,
    version    TEXT   NOT NULL,
    event_time BIGINT NOT NULL,
    updated    BIGINT NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES versions (model, version)
);

CREATE TABLE deployments (
    id         TEXT   NOT NULL PRIMARY KEY,
    model      TEXT   NOT NULL,
    event_time BIGINT NOT NULL,
    recorded   BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    version    TEXT   NOT NULL,
    weight     BIGINT NOT NULL,
    retraining TEXT   NOT NULL,
    words      TEXT   NOT NULL
);
CREATE INDEX deployments_by_model ON deployments (model, event_time);

CREATE INDEX history_files_by_kind ON history_files (model, kind, min_time, path);
