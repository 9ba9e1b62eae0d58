//! Role of one test in PostgreSQL, which has no rights but those that the test gives it.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

use super::allocation::unique;
use super::cleanup::block_on_new_thread;
use super::database::TestDatabase;

/// A role that can log in, dropped with the value. Drop the database in which it has rights before.
#[derive(Debug)]
pub struct TestRole {
    name: String,
    url: String,
    admin: PgConnectOptions,
}

impl TestRole {
    /// Creates the role on the server of a database.
    pub async fn create(database: &TestDatabase) -> Self {
        let (name, password) = (format!("role_{}", unique()), unique());
        let create = format!("CREATE ROLE {name} LOGIN PASSWORD '{password}' NOSUPERUSER NOCREATEDB NOCREATEROLE");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(database.pool()).await.expect("the test may create roles");
        let options: PgConnectOptions = database.url().parse().expect("a Postgres URL");
        let url = options.clone().username(&name).password(&password).to_url_lossy().to_string();
        Self { name, url, admin: options.database("postgres") }
    }

    /// Its name, which needs no quotes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// URL of the database as this role.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestRole {
    fn drop(&mut self) {
        let (admin, drop) = (&self.admin, format!("DROP ROLE IF EXISTS {}", self.name));
        block_on_new_thread(async move {
            let mut admin = PgConnection::connect_with(admin).await.expect("Postgres is reachable");
            // the first failure of a test is the one to report
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(drop.clone())).execute(&mut admin).await {
                eprintln!("{drop}: {error}");
            }
            admin.close().await.expect("a connection closes");
        });
    }
}
