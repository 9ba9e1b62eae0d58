DROP INDEX IF EXISTS document_words;
