-- When each background task of the servers last succeeded, for readiness, metrics and explanations.

CREATE TABLE background_tasks (
    name                  text PRIMARY KEY CHECK (name ~ '^[a-z_]{1,40}$'),
    overdue_after_seconds double precision NOT NULL CHECK (overdue_after_seconds > 0),
    succeeded_at          timestamptz,
    failed_at             timestamptz,
    error                 text CHECK (length(error) BETWEEN 1 AND 2000),
    CONSTRAINT a_failure_has_a_text CHECK ((failed_at IS NULL) = (error IS NULL))
);
COMMENT ON TABLE background_tasks IS 'Last success and last failure of each background task, over all servers; derived, may be emptied';
COMMENT ON COLUMN background_tasks.overdue_after_seconds IS 'Time without a success after which the task counts as overdue';
COMMENT ON COLUMN background_tasks.succeeded_at IS 'End of the last successful round on any server; NULL: none yet';
COMMENT ON COLUMN background_tasks.failed_at IS 'When a server last found the task failing; an older time than succeeded_at is history';
