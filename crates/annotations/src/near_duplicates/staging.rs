//! Temporary tables of one round of indexing, and the lock that lets rounds follow each other.
//!
//! As in the importer, statements about temporary tables are plain static strings: the checked macros do not know them.

use sqlx::PgConnection;

const CREATE: &str = "
-- texts that are to be indexed, in the order in which they are judged
CREATE TEMPORARY TABLE arriving_texts (
    place       bigint NOT NULL,
    document_id uuid NOT NULL,
    version     int NOT NULL,
    -- of a new document; else of one that keeps its split or is excluded
    is_new      boolean NOT NULL,
    -- an older version than the newest is only sketched
    is_newest   boolean NOT NULL,
    text_key    text NOT NULL,
    rate        smallint NOT NULL,
    hashes      bigint[] NOT NULL
) ON COMMIT DROP;

-- the same with their sketches
CREATE TEMPORARY TABLE arrivals (
    place       bigint NOT NULL,
    document_id uuid NOT NULL,
    version     int NOT NULL,
    is_new      boolean NOT NULL,
    is_newest   boolean NOT NULL,
    sketch_id   int NOT NULL,
    -- whether a document that was there before had the text, or has it now
    is_known    boolean NOT NULL
) ON COMMIT DROP;
CREATE INDEX arrivals_sketch ON arrivals (sketch_id);
CREATE INDEX arrivals_document ON arrivals (document_id);

CREATE TEMPORARY TABLE new_hashes (
    hash      bigint NOT NULL,
    sketch_id int NOT NULL
) ON COMMIT DROP;

-- those of them that more than one text has
CREATE TEMPORARY TABLE shared_hashes (
    hash bigint NOT NULL
) ON COMMIT DROP;

-- what was decided in this transaction, before positions are drawn
CREATE TEMPORARY TABLE decided_splits (
    number      int GENERATED ALWAYS AS IDENTITY,
    document_id uuid PRIMARY KEY,
    is_new      boolean NOT NULL,
    group_key   text NOT NULL,
    split       split NOT NULL,
    reason      text NOT NULL
) ON COMMIT DROP;
";

const DROP: &str = "DROP TABLE arriving_texts, arrivals, new_hashes, shared_hashes, decided_splits";

/// Creates the tables in the open transaction.
pub(crate) async fn create(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(CREATE).execute(conn).await?;
    Ok(())
}

/// Drops them before the commit, so that a caller's transaction can hold a second round.
pub(crate) async fn drop(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(DROP).execute(conn).await?;
    Ok(())
}

/// Empties what belongs to one round; decisions stay.
pub(super) async fn begin_round(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("TRUNCATE arriving_texts, arrivals, new_hashes, shared_hashes").execute(conn).await?;
    Ok(())
}

/// Of two transactions that bring texts each must see those of the other: one waits here until the other has committed.
/// Reviewers do not wait for it. Taken after the lock on projects, before rows and positions.
pub(crate) async fn lock(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    // 7020641 belongs to positions, 7020642 to projects
    sqlx::query("SELECT pg_advisory_xact_lock(7020643, 1)").execute(conn).await?;
    Ok(())
}
