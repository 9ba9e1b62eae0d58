-- Benchmark corpus: :documents documents with three reviewed fields and about 330 characters of text each, and five events per three
-- (document, field) pairs. Bypasses the importer and disables foreign-key checks.
\set ON_ERROR_STOP 1
INSERT INTO fields (name, kind) VALUES ('contract_type', 'categorical'), ('governing_law', 'categorical'), ('renewal', 'categorical');
SET session_replication_role = replica;
INSERT INTO documents (id, source, project, task_id, file_name, checksum, metadata)
SELECT (lpad(to_hex(1790000000000 + i), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid,
       'label-studio', (i % 100)::text, i::text, 'contract-' || i || '.txt', encode(sha256(i::text::bytea), 'hex'), '{}'
FROM generate_series(1, :documents) i;
INSERT INTO document_texts (document_id, version, text, sha256, position)
SELECT id, 1, 'Contract ' || task_id || (SELECT string_agg(' ' || md5(task_id || k), '') FROM generate_series(1, 10) k WHERE task_id <> ''),
       checksum, nextval('positions')
FROM documents
ORDER BY id;
INSERT INTO document_details (document_id, version, file_name, content_type, metadata, position)
SELECT id, 1, file_name, content_type, metadata, nextval('positions') FROM documents ORDER BY id;
INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
SELECT id, 1, checksum,
       CASE WHEN byte < 179 THEN 'train' WHEN byte < 217 THEN 'validation' ELSE 'test' END::split, 'hash', nextval('positions')
FROM (SELECT id, checksum, get_byte(decode(checksum, 'hex'), 0) AS byte FROM documents ORDER BY id) d;
-- one review of every field, and corrections of two thirds
INSERT INTO annotation_events (position, document_id, field, value, review_status, reviewer, source, source_ref, occurred_at)
SELECT nextval('positions'), id, field, ARRAY['value ' || (hashtext(task_id || field || round) & 15)], 'NEW',
       'reviewer ' || (hashtext(task_id) & 7), 'label-studio', round::text,
       '2026-01-01'::timestamptz + make_interval(secs => task_id::int / 100.0 + round * 1000000)
FROM (
    SELECT d.id, d.task_id, f.field, round
    FROM documents d, unnest(ARRAY['contract_type', 'governing_law', 'renewal']) AS f (field), generate_series(1, 2) AS round
    WHERE round = 1 OR (hashtext(d.task_id || f.field) & 1023) < 683
    ORDER BY round, d.id
) reviews;
INSERT INTO annotations (document_id, field, accepted_value, review_status, reviewer, event_position, occurred_at)
SELECT DISTINCT ON (document_id, field) document_id, field, value, review_status, reviewer, position, occurred_at
FROM annotation_events
ORDER BY document_id, field, occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC;
INSERT INTO text_sketches (text_key, rate, size, hashes) SELECT checksum, 0, 0, '{}' FROM documents;
INSERT INTO document_sketches (document_id, version, sketch_id)
SELECT d.id, 1, s.id FROM documents d JOIN text_sketches s ON s.text_key = d.checksum;
SET session_replication_role = origin;
VACUUM ANALYZE;
