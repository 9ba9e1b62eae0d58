//! Registry of the advisory locks: every number that is in use, and what it protects.
//!
//! Postgres keeps two separate spaces. Locks with two 32-bit numbers are the variants of [`AdvisoryLock`]. Locks with one 64-bit
//! number are hashes: of an idempotency key with [`IDEMPOTENCY_KEY_SEED`], of a unique run with [`UNIQUE_RUN_SEED`], and of the name of a
//! [`LeaderLock`].

use sqlx::{PgConnection, query, query_scalar};

/// Seed of `hashtextextended` for the lock on one idempotency key: requests with the same key wait for each other.
pub const IDEMPOTENCY_KEY_SEED: i64 = 7_020_641;

/// Seed of `hashtextextended` for the lock on the hash of a unique run: requests for equal runs wait for each other.
pub const UNIQUE_RUN_SEED: i64 = 7_020_654;

/// An advisory lock with two numbers. The numbers must never change: processes of two versions run side by side during an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdvisoryLock {
    /// Assignment of positions, held until commit so that positions become visible in order. The SQL function `next_position` takes
    /// it too.
    Positions,
    /// Creation of the template database of the tests.
    TestTemplate,
    /// Imports into one project; the second number is a hash of the project.
    Project(i32),
    /// Maintenance of the index of near-duplicates.
    NearDuplicates,
    /// Erasure of a document (exclusive) against the recording of what is derived from documents (shared).
    Erasure,
}

impl AdvisoryLock {
    /// First number: what kind of thing is locked.
    #[must_use]
    pub const fn class(self) -> i32 {
        match self {
            Self::Positions | Self::TestTemplate => 7_020_641,
            Self::Project(_) => 7_020_642,
            Self::NearDuplicates => 7_020_643,
            Self::Erasure => 7_020_649,
        }
    }

    /// Second number: which one.
    #[must_use]
    pub const fn object(self) -> i32 {
        match self {
            Self::Positions | Self::NearDuplicates | Self::Erasure => 1,
            Self::TestTemplate => 2,
            Self::Project(key) => key,
        }
    }

    /// Waits for the lock and holds it until the transaction ends.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn lock(self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        query("SELECT pg_advisory_xact_lock($1, $2)").bind(self.class()).bind(self.object()).execute(conn).await.map(drop)
    }

    /// Takes the lock, if it is free, until the transaction ends. Returns whether it was free.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn try_lock(self, conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
        query_scalar("SELECT pg_try_advisory_xact_lock($1, $2)").bind(self.class()).bind(self.object()).fetch_one(conn).await
    }

    /// Waits for the lock and holds it until the transaction ends, together with other holders of the shared lock.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn lock_shared(self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        query("SELECT pg_advisory_xact_lock_shared($1, $2)").bind(self.class()).bind(self.object()).execute(conn).await.map(drop)
    }
}

/// The lock of a background task that one producer at a time executes, held by a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaderLock {
    /// Expiry of leases.
    Reaper,
    /// Deletion of objects that nothing refers to.
    Sweeper,
    /// Automatic promotion of versions.
    Promoter,
}

impl LeaderLock {
    /// Name of the lock. sqlx hashes it into the number.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reaper => "aprendiz.reaper",
            Self::Sweeper => "aprendiz.sweeper",
            Self::Promoter => "aprendiz.promoter",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::{fs, io};

    use aprendiz_test_support::TestDatabase;

    use super::*;

    const TWO_NUMBERS: [AdvisoryLock; 5] = [
        AdvisoryLock::Positions,
        AdvisoryLock::TestTemplate,
        AdvisoryLock::Project(7),
        AdvisoryLock::NearDuplicates,
        AdvisoryLock::Erasure,
    ];

    #[test]
    fn no_two_locks_have_the_same_numbers() {
        let numbers: BTreeSet<(i32, i32)> = TWO_NUMBERS.iter().map(|lock| (lock.class(), lock.object())).collect();
        assert_eq!(numbers.len(), TWO_NUMBERS.len());
    }

    #[test]
    fn every_number_written_in_the_workspace_is_registered() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = BTreeSet::new();
        for folder in ["crates", "producer", "worker", "migrations"] {
            collect_numbers(&root.join(folder), &mut found).unwrap();
        }
        let registered: BTreeSet<i32> = TWO_NUMBERS.iter().map(|lock| lock.class()).collect();
        assert!(found.contains(&AdvisoryLock::Positions.class()), "the migrations use it: {found:?}");
        assert!(found.is_subset(&registered), "{found:?} should all be in {registered:?}");
    }

    /// Collects the seven-digit numbers of Rust and SQL files that start with 70206.
    fn collect_numbers(path: &Path, found: &mut BTreeSet<i32>) -> io::Result<()> {
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                collect_numbers(&entry?.path(), found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "sql") {
            let text = fs::read_to_string(path)?;
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            found.extend(words.filter(|word| word.len() == 7 && word.starts_with("70206")).filter_map(|word| word.parse::<i32>().ok()));
        }
        Ok(())
    }

    #[tokio::test]
    async fn shared_holders_exclude_only_an_exclusive_one() {
        let database = TestDatabase::create().await;
        let lock = AdvisoryLock::Erasure;
        let mut first = database.pool().begin().await.unwrap();
        let mut second = database.pool().begin().await.unwrap();
        lock.lock_shared(&mut first).await.unwrap();
        lock.lock_shared(&mut second).await.unwrap();
        let is_free = "SELECT pg_try_advisory_xact_lock(7020649, 1)";
        second.rollback().await.unwrap();
        let mut second = database.pool().begin().await.unwrap();
        assert!(!query_scalar::<_, bool>(is_free).fetch_one(&mut *second).await.unwrap());
        first.rollback().await.unwrap();
        lock.lock(&mut second).await.unwrap();
    }
}
