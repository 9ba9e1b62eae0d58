//! Migrated Postgres database of one test.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};

use super::allocation::{required, unique};
use super::cleanup::block_on_new_thread;

/// Held while the template is created, so that parallel tests create it only once.
const TEMPLATE_LOCK: &str = "SELECT pg_advisory_lock(7020641, 2)";

/// A dedicated database with the current schema, dropped with the value.
///
/// Migrations run once, in a template named after their checksums; each database is a copy of it.
#[derive(Debug)]
pub struct TestDatabase {
    pool: PgPool,
    name: String,
    url: String,
    server: PgConnectOptions,
}

impl TestDatabase {
    /// Creates the database on the server of `DATABASE_URL`.
    pub async fn create() -> Self {
        Self::create_at(&required("DATABASE_URL")).await
    }

    /// Creates the database on another server.
    pub async fn create_at(server: &str) -> Self {
        let server: PgConnectOptions = server.parse().expect("a Postgres URL");
        let server = server.database("postgres");
        let mut admin = connect(&server).await;
        let template = template(&mut admin, &server).await;
        let name = format!("test_{}", unique());
        execute(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        close(admin).await;
        let options = server.clone().database(&name);
        let url = options.to_url_lossy().to_string();
        let pool = PgPoolOptions::new().max_connections(5).connect_with(options).await.expect("the new database is reachable");
        Self { pool, name, url, server }
    }

    /// A connection pool.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Makes the connections of the test use another schema. Its name needs no quotes.
    pub async fn use_schema(&mut self, schema: &str) {
        let set = format!("ALTER ROLE CURRENT_USER IN DATABASE {} SET search_path = {schema}", self.name);
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&self.pool).await.expect("the test owns its database");
        // the setting applies to new connections
        let options = self.server.clone().database(&self.name);
        self.pool = PgPoolOptions::new().max_connections(5).connect_with(options).await.expect("the database is reachable");
    }

    /// Its name, which needs no quotes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL, for other processes.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (&self.server, &self.name);
        block_on_new_thread(async move {
            // FORCE also closes connections of processes left behind by a failed test
            let mut admin = connect(server).await;
            execute(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            close(admin).await;
        });
    }
}

/// Returns the name of the migrated template, creating it if missing.
async fn template(admin: &mut PgConnection, server: &PgConnectOptions) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let migrator = Migrator::new(folder).await.expect("the migrations can be read");
    let checksums: Vec<u8> = migrator.iter().flat_map(|migration| migration.checksum.iter().copied()).collect();
    let name = format!("template_{}", &hex::encode(<sha2::Sha256 as sha2::Digest>::digest(checksums))[..16]);

    execute(admin, TEMPLATE_LOCK.to_owned()).await;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut *admin)
        .await
        .expect("the catalogue can be read");
    if !exists {
        // renamed once complete, so that a template is never partially migrated
        let building = format!("{name}_building");
        execute(admin, format!("DROP DATABASE IF EXISTS {building} WITH (FORCE)")).await;
        execute(admin, format!("CREATE DATABASE {building} TEMPLATE template0")).await;
        let mut connection = connect(&server.clone().database(&building)).await;
        migrator.run(&mut connection).await.expect("the migrations run");
        close(connection).await;
        execute(admin, format!("ALTER DATABASE {building} RENAME TO {name}")).await;
    }
    execute(admin, "SELECT pg_advisory_unlock_all()".to_owned()).await;
    name
}

async fn connect(options: &PgConnectOptions) -> PgConnection {
    let connection = PgConnection::connect_with(options).await;
    connection.expect("Postgres is reachable at DATABASE_URL; ./dev up starts one")
}

async fn close(connection: PgConnection) {
    connection.close().await.expect("a connection closes");
}

async fn execute(connection: &mut PgConnection, sql: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
