-- no-transaction
-- Documents of one project in the order in which they arrived: ids increase with time.
-- An interrupted build leaves an invalid index: drop it, then migrate again.
CREATE INDEX CONCURRENTLY documents_of_project ON documents (project, id);
