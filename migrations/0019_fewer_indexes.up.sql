-- Two indexes that took as long to keep up, when many rows came at once, as the rows themselves.

-- No statement needs this one: what asks for events by field alone asks for one of them, which the others find, or for a large part of all.
DROP INDEX annotation_events_field;

-- What is looked for by field and status is what waits for review, in the order of documents.
DROP INDEX annotations_field_status;
CREATE INDEX annotations_unreviewed ON annotations (field, document_id) WHERE review_status = 'UNREVIEWED';
