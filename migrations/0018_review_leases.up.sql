-- Who reviews a document at the moment.

CREATE TABLE review_leases (
    document_id uuid PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
    reviewer    text NOT NULL CHECK (length(reviewer) BETWEEN 1 AND 200),
    actor       text NOT NULL,
    acquired_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL,
    CONSTRAINT lease_ends_after_it_began CHECK (expires_at > acquired_at)
);
COMMENT ON TABLE review_leases IS 'Who reviews a document until when, by the clock of the database; one that has expired is none';
COMMENT ON COLUMN review_leases.reviewer IS 'The person; others are refused to say anything about the document meanwhile';
COMMENT ON COLUMN review_leases.actor IS 'The API key through which the person works';
