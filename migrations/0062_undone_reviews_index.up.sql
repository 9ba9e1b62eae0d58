-- no-transaction
-- Fields that wait without a prediction, which come first in that order. There are few: their review was undone.
CREATE INDEX CONCURRENTLY annotations_undone ON annotations (document_id, field COLLATE "C")
    WHERE review_status = 'UNREVIEWED' AND predicted_value IS NULL AND event_position IS NOT NULL;
