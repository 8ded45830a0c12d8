-- Whose secret it is: what nobody's events name is swept, and what is gone is erased.

-- The stream that was to name it; '' where no event does. NULL: put by a program that did not say.
ALTER TABLE secrets.vault ADD COLUMN owner text;

UPDATE secrets.vault AS v SET owner = named.stream
FROM (
    SELECT e.tenant, e.stream, found.reference[1] AS reference
    FROM log.events AS e,
        regexp_matches(encode(e.data, 'escape'), 'secret-[0-9a-f]{32}', 'g') AS found (reference)
    WHERE e.type = 'ContainerRequested'
) AS named
WHERE v.tenant = named.tenant AND v.reference = named.reference;

UPDATE secrets.vault SET owner = ''
WHERE owner IS NULL AND created_at < clock_timestamp() - interval '1 day';
