-- The to-do list of the process managers, and what the workers must remember.

CREATE SCHEMA work;
GRANT USAGE ON SCHEMA work TO eulermaker_service;

-- How far each process manager has followed the log.
CREATE TABLE work.processes (
    name     text PRIMARY KEY,
    position bigint NOT NULL
);

-- Effects not done yet. Ordered per stream by (position, index); timers order nothing.
CREATE TABLE work.effects (
    effect_id      text PRIMARY KEY,
    tenant         text NOT NULL,
    stream         text NOT NULL,
    position       bigint NOT NULL,
    index          integer NOT NULL,
    correlation_id text NOT NULL,
    payload        bytea NOT NULL,
    timer          boolean NOT NULL,
    due_at         timestamptz NOT NULL,
    superseded     boolean NOT NULL DEFAULT false,
    attempts       integer NOT NULL DEFAULT 0,
    owner          text,
    lease_until    timestamptz,
    last_error     text
);
CREATE INDEX effects_by_stream ON work.effects (tenant, stream, position, index) WHERE NOT timer;
CREATE INDEX effects_by_due ON work.effects (due_at, position, index);

-- When each engine was last watched, so that a gap in watching can be told.
CREATE TABLE work.watched (
    engine_id  text PRIMARY KEY,
    watched_at timestamptz NOT NULL
);

-- Image builds under way: they end with the process that runs them, and the next one says so.
CREATE TABLE work.image_builds (
    tenant   text NOT NULL,
    build_id text NOT NULL,
    attempt  integer NOT NULL,
    correlation_id text NOT NULL,
    PRIMARY KEY (tenant, build_id, attempt)
);

-- Names this installation in the labels of what it makes in an engine.
CREATE TABLE work.installation (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id       text NOT NULL
);
INSERT INTO work.installation (id) VALUES (replace(gen_random_uuid()::text, '-', ''));

GRANT SELECT, INSERT, UPDATE, DELETE ON work.processes, work.effects, work.watched,
    work.image_builds
    TO eulermaker_service;
GRANT SELECT ON work.installation TO eulermaker_service;
