-- table --
CREATE TABLE {table} (
    tenant text NOT NULL,
    command_id text NOT NULL,
    first_position bigint NOT NULL,
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor text NOT NULL,
    source_address text,
    command text NOT NULL,
    target text NOT NULL,
    outcome text NOT NULL,
    detail text NOT NULL,
    events json NOT NULL,
    correlation_id text NOT NULL,
    causation_id text,
    PRIMARY KEY (tenant, command_id)
)

-- indexes --
CREATE INDEX ON {table} (tenant, first_position);
CREATE INDEX ON {table} (tenant, recorded_at);
CREATE INDEX ON {table} (tenant, actor, first_position);
CREATE INDEX ON {table} (tenant, target, first_position);
CREATE INDEX ON {table} (tenant, command, first_position);
CREATE INDEX ON {table} (tenant, outcome, first_position) WHERE outcome <> 'accepted'

-- reporting_audit --
SELECT tenant, first_position, recorded_at, occurred_at, actor, source_address, command, target,
    outcome, detail, command_id, correlation_id, causation_id
FROM {table}

-- list --
SELECT {columns} FROM read_models.audit
WHERE tenant = %(tenant)s AND first_position < %(before)s
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(target)s::text IS NULL OR target = %(target)s)
    AND (%(command)s::text IS NULL OR command = %(command)s)
    AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
    AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
ORDER BY first_position DESC LIMIT %(limit)s
