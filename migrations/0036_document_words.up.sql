-- no-transaction
-- Words of file name, id and metadata, for the search. Punctuation separates words; the rest does not depend on the collation. The search repeats this expression.
-- An interrupted build leaves an invalid index: drop it, then migrate again.
CREATE INDEX CONCURRENTLY document_words ON documents USING gin (to_tsvector('simple', regexp_replace(left(coalesce(file_name, '') || ' ' || project || ' ' || task_id || ' ' || metadata::text, 20000), '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00BF]+', ' ', 'g')));
