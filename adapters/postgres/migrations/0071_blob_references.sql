-- Which blobs the log speaks of; how far the log was read for it stands in work.processes.

CREATE TABLE work.blob_references (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32)
);

GRANT SELECT, INSERT ON work.blob_references TO eulermaker_service;
