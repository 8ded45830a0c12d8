"""What `verify` asks the database. Each finds at most the first thing that is wrong."""

PAGE = """
SELECT position, version,
    CASE WHEN isfinite(recorded_at) THEN (extract(epoch FROM recorded_at) * 1000000)::bigint END,
    leaf, chain, hash_version,
    tenant, stream, command_id, correlation_id, causation_id, actor, source_address, traceparent,
    metadata,
    CASE WHEN isfinite(occurred_at) THEN (extract(epoch FROM occurred_at) * 1000000)::bigint END,
    uuid_send(event_id), type, schema_version, key_id, data
FROM log.events WHERE position > %s ORDER BY position LIMIT %s
"""

HEAD_AND_LAST = "SELECT position, chain, (SELECT max(position) FROM log.events) FROM log.log_head"

EVENTS_BESIDE_THEIR_RECORDS = """
SELECT position, kind FROM (
    SELECT e.position, CASE
        WHEN e.version <> 1 AND NOT EXISTS (
            SELECT FROM log.events p
            WHERE p.tenant = e.tenant AND p.stream = e.stream AND p.version = e.version - 1
                AND p.position < e.position
        ) THEN 'version'
        WHEN NOT EXISTS (
            SELECT FROM log.receipts r
            WHERE r.tenant = e.tenant AND r.command_id = e.command_id AND r.stream = e.stream
                AND e.position BETWEEN r.first_position AND r.last_position
                AND e.version = r.version - (r.last_position - e.position)
        ) THEN 'receipt'
    END AS kind
    FROM log.events e WHERE e.position > %s AND e.position <= %s
) checked
WHERE kind IS NOT NULL ORDER BY position LIMIT 1
"""

RECEIPTS_BESIDE_EVENTS = """
SELECT r.first_position, r.command_id FROM log.receipts r
WHERE r.first_position > 0 AND r.last_position - r.first_position + 1 <> (
    SELECT count(*) FROM log.events e
    WHERE e.position BETWEEN r.first_position AND r.last_position
        AND e.tenant = r.tenant AND e.command_id = r.command_id AND e.stream = r.stream
)
ORDER BY 1 LIMIT 1
"""

GUARDS_AWAY = """
SELECT guarded.name FROM (VALUES ('events', 'events_never_change'),
    ('receipts', 'receipts_never_change')) AS guarded (name, guard)
WHERE NOT EXISTS (
    SELECT FROM pg_trigger t
    WHERE t.tgrelid = to_regclass('log.' || guarded.name) AND t.tgname = guarded.guard
        AND t.tgenabled IN ('O', 'A')
)
ORDER BY 1
"""
