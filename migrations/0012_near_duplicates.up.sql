-- Which texts overlap. Everything here is derived from document_texts and can be made again from them.

-- One row per distinct text (case and white space apart), however many documents have it: so a thousand copies of one
-- contract cost the search as much as one.
CREATE TABLE text_sketches (
    id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text_key text NOT NULL UNIQUE CHECK (text_key ~ '^[0-9a-f]{64}$'),
    rate     smallint NOT NULL CHECK (rate BETWEEN 0 AND 16),
    size     int NOT NULL CHECK (size >= 0),
    hashes   bigint[] NOT NULL
);
-- hashes do not compress
ALTER TABLE text_sketches ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE text_sketches IS 'FracMinHash sketch of a distinct text: a fixed share of the hashes of its 8-word shingles';
COMMENT ON COLUMN text_sketches.text_key IS 'SHA-256 of the text in lower case with single blanks: the group key that the text alone would have';
COMMENT ON COLUMN text_sketches.rate IS 'Hashes below 2^(64 - rate) are kept, so one of 2^rate: 4 for texts of more than 256 shingles, less for shorter ones';
COMMENT ON COLUMN text_sketches.size IS 'Number of hashes; 0 for a text of fewer than 8 words, for which only equal texts count';

-- No foreign key to document_texts: an import writes the sketch first, outside of the lock that orders positions.
CREATE TABLE document_sketches (
    document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    version     int NOT NULL CHECK (version >= 1),
    sketch_id   int NOT NULL REFERENCES text_sketches,
    placed      boolean NOT NULL DEFAULT true,
    PRIMARY KEY (document_id, version)
);
CREATE INDEX document_sketches_unplaced ON document_sketches (document_id) WHERE NOT placed;
CREATE INDEX document_sketches_sketch ON document_sketches (sketch_id);
COMMENT ON COLUMN document_sketches.placed IS 'false: the document got its split before its near-duplicates were known, and was not compared with them since';
COMMENT ON TABLE document_sketches IS 'The sketch of a version of the text of a document. Texts that came before this table have none until the next import, dataset build or `aprendiz document index`';

-- Millions of rows, written sorted by hash; no foreign key, whose checks would cost more than the rows.
CREATE TABLE sketch_hashes (
    hash      bigint NOT NULL,
    sketch_id int NOT NULL
);
CREATE INDEX sketch_hashes_hash ON sketch_hashes (hash, sketch_id);
COMMENT ON TABLE sketch_hashes IS 'The hashes of text_sketches, one a row, to find texts that share some';

CREATE TABLE near_duplicates (
    sketch_id   int NOT NULL REFERENCES text_sketches,
    other_id    int NOT NULL REFERENCES text_sketches,
    containment real NOT NULL CHECK (containment BETWEEN 0.5 AND 1),
    PRIMARY KEY (sketch_id, other_id),
    CHECK (sketch_id <> other_id)
);
COMMENT ON TABLE near_duplicates IS 'Pairs of texts, in both directions, of which the smaller one shares at least half of its 8-word shingles with the other; verified on the whole texts';
COMMENT ON COLUMN near_duplicates.containment IS 'Shared shingles over the shingles of the text that has fewer';
