-- table --
CREATE TABLE {table} (
    tenant text NOT NULL,
    key_id text NOT NULL,
    role text NOT NULL,
    secret_sha256 text NOT NULL,
    revoked boolean NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    revoked_at timestamptz,
    version bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant, key_id)
)

-- indexes --
CREATE INDEX ON {table} (key_id)

-- find --
SELECT {columns} FROM read_models.keys WHERE key_id = %(id)s

-- list --
SELECT {columns} FROM read_models.keys
WHERE tenant = %(tenant)s ORDER BY created_at, key_id
