-- Reports: views of one tenant's rows for a role that can read them and nothing else.

-- Which tenant a role sees, by the name it logged in with: SET ROLE does not change that.
CREATE TABLE reporting.readers (
    role text NOT NULL,
    tenant text NOT NULL,
    PRIMARY KEY (role, tenant)
);
INSERT INTO reporting.readers (role, tenant) VALUES ('eulermaker_reporting', 'default');
GRANT SELECT ON reporting.readers TO eulermaker_service;
GRANT USAGE ON SCHEMA reporting TO eulermaker_reporting;

-- PostgreSQL lets everybody make temporary tables and large objects. Only the database's owner or
-- a superuser can take that away: for anybody else the blocks below change nothing.
RESET ROLE;

DO $$
BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO eulermaker_service', current_database());
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'Temporary tables stay open to every role of this database.';
END;
$$;

DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
            AND (proname LIKE 'lo\_%' OR proname IN ('lowrite', 'loread'))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'Large objects stay open to every role of this database.';
END;
$$;

SET LOCAL ROLE eulermaker_owner;

-- How far the reports are: what a row shows is as of its projection's position.
CREATE VIEW reporting.projections AS
SELECT name, version, position, changed_at, error FROM read_models.projections
WHERE state = 'active';
GRANT SELECT ON reporting.projections TO eulermaker_reporting;
