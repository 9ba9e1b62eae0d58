-- check_references() replaces foreign keys without their lock on the referenced row. State it where somebody who changes the tables looks.

COMMENT ON FUNCTION check_references() IS 'Looks up the documents and fields of new rows, but does not lock them, as a foreign key would. Right only because documents and fields are never deleted: an erasure keeps the row of its document. Before rows of these tables are deleted, this function must lock them (FOR KEY SHARE)';
COMMENT ON FUNCTION refuse_if_document_referenced() IS 'Refuses to delete a document that rows refer to. A row that another transaction inserts at the same time is not seen: see check_references()';
COMMENT ON FUNCTION refuse_if_field_referenced() IS 'Refuses to delete a field that rows refer to. A row that another transaction inserts at the same time is not seen: see check_references()';
