DROP TABLE import_requests;
DROP TYPE import_status;
ALTER TABLE field_definitions DROP COLUMN normalization;
ALTER TABLE fields DROP COLUMN normalization;
ALTER TABLE import_quarantine DROP COLUMN task;
DROP TRIGGER fields_referenced ON fields;
DROP TRIGGER documents_referenced ON documents;
DROP FUNCTION refuse_if_field_referenced();
DROP FUNCTION refuse_if_document_referenced();
DROP TRIGGER extractions_fixed ON extractions;
DROP TRIGGER annotations_fixed ON annotations;
DROP TRIGGER extractions_references ON extractions;
DROP TRIGGER annotations_references ON annotations;
DROP TRIGGER annotation_events_references ON annotation_events;
DROP FUNCTION check_references();
ALTER TABLE extractions
    ADD CONSTRAINT extractions_document_id_fkey FOREIGN KEY (document_id) REFERENCES documents ON DELETE RESTRICT,
    ADD CONSTRAINT extractions_field_fkey FOREIGN KEY (field) REFERENCES fields;
ALTER TABLE annotations
    ADD CONSTRAINT annotations_document_id_fkey FOREIGN KEY (document_id) REFERENCES documents ON DELETE RESTRICT,
    ADD CONSTRAINT annotations_field_fkey FOREIGN KEY (field) REFERENCES fields,
    ADD CONSTRAINT annotations_event_position_fkey FOREIGN KEY (event_position) REFERENCES annotation_events;
ALTER TABLE annotation_events
    ADD CONSTRAINT annotation_events_document_id_fkey FOREIGN KEY (document_id) REFERENCES documents ON DELETE RESTRICT,
    ADD CONSTRAINT annotation_events_field_fkey FOREIGN KEY (field) REFERENCES fields;
