-- the vendor part of the trace context that a run continues; `trace_parent` has the ids
ALTER TABLE training_runs
    ADD COLUMN trace_state text CHECK (octet_length(trace_state) <= 512);
COMMENT ON COLUMN training_runs.trace_state IS 'W3C tracestate of the request that created the run; null = none';
