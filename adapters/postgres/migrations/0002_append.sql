-- Appends a batch of commands: each is recorded whole, or answered with why not, in its order.
-- No two commands of a batch may share a stream or a command id.
-- outcome: 0 recorded, 1 recorded before (here is its receipt), 2 version conflict, 3 id reused.
-- version: of the stream after the command, or the actual one at a conflict.
--
-- Arrays are read by their subscripts, which costs nothing: plpgsql keeps them expanded. To unnest
-- them side by side would write each into a tuple store of its own.

CREATE FUNCTION log.append(
    -- one element a command
    tenants text[],
    command_ids text[],
    streams text[],
    expected_versions bigint[], -- -1: any
    fingerprints bytea[],
    statuses text[],
    occurred_ats timestamptz[],
    correlation_ids text[],
    causation_ids text[],
    actors text[],
    source_addresses text[],
    traceparents text[],
    metadatas text[],
    -- one element an event, in the order of their commands
    event_commands bigint[], -- the number of the event's command, from 1
    event_ids uuid[],
    types text[],
    schema_versions bigint[],
    bodies bytea[],
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
    commands integer := cardinality(command_ids);
    head record;
    now_ timestamptz;
    micros bytea;
    position_ bigint;
    version_ bigint;
    chain_ bytea;
    leaf_ bytea;
    command integer := 0;
    i integer := 0;
    -- Filled first: an array that begins at its first assignment would slip beside the others.
    positions bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(leaves)]);
    event_versions bigint[] := positions;
    chains bytea[] := array_fill(NULL::bytea, ARRAY[cardinality(leaves)]);
BEGIN
    SELECT h.position, h.recorded_at, h.chain INTO STRICT head FROM log.log_head h FOR UPDATE;
    now_ := greatest(clock_timestamp(), head.recorded_at);
    micros := int8send((extract(epoch FROM now_) * 1000000)::bigint);
    position_ := head.position;
    chain_ := head.chain;

    SELECT
        array_agg((CASE
            WHEN fingerprint IS NULL THEN
                CASE WHEN expected IN (-1, version) THEN 0 ELSE 2 END
            WHEN fingerprint = fingerprints[number] THEN 1
            ELSE 3
        END)::smallint),
        array_agg(coalesce(receipt_version, version)),
        array_agg(coalesce(first_position, 0)),
        array_agg(coalesce(last_position, 0)),
        array_agg(stream),
        array_agg(status)
    INTO outcomes, versions, first_positions, last_positions, replayed_streams, replayed_statuses
    FROM (
        SELECT
            c.number, expected_versions[c.number] AS expected, r.fingerprint,
            r.version AS receipt_version, r.first_position, r.last_position, r.stream, r.status,
            coalesce((
                SELECT e.version FROM log.events e
                WHERE e.stream = streams[c.number] AND e.tenant = tenants[c.number]
                ORDER BY e.version DESC LIMIT 1
            ), 0) AS version
        FROM generate_series(1, commands) AS c (number)
        LEFT JOIN log.receipts r
            ON r.command_id = command_ids[c.number] AND r.tenant = tenants[c.number]
        ORDER BY c.number
    ) AS found;

    FOREACH leaf_ IN ARRAY leaves LOOP
        i := i + 1;
        IF event_commands[i] <> command THEN
            command := event_commands[i];
            version_ := versions[command];
            IF outcomes[command] = 0 THEN
                first_positions[command] := position_ + 1;
            END IF;
        END IF;
        CONTINUE WHEN outcomes[command] <> 0;
        position_ := position_ + 1;
        version_ := version_ + 1;
        chain_ := sha256(
            chain_ || int8send(position_) || int8send(version_) || micros || leaf_
        );
        versions[command] := version_;
        last_positions[command] := position_;
        positions[i] := position_;
        event_versions[i] := version_;
        chains[i] := chain_;
    END LOOP;

    IF position_ > head.position THEN
        INSERT INTO log.events (
            position, tenant, stream, version, event_id, type, schema_version, data, recorded_at,
            occurred_at, command_id, correlation_id, causation_id, actor, source_address,
            traceparent, metadata, key_id, leaf, chain
        )
        SELECT
            positions[n], tenants[c], streams[c], event_versions[n], event_ids[n], types[n],
            schema_versions[n], bodies[n], now_, occurred_ats[c], command_ids[c],
            correlation_ids[c], causation_ids[c], actors[c], source_addresses[c], traceparents[c],
            metadatas[c], key_ids[n], leaves[n], chains[n]
        FROM unnest(event_commands) WITH ORDINALITY AS e (c, n)
        WHERE positions[n] IS NOT NULL;

        UPDATE log.log_head SET position = position_, recorded_at = now_, chain = chain_;
        PERFORM pg_notify('eulermaker_log', position_::text);
    END IF;

    INSERT INTO log.receipts (
        tenant, command_id, fingerprint, status, stream, version, first_position, last_position
    )
    SELECT
        tenants[c], command_ids[c], fingerprints[c], statuses[c], streams[c], versions[c],
        first_positions[c], last_positions[c]
    FROM generate_series(1, commands) AS c
    WHERE outcomes[c] = 0;
END;
$$;

REVOKE ALL ON FUNCTION log.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.append TO eulermaker_service;
