//! PostgreSQL roles with exactly the rights that docs/OPERATIONS.md lists. Each test is a whole installation, from its migration on.

use aprendiz_test_support::{TestEnv, TestRole};
use sqlx::AssertSqlSafe;

use super::sessions::use_everything;
use crate::fixture::TestApp;

/// The schema of `an_installation_in_a_schema_of_its_own`; docs/OPERATIONS.md uses this name.
const SCHEMA: &str = "aprendiz";

/// An environment whose database has no table, and gives no right to a role that did not get it by name.
async fn start_without_rights() -> TestEnv {
    let env = TestEnv::start().await;
    let database = env.database.name();
    execute(
        &env,
        &format!(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public;
             REVOKE ALL ON DATABASE {database} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC"
        ),
    )
    .await;
    env
}

async fn execute(env: &TestEnv, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(env.pool()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Runs `aprendiz migrate` as this role.
fn migrate(env: &TestEnv, role: &TestRole) {
    let output = env.command("aprendiz").arg("migrate").env("DATABASE_URL", role.url()).output().expect("aprendiz is built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn everything_works_with_the_documented_rights_after_another_role_has_migrated() {
    let mut env = start_without_rights().await;
    let (migrator, user) = (TestRole::create(&env.database).await, TestRole::create(&env.database).await);
    let (database, owner, name) = (env.database.name(), migrator.name(), user.name());
    execute(
        &env,
        &format!(
            "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {owner};
             GRANT CREATE, USAGE ON SCHEMA public TO {owner};
             GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {name};
             GRANT USAGE ON SCHEMA public TO {name};
             ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name};
             ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {name}"
        ),
    )
    .await;
    migrate(&env, &migrator);
    env.role = Some(user);
    use_everything(TestApp::start_on(env).await).await;
    drop(migrator);
}

#[tokio::test]
async fn everything_works_in_a_schema_of_its_own() {
    let mut env = start_without_rights().await;
    let role = TestRole::create(&env.database).await;
    let (database, name) = (env.database.name(), role.name());
    execute(
        &env,
        &format!(
            "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {name};
             CREATE SCHEMA {SCHEMA} AUTHORIZATION {name}; ALTER ROLE {name} SET search_path = {SCHEMA}"
        ),
    )
    .await;
    env.database.use_schema(SCHEMA).await;
    migrate(&env, &role);
    env.role = Some(role);
    let app = TestApp::start_on(env).await;
    assert_eq!(app.count("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").await, 0);
    use_everything(app).await;
}
