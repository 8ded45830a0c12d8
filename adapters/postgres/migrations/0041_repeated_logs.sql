-- Append consecutive chunks, leaving out those that are there already. Chunks that are all there
-- must be the same: two writers may have cut one log in different places.
-- outcome: 'appended', 'closed', or 'conflict' when they do not continue the log.
CREATE OR REPLACE FUNCTION logs.append(
    p_tenant         text,
    p_subject        text,
    p_first_sequence bigint,
    p_first_offset   bigint,
    p_streams        text[],
    p_sizes          integer[],
    p_digests        bytea[],
    p_contents       bytea[],
    OUT outcome       text,
    OUT next_sequence bigint
) LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    v_log   logs.subjects;
    v_known bigint;
    v_start bigint;
    v_end   bigint;
BEGIN
    INSERT INTO logs.subjects (tenant, subject) VALUES (p_tenant, p_subject)
        ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT v_log FROM logs.subjects s
        WHERE s.tenant = p_tenant AND s.subject = p_subject FOR UPDATE;

    next_sequence := v_log.next_sequence;
    v_known := v_log.next_sequence - p_first_sequence;
    IF v_known >= cardinality(p_sizes) THEN
        outcome := CASE WHEN EXISTS (
            SELECT FROM logs.chunks c
            WHERE c.tenant = p_tenant AND c.subject = p_subject
                AND c.end_offset = p_first_offset + (SELECT sum(size) FROM unnest(p_sizes) AS size)
                AND c.sequence = p_first_sequence + cardinality(p_sizes) - 1
                AND c.digest = p_digests[cardinality(p_digests)]
        ) THEN 'appended' ELSE 'conflict' END;
        RETURN;
    END IF;
    IF v_log.closed THEN
        outcome := 'closed';
        RETURN;
    END IF;
    SELECT p_first_offset + coalesce(sum(t.size) FILTER (WHERE t.n <= v_known), 0),
           p_first_offset + sum(t.size)
        INTO v_start, v_end
        FROM unnest(p_sizes) WITH ORDINALITY AS t (size, n);
    IF v_known < 0 OR v_start <> v_log.next_offset THEN
        outcome := 'conflict';
        RETURN;
    END IF;

    INSERT INTO logs.chunks (tenant, subject, end_offset, sequence, stream, size, digest, content)
    SELECT p_tenant, p_subject, t.end_offset, p_first_sequence + t.n - 1,
           t.stream, t.size, t.digest, nullif(t.content, ''::bytea)
        FROM (
            SELECT u.*, p_first_offset + sum(u.size) OVER (ORDER BY u.n) AS end_offset
            FROM unnest(p_streams, p_sizes, p_digests, p_contents)
                WITH ORDINALITY AS u (stream, size, digest, content, n)
        ) AS t
        WHERE t.n > v_known;

    next_sequence := p_first_sequence + cardinality(p_sizes);
    UPDATE logs.subjects s
        SET next_sequence = append.next_sequence, next_offset = v_end,
            changed_at = clock_timestamp()
        WHERE s.tenant = p_tenant AND s.subject = p_subject;
    outcome := 'appended';
END $$;
