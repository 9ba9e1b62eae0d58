ALTER TABLE annotations DROP COLUMN occurred_at;
ALTER TABLE annotation_events DROP COLUMN note, DROP COLUMN actor;
DROP TABLE field_definitions;
DROP TABLE document_details;
