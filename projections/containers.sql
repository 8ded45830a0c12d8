-- table --
CREATE TABLE {table} (
    tenant text NOT NULL,
    container_id text NOT NULL,
    name text NOT NULL,
    image text NOT NULL,
    status text NOT NULL,
    exit_code integer,
    out_of_memory boolean NOT NULL,
    failure text,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    changed_at timestamptz NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    created_position bigint NOT NULL,
    spec json NOT NULL,
    policy json NOT NULL,
    limits json NOT NULL,
    generation bigint NOT NULL,
    operations json NOT NULL,
    engine_id text,
    engine_name text,
    image_id text,
    secrets_erased boolean NOT NULL,
    PRIMARY KEY (tenant, container_id)
)

-- indexes --
CREATE INDEX ON {table} (tenant, created_position);
CREATE INDEX ON {table} (tenant, name text_pattern_ops);
CREATE INDEX ON {table} (tenant, status, created_position);
CREATE INDEX ON {table} (tenant, container_id) WHERE status <> 'removed'

-- reporting_containers --
SELECT tenant, container_id, name, image, status, exit_code, out_of_memory, failure,
    created_at, created_by, started_at, finished_at, changed_at, position,
    (limits ->> 'memory_bytes')::bigint AS memory_bytes,
    (limits ->> 'cpu_millis')::integer AS cpu_millis
FROM {table}

-- list --
SELECT {columns} FROM read_models.containers
WHERE tenant = %(tenant)s AND created_position < %(before)s
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(name)s::text IS NULL OR name ^@ %(name)s)
ORDER BY created_position DESC LIMIT %(limit)s

-- get --
SELECT {columns} FROM read_models.containers
WHERE tenant = %(tenant)s AND container_id = %(id)s

-- named --
SELECT container_id FROM read_models.containers
WHERE tenant = %(tenant)s AND name = %(name)s AND status <> 'removed'
ORDER BY created_position

-- living --
SELECT tenant, container_id, engine_name, status FROM read_models.containers
WHERE status <> 'removed' AND engine_name IS NOT NULL
    AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
ORDER BY tenant, container_id
