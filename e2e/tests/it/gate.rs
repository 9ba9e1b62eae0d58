//! Holds a worker at an exact place: a trigger of the test's own database makes the statement that the test names wait for a lock.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::wait_until;

use crate::site::{PATIENCE, Site};

/// Where in its life a run is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Phase `dataset`: the snapshot is built and uploaded, its row is being written.
    Dataset,
    /// Phase `dataset`: the snapshot lies in the bucket; nothing is locked.
    Snapshot,
    /// Phase `evaluate`: the test split was read.
    Evaluate,
    /// Phase `upload`: some files of the model are in the bucket.
    Upload,
    /// Phase `publish`: the transaction that publishes is open.
    Publish,
    /// Redis has the announcement, the outbox does not know it yet.
    Announced,
}

impl Place {
    /// Table, event and condition of the trigger.
    const fn trigger(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Dataset => ("datasets", "INSERT", "true"),
            Self::Snapshot => ("objects", "UPDATE", "NEW.key LIKE 'datasets/%/manifest.json' AND NEW.state = 'pending'"),
            Self::Evaluate => ("run_events", "INSERT", "NEW.payload->>'text' LIKE 'test split read%'"),
            Self::Upload => ("objects", "UPDATE", "NEW.key LIKE '%/metrics.json' AND NEW.state = 'pending'"),
            Self::Publish => ("model_versions", "INSERT", "true"),
            Self::Announced => ("outbox", "DELETE", "true"),
        }
    }
}

/// A closed gate; whoever comes to its place waits until it is opened.
pub(crate) struct Gate {
    holder: PgConnection,
}

impl Gate {
    /// Closes the gate. Once in a test.
    pub(crate) async fn close(site: &Site, place: Place) -> Self {
        let (table, event, condition) = place.trigger();
        let sql = format!(
            "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711, 1); RETURN coalesce(NEW, OLD); END $$;
             CREATE TRIGGER gate BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION gate()"
        );
        let mut holder = PgConnection::connect(site.env.database.url()).await.unwrap();
        sqlx::raw_sql("SELECT pg_advisory_lock(4711, 1)").execute(&mut holder).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut holder).await.unwrap();
        Self { holder }
    }

    /// Waits until somebody stands at the gate.
    pub(crate) async fn reached(&mut self) {
        let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 4711 AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        wait_until("somebody at the gate", PATIENCE, async || {
            let waits: bool = sqlx::query_scalar(sql).fetch_one(&mut self.holder).await.unwrap();
            waits.then_some(())
        })
        .await;
    }

    /// Lets everybody through, also later ones.
    pub(crate) async fn open(self) {
        self.holder.close().await.unwrap();
    }
}
