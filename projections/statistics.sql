-- table --
CREATE TABLE {table} (
    tenant text NOT NULL,
    hour timestamptz NOT NULL,
    type text NOT NULL,
    count bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant, hour, type)
)

-- reporting_events_per_hour --
SELECT tenant, hour, type, count FROM {table}

-- list --
SELECT {columns} FROM read_models.statistics
WHERE tenant = %(tenant)s
    AND (%(since)s::timestamptz IS NULL OR hour >= date_trunc('hour', %(since)s::timestamptz))
    AND (%(until)s::timestamptz IS NULL OR hour < %(until)s::timestamptz)
ORDER BY hour, type
