-- table --
CREATE TABLE {table} (
    tenant text NOT NULL,
    build_id text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    phase text NOT NULL,
    attempt integer NOT NULL,
    step text,
    package text NOT NULL,
    reason text NOT NULL,
    artifact_count integer NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    changed_at timestamptz NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    created_position bigint NOT NULL,
    spec json NOT NULL,
    base_image text NOT NULL,
    attempts json NOT NULL,
    PRIMARY KEY (tenant, build_id)
)

-- indexes --
CREATE INDEX ON {table} (tenant, created_position);
CREATE INDEX ON {table} (tenant, name text_pattern_ops);
CREATE INDEX ON {table} (tenant, phase, created_position);
CREATE INDEX ON {table} (tenant, build_id) WHERE phase IN ('resolving', 'preparing', 'building')

-- reporting_builds --
SELECT tenant, build_id, name, kind, phase, attempt, step, package, reason, artifact_count,
    created_at, created_by, started_at, ended_at, changed_at, base_image, position
FROM {table}

-- reporting_build_steps --
SELECT b.tenant, b.build_id, b.name, a.attempt, s.step, s.round, s.engine_name, s.image_id,
    s.started_at, s.finished_at, s.exit_code, s.out_of_memory,
    (s.log ->> 'size')::bigint AS log_bytes
FROM {table} b
CROSS JOIN LATERAL json_to_recordset(b.attempts) AS a (attempt integer, steps json)
CROSS JOIN LATERAL json_to_recordset(a.steps) AS s (
    step text, round integer, engine_name text, image_id text, started_at timestamptz,
    finished_at timestamptz, exit_code integer, out_of_memory boolean, log json
)

-- reporting_build_artifacts --
SELECT b.tenant, b.build_id, b.name, b.package, a.attempt, f.kind,
    f.name AS file_name, f.digest, f.size AS size_bytes
FROM {table} b
CROSS JOIN LATERAL json_to_recordset(b.attempts) AS a (attempt integer, artifacts json)
CROSS JOIN LATERAL json_to_recordset(a.artifacts) AS f (
    name text, kind text, digest text, size bigint
)

-- list --
SELECT {columns} FROM read_models.builds
WHERE tenant = %(tenant)s AND created_position < %(before)s
    AND (%(phase)s::text IS NULL OR phase = %(phase)s)
    AND (%(name)s::text IS NULL OR name ^@ %(name)s)
ORDER BY created_position DESC LIMIT %(limit)s

-- get --
SELECT {columns} FROM read_models.builds
WHERE tenant = %(tenant)s AND build_id = %(id)s

-- stepping --
SELECT tenant, build_id FROM read_models.builds
WHERE phase IN ('resolving', 'preparing', 'building') AND kind = 'rpm'
    AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
ORDER BY tenant, build_id
