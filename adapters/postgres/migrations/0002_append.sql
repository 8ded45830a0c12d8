-- Appends a batch of commands: each is recorded whole, or answered with why not, in its order.
-- No two commands of a batch may share a stream or a command id.
-- outcome: 0 recorded, 1 recorded before (here is its receipt), 2 version conflict, 3 id reused.
-- version: of the stream after the command, or the actual one at a conflict.

CREATE FUNCTION log.append(
    -- one element a command
    tenants text[],
    command_ids text[],
    streams text[],
    expected_versions bigint[], -- -1: any
    fingerprints bytea[],
    statuses text[],
    -- one element an event, in the order of their commands
    event_commands bigint[], -- the number of the event's command, from 1
    event_tenants text[],
    event_streams text[],
    event_ids uuid[],
    types text[],
    schema_versions bigint[],
    bodies bytea[],
    occurred_ats timestamptz[],
    event_command_ids text[],
    correlation_ids text[],
    causation_ids text[],
    actors text[],
    source_addresses text[],
    traceparents text[],
    metadatas text[],
    key_ids text[],
    leaves bytea[],
    OUT outcomes smallint[],
    OUT versions bigint[],
    OUT first_positions bigint[],
    OUT last_positions bigint[],
    OUT replayed_streams text[],
    OUT replayed_statuses text[]
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Plans must not depend on how small the tables once were: always the primary keys.
SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
DECLARE
    head record;
    now_ timestamptz;
    micros bytea;
    position_ bigint;
    chain_ bytea;
    leaf_ bytea;
    command integer;
    i integer := 0;
    -- Filled first: an array that begins at its first assignment would slip beside the others.
    positions bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(leaves)]);
    event_versions bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(leaves)]);
    chains bytea[] := array_fill(NULL::bytea, ARRAY[cardinality(leaves)]);
    grown boolean;
BEGIN
    SELECT h.position, h.recorded_at, h.chain INTO STRICT head FROM log.log_head h FOR UPDATE;
    now_ := greatest(clock_timestamp(), head.recorded_at);
    micros := int8send((extract(epoch FROM now_) * 1000000)::bigint);
    position_ := head.position;
    chain_ := head.chain;

    SELECT
        array_agg((CASE
            WHEN r.fingerprint = c.fingerprint THEN 1
            WHEN r.fingerprint IS NOT NULL THEN 3
            WHEN c.expected NOT IN (-1, coalesce(s.version, 0)) THEN 2
            ELSE 0
        END)::smallint ORDER BY c.number),
        array_agg(coalesce(r.version, s.version, 0) ORDER BY c.number),
        array_agg(coalesce(r.first_position, 0) ORDER BY c.number),
        array_agg(coalesce(r.last_position, 0) ORDER BY c.number),
        array_agg(r.stream ORDER BY c.number),
        array_agg(r.status ORDER BY c.number),
        bool_or(s.version > 0)
    INTO outcomes, versions, first_positions, last_positions,
        replayed_streams, replayed_statuses, grown
    FROM unnest(tenants, command_ids, streams, expected_versions, fingerprints)
        WITH ORDINALITY AS c (tenant, command_id, stream, expected, fingerprint, number)
    LEFT JOIN log.receipts r ON r.tenant = c.tenant AND r.command_id = c.command_id
    LEFT JOIN log.streams s ON s.tenant = c.tenant AND s.stream = c.stream;

    FOREACH leaf_ IN ARRAY leaves LOOP
        i := i + 1;
        command := event_commands[i];
        CONTINUE WHEN outcomes[command] <> 0;
        position_ := position_ + 1;
        versions[command] := versions[command] + 1;
        chain_ := sha256(
            chain_ || int8send(position_) || int8send(versions[command]) || micros || leaf_
        );
        IF first_positions[command] = 0 THEN
            first_positions[command] := position_;
        END IF;
        last_positions[command] := position_;
        positions[i] := position_;
        event_versions[i] := versions[command];
        chains[i] := chain_;
    END LOOP;

    IF position_ > head.position THEN
        INSERT INTO log.events (
            position, tenant, stream, version, event_id, type, schema_version, data, recorded_at,
            occurred_at, command_id, correlation_id, causation_id, actor, source_address,
            traceparent, metadata, key_id, leaf, chain
        )
        SELECT
            e.position, e.tenant, e.stream, e.version, e.event_id, e.type, e.schema_version, e.data,
            now_, e.occurred_at, e.command_id, e.correlation_id, e.causation_id, e.actor,
            e.source_address, e.traceparent, e.metadata, e.key_id, e.leaf, e.chain
        FROM unnest(
            positions, event_tenants, event_streams, event_versions, event_ids, types,
            schema_versions, bodies, occurred_ats, event_command_ids, correlation_ids,
            causation_ids, actors, source_addresses, traceparents, metadatas, key_ids, leaves,
            chains
        ) AS e (
            position, tenant, stream, version, event_id, type, schema_version, data, occurred_at,
            command_id, correlation_id, causation_id, actor, source_address, traceparent,
            metadata, key_id, leaf, chain
        )
        WHERE e.position IS NOT NULL;

        IF grown THEN
            UPDATE log.streams s SET version = c.version
            FROM unnest(tenants, streams, versions, first_positions, outcomes)
                AS c (tenant, stream, version, first_position, outcome)
            WHERE s.tenant = c.tenant AND s.stream = c.stream
                AND c.outcome = 0 AND c.first_position > 0;
        END IF;

        INSERT INTO log.streams (tenant, stream, version)
        SELECT c.tenant, c.stream, c.version
        FROM unnest(tenants, streams, versions, first_positions, last_positions, outcomes)
            AS c (tenant, stream, version, first_position, last_position, outcome)
        WHERE c.outcome = 0 AND c.first_position > 0
            -- every event it ever had is from now
            AND c.version = c.last_position - c.first_position + 1;

        UPDATE log.log_head SET position = position_, recorded_at = now_, chain = chain_;
        PERFORM pg_notify('eulermaker_log', position_::text);
    END IF;

    INSERT INTO log.receipts (
        tenant, command_id, fingerprint, status, stream, version, first_position, last_position
    )
    SELECT
        c.tenant, c.command_id, c.fingerprint, c.status, c.stream, c.version, c.first_position,
        c.last_position
    FROM unnest(
        tenants, command_ids, fingerprints, statuses, streams, versions, first_positions,
        last_positions, outcomes
    ) AS c (
        tenant, command_id, fingerprint, status, stream, version, first_position, last_position,
        outcome
    )
    WHERE c.outcome = 0;
END;
$$;

REVOKE ALL ON FUNCTION log.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.append TO eulermaker_service;
