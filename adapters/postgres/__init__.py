"""The log and everything else that lives in PostgreSQL.

Writing: `PostgresEventStore.append` -> `writer` (batches) -> `append_call` -> `log.append` or
`log.append_one` (SQL functions, see `migrations/`). `recorder` is the same log's door for the
`eventsourcing` library.
Reading: `event_store` (streams, pages), `tail` (new events as they come), `verify` (the proof).
`tenants` are the connections, each of which sees the rows of the tenant that it states.
`migrate` makes and upgrades all of it. The mechanisms are in docs/decisions/0001-the-log.md
and 0008-tenants.md.
"""
