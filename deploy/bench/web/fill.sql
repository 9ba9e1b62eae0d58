-- Fills a database with 1,000,000 documents, one of them with a text of 10 MB, and 100,000 runs, for ./dev bench web: 2,500,000 values,
-- their predictions and 1,750,000 review events in 1,000 imports; attempts, events, versions, metrics and audit rows of the runs. The
-- database has documents, runs and a version already, which the new rows copy. Ids and positions increase with time, as real ones do.
-- Triggers are off: the rows fit together by construction.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET maintenance_work_mem = '256MB';

-- an id as the programs make them: the time, then other bits
CREATE FUNCTION pg_temp.id_at(at timestamptz, salt text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(salt), 1, 3) || '8' || substr(md5(salt), 4, 15))::uuid
$$;

SELECT last_value AS base FROM positions \gset

-- every document has eight positions: its text, its details, its split, and its events
CREATE TEMPORARY TABLE filled AS
SELECT number, pg_temp.id_at(at, 'document ' || number) AS id, at, :base + (number - 1) * 8 AS position,
    encode(sha256(convert_to('document ' || number, 'UTF8')), 'hex') AS hash,
    CASE WHEN number % 10 < 7 THEN 'train' WHEN number % 10 < 9 THEN 'validation' ELSE 'test' END AS split
FROM (SELECT number, now() - (1000000 - number) * interval '20 seconds' - interval '1 hour' AS at FROM generate_series(1, 1000000) AS number) AS numbers;

INSERT INTO imports (id, source, file_name, actor, bytes, tasks, documents_created, documents_updated, documents_unchanged, events_created,
    quarantined, report, started_at, finished_at, first_position, last_position)
SELECT pg_temp.id_at(min(filled.at), 'import ' || filled.number / 1000), 'label-studio', 'export-' || filled.number / 1000 || '.json.gz', 'bench',
    1200000, 1000, 1000, 0, 0, 1750, 0, (SELECT report FROM imports WHERE file_name = 'sample.json.gz'), min(filled.at), max(filled.at),
    min(filled.position) + 1, max(filled.position) + 8
FROM filled GROUP BY filled.number / 1000;

-- a GIN index is built faster than it is filled
SELECT pg_get_indexdef('document_words'::regclass) AS words \gset
DROP INDEX document_words;
INSERT INTO documents (id, source, project, task_id, file_name, checksum, metadata, created_at, updated_at)
SELECT id, 'label-studio', CASE number WHEN 500000 THEN 'large' ELSE 'project-' || number % 20 END, number::text,
    'contract-' || lpad(number::text, 7, '0') || '.pdf', hash,
    jsonb_build_object('title', 'Agreement number ' || number, 'customer', 'Customer ' || number % 5000), at, at
FROM filled;
:words ;

INSERT INTO document_texts (document_id, version, text, sha256, position, created_at)
SELECT id, 1,
    CASE number
        WHEN 500000 THEN (SELECT string_agg('Clause ' || clause || '. This agreement is governed by the laws of Texas; all notices are sent in writing to the other party.', E'\n')
            FROM generate_series(1, 90000) AS clause)
        ELSE 'Document ' || number || '. This master services agreement is made between Customer ' || number % 5000 || ' and the supplier. '
            || 'Services are charged on a fixed price basis. Amounts are in USD. It is governed by the laws of Texas and managed by Legal.'
    END,
    hash, position + 1, at
FROM filled;
INSERT INTO document_details (document_id, version, file_name, content_type, metadata, position, created_at)
SELECT documents.id, 1, documents.file_name, 'text/plain', documents.metadata, filled.position + 2, filled.at
FROM filled JOIN documents ON documents.id = filled.id;
INSERT INTO document_splits (document_id, version, group_key, split, reason, position, created_at)
SELECT id, 1, hash, split::split, 'hash', position + 3, at FROM filled;
INSERT INTO text_sketches (text_key, rate, size, hashes) SELECT hash, 0, 1, ARRAY[number] FROM filled;
INSERT INTO document_sketches (document_id, version, sketch_id)
SELECT filled.id, 1, text_sketches.id FROM filled JOIN text_sketches ON text_sketches.text_key = filled.hash;

