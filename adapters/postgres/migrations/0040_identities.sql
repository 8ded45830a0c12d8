-- What opaque ids are called. Personal data stands here and never in an event, so that it can be
-- erased while the log stays as it is.

CREATE SCHEMA access;

-- subject: an actor as events name it (`key:<id>`).
CREATE TABLE access.identities (
    tenant     text        NOT NULL,
    subject    text        NOT NULL,
    label      text        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, subject)
);

GRANT USAGE ON SCHEMA access TO eulermaker_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON access.identities TO eulermaker_service;
