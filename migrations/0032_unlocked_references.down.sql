COMMENT ON FUNCTION check_references() IS NULL;
COMMENT ON FUNCTION refuse_if_document_referenced() IS NULL;
COMMENT ON FUNCTION refuse_if_field_referenced() IS NULL;
