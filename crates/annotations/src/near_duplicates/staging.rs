//! Temporary tables of one round of indexing.
//!
//! Statements on temporary tables are plain static strings, because the checked macros of sqlx do not know these tables.

use aprendiz_db::AdvisoryLock;
use sqlx::PgConnection;

const CREATE: &str = "
-- texts to index, in the order in which they are processed
CREATE TEMPORARY TABLE arriving_texts (
    ordinal     bigint NOT NULL,
    document_id uuid NOT NULL,
    version     int NOT NULL,
    -- whether the document is new; an existing document keeps its split or is excluded
    is_new      boolean NOT NULL,
    -- older versions are sketched and take part in nothing else
    is_newest   boolean NOT NULL,
    text_key    text NOT NULL,
    rate        smallint NOT NULL,
    hashes      bigint[] NOT NULL
) ON COMMIT DROP;

-- the same texts with their sketches
CREATE TEMPORARY TABLE arrivals (
    ordinal     bigint NOT NULL,
    document_id uuid NOT NULL,
    version     int NOT NULL,
    is_new      boolean NOT NULL,
    is_newest   boolean NOT NULL,
    sketch_id   int NOT NULL,
    -- whether an existing document has or had the text
    is_known    boolean NOT NULL
) ON COMMIT DROP;
CREATE INDEX arrivals_sketch ON arrivals (sketch_id);
CREATE INDEX arrivals_document ON arrivals (document_id);

CREATE TEMPORARY TABLE new_hashes (
    hash      bigint NOT NULL,
    sketch_id int NOT NULL
) ON COMMIT DROP;

-- new hashes that occur in more than one text
CREATE TEMPORARY TABLE shared_hashes (
    hash bigint NOT NULL
) ON COMMIT DROP;

-- splits decided in this transaction, before positions are assigned
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

/// Drops the tables before the commit, so that the transaction of a caller can run a second round.
pub(crate) async fn drop(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(DROP).execute(conn).await?;
    Ok(())
}

/// Empties the tables of one round, except the decisions.
pub(super) async fn begin_round(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("TRUNCATE arriving_texts, arrivals, new_hashes, shared_hashes").execute(conn).await?;
    Ok(())
}

/// Serializes transactions that add or erase texts, because each must see the texts of the others. Reviews do not take this lock. Lock
/// order: projects, near-duplicates, rows, positions.
pub(crate) async fn lock(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    AdvisoryLock::NearDuplicates.lock(conn).await
}
