-- Read models: derived from the log, so the service may do with them what it likes. Each version
-- of each has a table of its own, made by the service; here is only the list of them.

CREATE SCHEMA read_models;
CREATE SCHEMA reporting;
GRANT USAGE, CREATE ON SCHEMA read_models, reporting TO eulermaker_service;

-- position: every event up to it is in the rows, and none after it.
-- version counts rebuilds; code_version is the program's name for how its rows are made.
CREATE TABLE read_models.projections (
    name text NOT NULL,
    version integer NOT NULL,
    code_version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('building', 'ready', 'active', 'retired')),
    position bigint NOT NULL DEFAULT 0,
    -- Become active by itself when it is ready: the rows that are active are of an older program.
    switch_when_ready boolean NOT NULL DEFAULT false,
    error text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, version)
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX projections_active ON read_models.projections (name) WHERE state = 'active';

-- What to do with an event that cannot be projected; a name without a row skips it.
CREATE TABLE read_models.policies (
    name text PRIMARY KEY,
    on_poison text NOT NULL CHECK (on_poison IN ('stop', 'skip'))
);

-- Events that could not be projected, and why.
CREATE TABLE read_models.dead_letters (
    name text NOT NULL,
    version integer NOT NULL,
    position bigint NOT NULL,
    type text NOT NULL,
    error text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, version, position),
    FOREIGN KEY (name, version) REFERENCES read_models.projections ON DELETE CASCADE
);

GRANT SELECT, INSERT, UPDATE, DELETE
    ON read_models.projections, read_models.policies, read_models.dead_letters
    TO eulermaker_service;
