"""What `verify` asks the database. Each finds at most the first thing that is wrong."""

# A moment after 294246 fits into PostgreSQL's microseconds, which begin in 2000, but not into ours.
PAGE = """
SELECT position, version,
    CASE WHEN recorded_at > '-infinity' AND recorded_at < '294247-01-01 00:00Z'
        THEN (extract(epoch FROM recorded_at) * 1000000)::bigint
    END,
    leaf, chain, hash_version,
    tenant, stream, command_id, correlation_id, causation_id, actor, source_address, traceparent,
    metadata,
    CASE WHEN occurred_at > '-infinity' AND occurred_at < '294247-01-01 00:00Z'
        THEN (extract(epoch FROM occurred_at) * 1000000)::bigint
    END,
    uuid_send(event_id), type, schema_version, key_id, data
FROM log.events WHERE position > %s ORDER BY position LIMIT %s
"""

HEAD_AND_LAST = "SELECT position, chain, (SELECT max(position) FROM log.events) FROM log.log_head"

# Receipts are reckoned with as numeric: a changed one may hold any bigint, and none may overflow.
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
                AND r.status = CASE e.type WHEN 'CommandRefused' THEN 'refused' ELSE 'accepted' END
                AND r.first_position > 0
                AND e.position BETWEEN r.first_position AND r.last_position
                AND e.version = r.version::numeric - r.last_position + e.position
        ) THEN 'receipt'
    END AS kind
    FROM log.events e WHERE e.position > %s AND e.position <= %s
) checked
WHERE kind IS NOT NULL ORDER BY position LIMIT 1
"""

RECEIPTS_BESIDE_EVENTS = """
SELECT r.first_position, r.command_id FROM log.receipts r
WHERE CASE WHEN r.first_position = 0 AND r.last_position = 0
    THEN r.status <> 'accepted'
    ELSE greatest(r.last_position::numeric - r.first_position + 1, 1) <> (
        SELECT count(*) FROM log.events e
        WHERE e.position BETWEEN r.first_position AND r.last_position
            AND e.tenant = r.tenant AND e.command_id = r.command_id AND e.stream = r.stream
    )
END
ORDER BY 1 LIMIT 1
"""

UNGUARDED_TABLES = """
SELECT guarded.name, CASE WHEN t.tgenabled IN ('O', 'A')
    THEN 'is not what the migrations made' ELSE 'is not enabled'
END
FROM (VALUES ('events'), ('receipts')) AS guarded (name)
LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass('log.' || guarded.name)
    AND t.tgname = guarded.name || '_never_change'
LEFT JOIN pg_proc p ON p.oid = t.tgfoid
WHERE (
    t.tgenabled IN ('O', 'A')
    AND t.tgtype = 2 + 8 + 16 + 32 -- before DELETE, UPDATE, TRUNCATE; once a statement
    AND t.tgattr::text = '' AND t.tgqual IS NULL -- of all columns, always
    AND sha256(convert_to(p.prosrc, 'UTF8')) -- of log.refuse_change
        = '\\xad329bc6bdfab21eddbcd33f8cb6f09bf14650d39ced55b8c50ff3b9e587b61f'
) IS NOT TRUE
ORDER BY 1
"""
