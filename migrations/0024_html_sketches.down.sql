-- The older version computes the sketches of HTML from its source again.
CREATE TEMPORARY TABLE stale_sketches ON COMMIT DROP AS
SELECT DISTINCT k.sketch_id AS id
FROM document_sketches k
JOIN document_texts t USING (document_id, version)
WHERE t.text ~* '</[a-z]|<(!doctype|html|head|body)';
DELETE FROM near_duplicates WHERE sketch_id IN (SELECT id FROM stale_sketches) OR other_id IN (SELECT id FROM stale_sketches);
DELETE FROM sketch_hashes WHERE sketch_id IN (SELECT id FROM stale_sketches);
DELETE FROM document_sketches WHERE sketch_id IN (SELECT id FROM stale_sketches);
DELETE FROM text_sketches WHERE id IN (SELECT id FROM stale_sketches);
DROP TABLE stale_sketches;
