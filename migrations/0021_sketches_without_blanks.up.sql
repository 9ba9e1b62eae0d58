-- Shingles now compare composed texts (NFC), keep marks and soft hyphens within their words, and take characters as words in scripts
-- without blanks. Sketches of texts to which this makes a difference are deleted: the next import, dataset build or
-- `aprendiz document index` computes them again. Other texts, among them nearly all in Latin script, keep theirs.

CREATE TEMPORARY TABLE stale_sketches ON COMMIT DROP AS
SELECT DISTINCT k.sketch_id AS id
FROM document_sketches k
JOIN document_texts t USING (document_id, version)
-- a character from U+0300 on that is not general punctuation or a currency, or a soft hyphen
WHERE t.text ~ '[^\u0001-\u02FF\u2010-\u20BF]|\u00AD';
ALTER TABLE stale_sketches ADD PRIMARY KEY (id);
ANALYZE stale_sketches;

DELETE FROM near_duplicates WHERE sketch_id IN (SELECT id FROM stale_sketches) OR other_id IN (SELECT id FROM stale_sketches);
DELETE FROM sketch_hashes WHERE sketch_id IN (SELECT id FROM stale_sketches);
DELETE FROM document_sketches WHERE sketch_id IN (SELECT id FROM stale_sketches);
DELETE FROM text_sketches WHERE id IN (SELECT id FROM stale_sketches);

COMMENT ON COLUMN text_sketches.text_key IS 'SHA-256 of the composed text (NFC) in lower case with single blanks: the group key that the text alone would have';