-- Two and a half fields per document, 70 % of them reviewed.
CREATE TEMPORARY TABLE filled_values AS
SELECT id AS document_id, at, field, position + 3 + place AS position, predicted, place,
    CASE WHEN turn < 50 THEN 'OK' WHEN turn < 60 THEN 'CORRECTED' WHEN turn < 65 THEN 'REJECTED' WHEN turn < 70 THEN 'NEW' ELSE 'UNREVIEWED' END AS status,
    ('x' || substr(hash, place * 6 + 1, 6))::bit(24)::int / 16777216.0 AS confidence
FROM (
    SELECT id, at, position, hash, number, field, place, labels[1 + (number / 7) % array_length(labels, 1)] AS predicted,
        ('x' || substr(hash, place * 7 + 20, 6))::bit(24)::int % 100 AS turn
    FROM filled CROSS JOIN (VALUES
        (1, 'contract_type', ARRAY['Master Services Agreement', 'Statement of Work', 'Amendment', 'License Agreement', 'Non-Disclosure Agreement']),
        (2, 'managed_by', ARRAY['Legal', 'Procurement', 'Finance']),
        (3, 'sow_currency', ARRAY['USD', 'EUR', 'BRL'])
    ) AS fields (place, field, labels)
    WHERE place < 3 OR number % 2 = 0
) AS predictions;
INSERT INTO annotations (document_id, field, predicted_value, accepted_value, review_status, reviewer, event_position, updated_at, occurred_at)
SELECT document_id, field, CASE status WHEN 'NEW' THEN NULL ELSE ARRAY[predicted] END,
    CASE status WHEN 'UNREVIEWED' THEN NULL WHEN 'REJECTED' THEN '{}' WHEN 'CORRECTED' THEN ARRAY['Other'] ELSE ARRAY[predicted] END::text[],
    status::review_status, CASE WHEN status <> 'UNREVIEWED' THEN 'someone' END, CASE WHEN status <> 'UNREVIEWED' THEN position END, at,
    CASE WHEN status <> 'UNREVIEWED' THEN at END
FROM filled_values;
INSERT INTO annotation_events (position, document_id, field, value, review_status, reviewer, source, source_ref, occurred_at, recorded_at, actor)
SELECT position, document_id, field, CASE status WHEN 'REJECTED' THEN '{}' WHEN 'CORRECTED' THEN ARRAY['Other'] ELSE ARRAY[predicted] END::text[],
    status::review_status, 'someone', 'label-studio', 'annotation:' || position, at, at, 'bench'
FROM filled_values WHERE status <> 'UNREVIEWED';
INSERT INTO extractions (document_id, field, extractor_version, value, confidence, predicted_at, created_at, import_id)
SELECT document_id, field, 'bench-1', ARRAY[predicted], confidence, at, at, NULL FROM filled_values WHERE status <> 'NEW';
SELECT setval('positions', :base + 8000000);

-- 100,000 runs of 500 models; a run that succeeded has published a version.
CREATE TEMPORARY TABLE filled_runs AS
SELECT number, pg_temp.id_at(at, 'run ' || number) AS id, at, 'model-' || number % 500 AS model,
    CASE WHEN number % 20 = 0 THEN 'failed' WHEN number % 33 = 0 THEN 'cancelled' ELSE 'succeeded' END AS status
FROM (SELECT number, now() - (100000 - number) * interval '3 minutes' - interval '1 hour' AS at FROM generate_series(1, 100000) AS number) AS numbers;
CREATE TEMPORARY TABLE pattern AS
SELECT training_runs.id AS run_id, training_runs.spec, training_runs.dataset_id, model_versions.object_prefix, model_versions.manifest_sha256,
    model_versions.files, model_versions.card, model_versions.gate
FROM training_runs JOIN model_versions ON model_versions.run_id = training_runs.id ORDER BY training_runs.created_at LIMIT 1;
-- fifty runs read one snapshot
INSERT INTO datasets (id, key, selection, builder_version, position, canonical_hash, examples, counts, object_prefix, files, created_at)
SELECT pg_temp.id_at(at, 'dataset ' || number / 50), encode(sha256(convert_to('dataset ' || number / 50, 'UTF8')), 'hex'), selection,
    builder_version, position, canonical_hash, examples, counts, 'datasets/bench-' || number / 50, files, at
