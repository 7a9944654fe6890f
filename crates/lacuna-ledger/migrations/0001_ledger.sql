-- Runs on SQLite and PostgreSQL. SQLite reads BYTEA as BLOB, and /*CLUSTERED*/ as WITHOUT ROWID: rows lie in the order of their key.
-- Times are microseconds since 1970. No column holds an identifier in the clear.

-- What this ledger is bound to: a hash under the hashing key, so that another one is noticed.
CREATE TABLE ledger (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    key_check BYTEA NOT NULL,
    chain_sequence BIGINT NOT NULL,
    chain_hash BYTEA NOT NULL,
    last_pass BIGINT NOT NULL,
    last_standing BIGINT NOT NULL
);

CREATE TABLE request (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    requester TEXT NOT NULL,
    kind TEXT NOT NULL,
    regulation TEXT NOT NULL,
    sources TEXT NOT NULL,
    options TEXT NOT NULL,
    lane TEXT NOT NULL,
    state TEXT NOT NULL,
    received BIGINT NOT NULL,
    due BIGINT NOT NULL,
    paused BIGINT,
    extended BIGINT,
    not_before BIGINT NOT NULL,
    forced BIGINT NOT NULL,
    subject_hash BYTEA NOT NULL,
    body_hash BYTEA NOT NULL,
    -- Who wants what of which sources, as a keyed hash: as long as it runs, the same is not wanted twice.
    wish BYTEA NOT NULL,
    idempotency BYTEA,
    counts TEXT,
    approved TEXT,
    approvals_needed BIGINT NOT NULL,
    round BIGINT NOT NULL,
    missing TEXT,
    reason TEXT,
    package TEXT,
    package_expires BIGINT,
    package_removed BIGINT,
    receipt TEXT,
    tries BIGINT NOT NULL,
    pass BIGINT,
    ended BIGINT,
    forgotten BIGINT,
    -- When a pass may take it; absent when none may. Follows from the columns above, as the next one does.
    ready BIGINT,
    -- When it is due; absent when its clock does not run.
    deadline BIGINT
);
CREATE UNIQUE INDEX request_idempotency ON request (tenant, idempotency) WHERE idempotency IS NOT NULL;
CREATE UNIQUE INDEX request_running ON request (wish) WHERE ended IS NULL;
CREATE INDEX request_tenant ON request (tenant, id);
CREATE INDEX request_tenant_state ON request (tenant, state, id);
CREATE INDEX request_state ON request (state, id);
CREATE INDEX request_kind ON request (kind, id);
CREATE INDEX request_ready ON request (lane, ready, id, received) WHERE ready IS NOT NULL;
CREATE INDEX request_deadline ON request (deadline, id) WHERE deadline IS NOT NULL;
CREATE INDEX request_pass ON request (pass, id) WHERE pass IS NOT NULL;
CREATE INDEX request_package ON request (package_expires) WHERE package_expires IS NOT NULL AND package_removed IS NULL;

-- Identifiers, encrypted, for as long as they are needed.
CREATE TABLE sealed (
    request TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL,
    content BYTEA NOT NULL,
    keep_until BIGINT
);
CREATE INDEX sealed_keep_until ON sealed (keep_until) WHERE keep_until IS NOT NULL;

-- A keyed hash of each identifier, which holds are found by.
CREATE TABLE identifier (
    request TEXT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (request, hash)
) /*CLUSTERED*/;
CREATE INDEX identifier_hash ON identifier (hash);

CREATE TABLE approval (
    request TEXT NOT NULL,
    round BIGINT NOT NULL,
    approver TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (request, round, approver)
) /*CLUSTERED*/;

CREATE TABLE hold (
    id TEXT NOT NULL PRIMARY KEY,
    source TEXT,
    class TEXT,
    tenant TEXT,
    reason TEXT NOT NULL,
    legal_basis TEXT NOT NULL,
    review TEXT,
    exports BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    lifted_by TEXT,
    lifted_at BIGINT,
    lift_reason TEXT
);
CREATE INDEX hold_active ON hold (source) WHERE lifted_at IS NULL;

