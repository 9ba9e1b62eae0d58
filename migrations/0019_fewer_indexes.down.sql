DROP INDEX annotations_unreviewed;
CREATE INDEX annotations_field_status ON annotations (field, review_status);
CREATE INDEX annotation_events_field ON annotation_events (field, document_id);
