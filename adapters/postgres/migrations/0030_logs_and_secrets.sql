-- Logs of containers and builds, and secret values outside the event log. Both can be erased.

CREATE SCHEMA logs;

-- How far each log has come; its row is the lock under which the log grows.
CREATE TABLE logs.subjects (
    tenant        text        NOT NULL,
    subject       text        NOT NULL,
    next_sequence bigint      NOT NULL DEFAULT 0,
    next_offset   bigint      NOT NULL DEFAULT 0,
    closed        boolean     NOT NULL DEFAULT false,
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, subject)
) WITH (fillfactor = 50);

-- The pieces. A log has no gaps, so where a chunk ends identifies it, and one index serves all.
-- content is set for small chunks only; the bytes of the others are in the blob store.
CREATE TABLE logs.chunks (
    tenant     text    NOT NULL,
    subject    text    NOT NULL,
    end_offset bigint  NOT NULL,
    sequence   bigint  NOT NULL,
    stream     text    NOT NULL CHECK (stream IN ('stdout', 'stderr')),
    size       integer NOT NULL CHECK (size > 0),
    digest     bytea   NOT NULL CHECK (octet_length(digest) = 32),
    content    bytea,
    PRIMARY KEY (tenant, subject, end_offset)
);

-- Finds out, when a log is erased, whether another log of the tenant has the same blob.
CREATE INDEX chunks_by_blob ON logs.chunks (tenant, digest) WHERE content IS NULL;

-- Append consecutive chunks, leaving out those that are there already.
-- outcome: 'appended', 'closed', or 'conflict' when they do not continue the log.
CREATE FUNCTION logs.append(
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
        outcome := 'appended';
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

CREATE SCHEMA secrets;

-- Encrypted values. wrapped_key is the value's own key, encrypted by the key named key_id.
CREATE TABLE secrets.vault (
    tenant      text        NOT NULL,
    reference   text        NOT NULL,
    key_id      text        NOT NULL,
    wrapped_key bytea       NOT NULL,
    ciphertext  bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, reference)
);

-- Finds what a change of the wrapping key still has to rewrap.
CREATE INDEX vault_by_key ON secrets.vault (key_id);

GRANT USAGE ON SCHEMA logs, secrets TO eulermaker_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON logs.subjects TO eulermaker_service;
GRANT SELECT, INSERT, DELETE ON logs.chunks TO eulermaker_service;
GRANT EXECUTE ON FUNCTION logs.append TO eulermaker_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON secrets.vault TO eulermaker_service;
