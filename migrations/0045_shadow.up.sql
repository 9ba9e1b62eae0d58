-- What a challenger would have answered beside the champion.
ALTER TABLE models ADD COLUMN shadow_share double precision NOT NULL DEFAULT 1 CHECK (shadow_share BETWEEN 0 AND 1);
COMMENT ON COLUMN models.shadow_share IS 'Share of the predictions of the champion that are compared with those of the alias challenger, 0 to 1';

CREATE TABLE shadow_counts (
    model      text NOT NULL,
    champion   int NOT NULL,
    challenger int NOT NULL,
    field      text NOT NULL,
    class      text[] NOT NULL CHECK (cardinality(class) <= 1),
    day        date NOT NULL,
    compared   bigint NOT NULL CHECK (compared > 0),
    disagreed  bigint NOT NULL CHECK (disagreed BETWEEN 0 AND compared),
    PRIMARY KEY (model, champion, challenger, field, class, day),
    FOREIGN KEY (model, champion) REFERENCES model_versions (model, number),
    FOREIGN KEY (model, challenger) REFERENCES model_versions (model, number)
);
CREATE INDEX shadow_counts_day ON shadow_counts (day);
COMMENT ON TABLE shadow_counts IS 'Inputs for which champion and challenger were compared, by the class that the champion answered';
COMMENT ON COLUMN shadow_counts.class IS 'Answer of the champion; {} = no value';
COMMENT ON COLUMN shadow_counts.day IS 'Day of the comparison, UTC';
COMMENT ON COLUMN shadow_counts.disagreed IS 'Those for which the values differ';

CREATE TABLE shadow_drops (
    model      text NOT NULL,
    champion   int NOT NULL,
    challenger int NOT NULL,
    day        date NOT NULL,
    reason     text NOT NULL CHECK (reason IN ('queue_full', 'failed')),
    dropped    bigint NOT NULL CHECK (dropped > 0),
    PRIMARY KEY (model, champion, challenger, day, reason),
    FOREIGN KEY (model, champion) REFERENCES model_versions (model, number),
    FOREIGN KEY (model, challenger) REFERENCES model_versions (model, number)
);
CREATE INDEX shadow_drops_day ON shadow_drops (day);
COMMENT ON TABLE shadow_drops IS 'Inputs that should have been compared and were not';
COMMENT ON COLUMN shadow_drops.reason IS 'queue_full = the queue of a server was full; failed = the challenger could not predict, or the result could not be stored';

CREATE TABLE shadow_disagreements (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model                 text NOT NULL,
    champion              int NOT NULL,
    challenger            int NOT NULL,
    field                 text NOT NULL,
    input_sha256          text NOT NULL CHECK (input_sha256 ~ '^[0-9a-f]{64}$'),
    champion_value        text[] NOT NULL CHECK (cardinality(champion_value) <= 1),
    champion_confidence   double precision NOT NULL CHECK (champion_confidence BETWEEN 0 AND 1),
    champion_answered     boolean NOT NULL,
    challenger_value      text[] NOT NULL CHECK (cardinality(challenger_value) <= 1),
    challenger_confidence double precision NOT NULL CHECK (challenger_confidence BETWEEN 0 AND 1),
    challenger_answered   boolean NOT NULL,
    at                    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (model, champion, challenger, field, input_sha256),
    FOREIGN KEY (model, champion) REFERENCES model_versions (model, number),
    FOREIGN KEY (model, challenger) REFERENCES model_versions (model, number),
    CONSTRAINT the_values_differ CHECK (champion_value <> challenger_value)
);
CREATE INDEX shadow_disagreements_model ON shadow_disagreements (model, id);
CREATE INDEX shadow_disagreements_input ON shadow_disagreements (input_sha256);
CREATE INDEX shadow_disagreements_at ON shadow_disagreements (at);
COMMENT ON TABLE shadow_disagreements IS 'An input for which champion and challenger predict different values of a field; a bounded number per model, the newest ones. No texts';
COMMENT ON COLUMN shadow_disagreements.input_sha256 IS 'SHA-256 of the text as predictions see it. An erasure deletes the rows with the hash of a text of its document';
COMMENT ON COLUMN shadow_disagreements.champion_value IS 'Predicted value; {} = no value';
COMMENT ON COLUMN shadow_disagreements.champion_answered IS 'Whether the confidence reached the threshold, so that the value needed no review';
COMMENT ON COLUMN shadow_disagreements.at IS 'When the input was first compared';
