DROP INDEX IF EXISTS documents_of_project;
