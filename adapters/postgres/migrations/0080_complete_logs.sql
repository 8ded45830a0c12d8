-- Until when a log is complete, so that readers of a container's log know the end of a run.
ALTER TABLE logs.subjects ADD COLUMN complete_until timestamptz;
