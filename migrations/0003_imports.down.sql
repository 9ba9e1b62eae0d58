DROP TABLE import_quarantine;
DROP TABLE imports;
