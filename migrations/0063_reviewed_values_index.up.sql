-- no-transaction
-- Number of reviewed documents of each field, counted without reading the rows.
CREATE INDEX CONCURRENTLY annotations_reviewed ON annotations (field, document_id) WHERE accepted_value IS NOT NULL;