FROM filled_runs CROSS JOIN (SELECT * FROM datasets WHERE id = (SELECT dataset_id FROM pattern)) AS dataset WHERE number % 50 = 0;
ALTER TABLE filled_runs ADD COLUMN dataset_id uuid;
UPDATE filled_runs SET dataset_id = datasets.id FROM datasets WHERE datasets.object_prefix = 'datasets/bench-' || (number + 49) / 50;
INSERT INTO training_runs (id, kind, model, spec, position, status, phase, attempts_used, attempt_number, cancel_requested_at, error_code, error_text,
    dataset_id, created_by, created_at, run_after, started_at, finished_at, last_event_sequence, tags)
SELECT filled_runs.id, 'linear', model, jsonb_set(spec, '{model}', to_jsonb(model)), :base + number * 80, status::run_status, NULL, 1, 1,
    CASE WHEN status = 'cancelled' THEN at END,
    CASE WHEN status = 'failed' THEN (ARRAY['out_of_memory', 'no_trainable_field', 'worker_lost'])[1 + number % 3] END,
    CASE WHEN status = 'failed' THEN 'the training failed' END, filled_runs.dataset_id, 'bench', at, at, at + interval '1 second', at + interval '1 minute', 5,
    jsonb_build_object('team', 'team-' || number % 10)
FROM filled_runs CROSS JOIN pattern;
INSERT INTO attempts (run_id, number, worker_id, status, lease_expires_at, heartbeat_at, started_at, finished_at, error_code, error_text)
SELECT id, 1, (SELECT id FROM workers LIMIT 1), status::attempt_status, at, at, at + interval '1 second', at + interval '1 minute',
    CASE WHEN status = 'failed' THEN (ARRAY['out_of_memory', 'no_trainable_field', 'worker_lost'])[1 + number % 3] END,
    CASE WHEN status = 'failed' THEN 'the training failed' END
FROM filled_runs;
INSERT INTO run_events (run_id, sequence, attempt_number, kind, payload, occurred_at)
SELECT id, sequence, CASE WHEN sequence > 1 THEN 1 END, kind::run_event_kind,
    CASE sequence WHEN 5 THEN jsonb_build_object('status', status) ELSE payload::jsonb END, at + sequence * interval '10 seconds'
FROM filled_runs CROSS JOIN (VALUES
    (1, 'state', '{"status": "queued"}'), (2, 'state', '{"status": "running"}'), (3, 'phase', '{"phase": "train"}'),
    (4, 'log', '{"text": "trained on 220 examples"}'), (5, 'state', '{}')
) AS events (sequence, kind, payload);
INSERT INTO models (name, last_number) SELECT model, count(*) FROM filled_runs WHERE status = 'succeeded' GROUP BY model;
INSERT INTO model_versions (id, model, number, run_id, attempt_number, dataset_id, object_prefix, manifest_sha256, files, card, gate, created_at)
SELECT pg_temp.id_at(at, 'version ' || number), model, row_number() OVER (PARTITION BY model ORDER BY number), id, 1, filled_runs.dataset_id,
    object_prefix || '/' || number, manifest_sha256, files, card, gate, at + interval '1 minute'
FROM filled_runs CROSS JOIN pattern WHERE status = 'succeeded';
INSERT INTO model_aliases (model, alias, number, revision)
SELECT model, 'champion', 1, 1 FROM model_versions WHERE number = 1 AND model LIKE 'model-%';
INSERT INTO metrics (run_id, attempt_number, model_version_id, split, field, name, value, step, recorded_at)
SELECT filled_runs.id, 1, model_versions.id, metrics.split, metrics.field, metrics.name, metrics.value, metrics.step, at + interval '1 minute'
FROM filled_runs JOIN model_versions ON model_versions.run_id = filled_runs.id CROSS JOIN metrics
WHERE filled_runs.number > 60000 AND metrics.run_id = (SELECT run_id FROM pattern) AND metrics.split = 'test' AND metrics.value IS NOT NULL;
INSERT INTO audit_log (at, actor, action, subject, details)
SELECT at, 'bench', 'training_run.create', id::text, jsonb_build_object('kind', 'linear', 'model', model) FROM filled_runs ORDER BY number;
-- one change of a person for every second document
INSERT INTO audit_log (at, actor, action, subject)
SELECT at, 'bench', 'annotation.accept', id::text FROM filled WHERE number % 2 = 0 ORDER BY number;
VACUUM (ANALYZE);