CREATE TABLE held (
    hash BYTEA NOT NULL,
    hold TEXT NOT NULL,
    PRIMARY KEY (hash, hold)
) /*CLUSTERED*/;
CREATE INDEX held_hold ON held (hold);

CREATE TABLE pass (
    id BIGINT NOT NULL PRIMARY KEY,
    lane TEXT NOT NULL,
    phase TEXT NOT NULL,
    fence BIGINT NOT NULL,
    leader TEXT,
    lease BIGINT NOT NULL,
    began BIGINT NOT NULL,
    -- The highest number of a set, and of one whose rows are removed.
    sets BIGINT NOT NULL,
    removed BIGINT NOT NULL,
    -- How far it is, so that nobody has to count: what is planned now, and what of it is done.
    planned BIGINT NOT NULL DEFAULT 0,
    shards BIGINT NOT NULL DEFAULT 0,
    bytes BIGINT NOT NULL DEFAULT 0,
    done BIGINT NOT NULL DEFAULT 0,
    bytes_done BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX pass_batch ON pass (lane) WHERE lane = 'batch' AND phase <> 'ended';
CREATE INDEX pass_phase ON pass (phase, id);

-- `free` is when the set may be claimed: 0 when nobody has it, the end of its lease when somebody has; absent when it is done.
CREATE TABLE shard_set (
    pass BIGINT NOT NULL,
    number BIGINT NOT NULL,
    source TEXT NOT NULL,
    shards BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    free BIGINT,
    fence BIGINT NOT NULL,
    worker TEXT,
    reference TEXT,
    rows_read BIGINT NOT NULL,
    bytes_read BIGINT NOT NULL,
    matched BIGINT NOT NULL,
    PRIMARY KEY (pass, number)
) /*CLUSTERED*/;
CREATE INDEX shard_set_free ON shard_set (pass, free, number) WHERE free IS NOT NULL;

CREATE TABLE shard (
    pass BIGINT NOT NULL,
    number BIGINT NOT NULL,
    position BIGINT NOT NULL,
    path TEXT NOT NULL,
    etag TEXT NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (pass, number, position)
) /*CLUSTERED*/;

-- Periodic work that one worker does at a time. `free` is when it may be claimed: 0 when nobody has it.
CREATE TABLE duty (
    name TEXT NOT NULL PRIMARY KEY,
    fence BIGINT NOT NULL,
    worker TEXT,
    free BIGINT NOT NULL,
    done BIGINT
);

CREATE TABLE standing (
    sequence BIGINT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL UNIQUE,
    until BIGINT NOT NULL
);
CREATE INDEX standing_until ON standing (until);

-- A path that is too long for an index stands here as its beginning and its hash.
CREATE TABLE watermark (
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    etag TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (source, path)
) /*CLUSTERED*/;

-- The audit chain. `body` is canonical JSON that holds the hash of the entry before it; `hash` is the SHA-256 of `body`.
CREATE TABLE entry (
    sequence BIGINT NOT NULL PRIMARY KEY,
    request TEXT,
    body TEXT NOT NULL,
    hash BYTEA NOT NULL
);
CREATE INDEX entry_request ON entry (request, sequence) WHERE request IS NOT NULL;

CREATE TABLE notice (
    id TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL,
    kind TEXT NOT NULL,
    previous TEXT,
    state TEXT NOT NULL,
    at BIGINT NOT NULL,
    received BIGINT NOT NULL,
    due BIGINT NOT NULL,
    counts TEXT,
    tries BIGINT NOT NULL,
    first_tried BIGINT,
    delivered TEXT NOT NULL,
    next_try BIGINT NOT NULL
);
CREATE INDEX notice_next_try ON notice (next_try, id);

-- How many requests there are of a kind in a state, so that nobody has to count them.
CREATE TABLE tally (
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (kind, state)
);
