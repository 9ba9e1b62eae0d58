-- no-transaction
-- The queue of reviews, least certain first: a page reads the first predictions of this order instead of all that wait.
CREATE INDEX CONCURRENTLY extractions_confidence ON extractions (coalesce(confidence, -1), document_id, field COLLATE "C");
