-- Row-level security by tenant: a session sees and changes the rows of the tenant that it states in
-- the setting eulermaker.tenant, those of every tenant where it states '*', else none.
--
-- This catches our own mistakes, such as a query without its WHERE tenant: whoever may log in may
-- state what it likes. See docs/decisions/0008-tenants.md.

-- A scalar subselect is evaluated once a statement; the setting itself would be once a row.
-- The planner takes IS NOT NULL to hold for nearly all rows, which is right: queries name their
-- tenant, too. An equality here would count that tenant's share twice, and spoil their plans.
CREATE FUNCTION access.isolate_tenants(isolated regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', isolated);
    EXECUTE format(
        $policy$
            CREATE POLICY stated_tenant ON %s USING (
                CASE (SELECT current_setting('eulermaker.tenant', true))
                    WHEN tenant THEN true
                    WHEN '*' THEN true
                END IS NOT NULL
            )
        $policy$,
        isolated
    );
END;
$$;

-- Their owner passes: the function that appends, backups, and these migrations.
SELECT access.isolate_tenants(isolated)
FROM unnest(ARRAY[
    'log.events', 'log.receipts', 'work.effects', 'work.image_builds', 'logs.subjects',
    'logs.chunks', 'secrets.vault', 'access.identities', 'reporting.readers'
]::regclass[]) AS isolated;

-- Otherwise a view reads with its owner's rights, whom nothing is hidden from.
ALTER VIEW log.library_events SET (security_invoker = true);

-- Who reads reports states no tenant: it is told by the name that was logged in with.
CREATE POLICY own_rows ON reporting.readers FOR SELECT USING (role = session_user);

CREATE FUNCTION reporting.tenants_of_reader() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN (SELECT array_agg(r.tenant) FROM reporting.readers r WHERE r.role = session_user);

-- The tables of read models are made by the service, which owns them: hence FORCE. It calls this
-- for each that it makes, and when it starts for those that were made before this migration.
CREATE FUNCTION read_models.isolate_tables() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    isolated regclass;
BEGIN
    FOR isolated IN
        SELECT c.oid FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
        WHERE c.relnamespace = 'read_models'::regnamespace AND c.relkind = 'r'
            AND NOT c.relrowsecurity
    LOOP
        PERFORM access.isolate_tenants(isolated);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', isolated);
        EXECUTE format(
            $policy$
                CREATE POLICY reports ON %s FOR SELECT USING (
                    tenant = ANY ((SELECT reporting.tenants_of_reader())::text[])
                )
            $policy$,
            isolated
        );
    END LOOP;
END;
$$;
