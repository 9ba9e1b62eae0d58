ALTER TABLE annotation_events DROP CONSTRAINT event_status_fits_value;
-- what was erased stays erased: rows that the old rule refuses are not looked at
ALTER TABLE annotation_events ADD CONSTRAINT event_status_fits_value CHECK (CASE review_status
    WHEN 'OK' THEN value <> '{}' WHEN 'CORRECTED' THEN value <> '{}' WHEN 'NEW' THEN value <> '{}'
    WHEN 'REJECTED' THEN value = '{}' WHEN 'MISSING' THEN value = '{}' ELSE true END) NOT VALID;
ALTER TABLE annotation_events DROP COLUMN erased;
DROP TRIGGER document_texts_append_only ON document_texts;
DROP TRIGGER document_details_append_only ON document_details;
DROP TRIGGER annotation_events_append_only ON annotation_events;
CREATE TRIGGER document_texts_append_only BEFORE UPDATE OR DELETE ON document_texts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER document_details_append_only BEFORE UPDATE OR DELETE ON document_details FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER annotation_events_append_only BEFORE UPDATE OR DELETE ON annotation_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
DROP FUNCTION refuse_change_but_erasure();
ALTER TABLE datasets DROP COLUMN erased_at;
DROP TABLE erasures;
