-- The log as the `eventsourcing` library sees its own table. It may count versions from 0, which
-- the metadata of such events says; ours count from 1.

CREATE VIEW log.library_events AS
SELECT
    position AS notification_id,
    tenant,
    stream AS originator_id,
    version - 1 + coalesce((metadata::json ->> 'first_version')::bigint, 1) AS originator_version,
    CASE schema_version WHEN 1 THEN type ELSE type || '@' || schema_version END AS topic,
    data AS state
FROM log.events;

GRANT SELECT ON log.library_events TO eulermaker_service;
