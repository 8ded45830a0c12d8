-- The log: what happened, who asked for it, and the hash chain over both. Rows are only added.

CREATE TABLE log.events (
    position bigint PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    event_id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    schema_version integer NOT NULL,
    data bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    correlation_id text COLLATE "C" NOT NULL,
    causation_id text COLLATE "C",
    actor text COLLATE "C" NOT NULL,
    source_address text COLLATE "C",
    traceparent text COLLATE "C",
    metadata text COLLATE "C" NOT NULL, -- JSON text: its exact bytes are hashed, so never jsonb
    hash_version smallint NOT NULL DEFAULT 1,
    key_id text COLLATE "C",
    leaf bytea NOT NULL,
    chain bytea NOT NULL,
    UNIQUE (stream, tenant, version)
);

CREATE INDEX events_by_tenant ON log.events (tenant, position);

-- What became of each command. A command without events has first_position 0.
CREATE TABLE log.receipts (
    tenant text COLLATE "C" NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    status text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    PRIMARY KEY (command_id, tenant)
);

-- The end of the log. Its only row is the lock that puts appends in order.
CREATE TABLE log.log_head (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    chain bytea NOT NULL
) WITH (fillfactor = 10);

INSERT INTO log.log_head (position, recorded_at, chain)
VALUES (0, '-infinity', decode(repeat('00', 32), 'hex'));

CREATE FUNCTION log.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: the past does not change',
        tg_op, tg_table_schema, tg_table_name
        USING ERRCODE = 'insufficient_privilege';
END;
$$;

CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

CREATE TRIGGER receipts_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.receipts
FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

GRANT USAGE ON SCHEMA log TO eulermaker_service;
GRANT SELECT ON log.events, log.receipts, log.log_head TO eulermaker_service;
