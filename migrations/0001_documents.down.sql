DROP TABLE document_splits;
DROP TABLE document_texts;
DROP TABLE documents;
DROP FUNCTION refuse_change();
DROP TYPE split;
DROP FUNCTION next_position();
DROP SEQUENCE positions;
