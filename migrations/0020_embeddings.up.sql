-- Vectors that base models have made of texts: what is unchanged is not computed again by the next run.
CREATE TABLE embedding_files (
    object_key text PRIMARY KEY REFERENCES objects,
    encoder    text NOT NULL CHECK (encoder ~ '^[0-9a-f]{64}$'),
    used_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE embedding_files IS 'A file of vectors in S3, by the hash of the word pieces; its object is live as long as the row. A cache: every row may go at any time';
COMMENT ON COLUMN embedding_files.encoder IS 'SHA-256 of what a vector depends on beside its text: weights, back end, CPU kernel, version of the program';
COMMENT ON COLUMN embedding_files.used_at IS 'When a vector of it was last needed: the least recently used files go first';
