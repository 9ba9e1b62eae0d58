-- Shingles of HTML are now those of the rendered text, without tags, styles and scripts. Sketches of texts that may be HTML are deleted: the
-- next import, dataset build or `aprendiz document index` computes them again.

CREATE TEMPORARY TABLE stale_sketches ON COMMIT DROP AS
SELECT DISTINCT k.sketch_id AS id
FROM document_sketches k
JOIN document_texts t USING (document_id, version)
WHERE t.text ~* '</[a-z]|<(!doctype|html|head|body)';
ALTER TABLE stale_sketches ADD PRIMARY KEY (id);
ANALYZE stale_sketches;

DELETE FROM near_duplicates WHERE sketch_id IN (SELECT id FROM stale_sketches) OR other_id IN (SELECT id FROM stale_sketches);
DELETE FROM sketch_hashes WHERE sketch_id IN (SELECT id FROM stale_sketches);
DELETE FROM document_sketches WHERE sketch_id IN (SELECT id FROM stale_sketches);
DELETE FROM text_sketches WHERE id IN (SELECT id FROM stale_sketches);
-- explicit, because a later migration may run in the same transaction
DROP TABLE stale_sketches;
