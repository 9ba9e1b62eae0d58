//! Invalid configuration: server and worker exit, name the variable or the problem, and print no password.

use std::process::{Command, Stdio};

use aprendiz_test_support::{TestEnv, TestRedis};

const PASSWORD: &str = "correct-horse-battery";

#[tokio::test]
async fn an_unusable_database_is_reported_without_the_password() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    let valid = env.database.url();
    let (_, address) = valid.rsplit_once('@').expect("the URL has a user");
    let (host, _) = address.split_once('/').expect("the URL has a database");
    let host = host.to_owned();
    let cases = [
        // no server listens on this port
        (format!("postgres://aprendiz:{PASSWORD}@127.0.0.1:1/contracts"), "127.0.0.1:1"),
        (format!("postgres://aprendiz:{PASSWORD}@{host}/contracts"), host.as_str()),
        (format!("mysql://aprendiz:{PASSWORD}@{host}/contracts"), "DATABASE_URL"),
    ];
    for (url, named) in &cases {
        check_start_fails(&env, "DATABASE_URL", url, &["DATABASE_URL", named]);
    }
}

#[tokio::test]
async fn a_database_without_migrations_is_reported_with_the_command_to_run() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    // drops all tables, as in a database without migrations
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(env.pool()).await.unwrap();
    check_start_fails(&env, "DATABASE_URL", env.database.url(), &["aprendiz migrate"]);
}

#[tokio::test]
async fn pending_migrations_are_listed_and_stop_server_and_worker() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    let migrate = |arguments: &[&str]| env.command("aprendiz").arg("migrate").args(arguments).output().unwrap();
    let output = migrate(&["--check"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("migrations are applied"), "{output:?}");
    assert!(migrate(&["--down", "1", "--yes"]).status.success());
    let output = migrate(&["--check", "-o", "json"]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["pending"].as_array().map(Vec::len), Some(1), "{report}");
    check_start_fails(&env, "DATABASE_URL", env.database.url(), &["1 migrations are not applied", "aprendiz migrate"]);
    assert!(migrate(&[]).status.success() && migrate(&["--check"]).status.success());
}

#[tokio::test]
async fn a_missing_bucket_is_reported() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    check_start_fails(&env, "APRENDIZ_BUCKET", "no-such-bucket", &["no-such-bucket", "does not exist", "APRENDIZ_BUCKET"]);
}

#[tokio::test]
async fn a_missing_or_invalid_variable_is_reported() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    check_start_fails(&env, "REDIS_URL", &format!("http://:{PASSWORD}@127.0.0.1"), &["REDIS_URL"]);
    // a # ends the host for the parser of URLs
    check_start_fails(&env, "REDIS_URL", &format!("redis://:{PASSWORD}#{PASSWORD}@127.0.0.1"), &["REDIS_URL", "# as %23"]);
    check_start_fails(&env, "APRENDIZ_BUCKET", "", &["APRENDIZ_BUCKET"]);
    check_start_fails(&env, "APRENDIZ_BUCKET_ADDRESSING", "host", &["APRENDIZ_BUCKET_ADDRESSING", "path or virtual"]);
    check_start_fails(&env, "AWS_CA_BUNDLE", "/no/such/file.pem", &["AWS_CA_BUNDLE", "/no/such/file.pem"]);
    check_start_fails(&env, "APRENDIZ_DATABASE_CONNECTIONS", "many", &["APRENDIZ_DATABASE_CONNECTIONS", "many"]);
}

#[tokio::test]
async fn the_rights_that_a_role_lacks_are_named_with_their_grants() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    let role = NarrowRole::create(&env).await;
    // migrated by another role
    let output = role.run(&env, &["serve"]);
    for grant in [
        "GRANT TEMPORARY ON DATABASE",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES",
        "GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES",
    ] {
        assert!(output.contains(grant) && output.contains(&role.name), "{grant}: {output}");
    }
    let output = role.run(&env, &["doctor"]);
    assert!(output.contains("lacks SELECT, INSERT, UPDATE, DELETE on `alias_events`"), "{output}");
    let output = role.run(&env, &["migrate"]);
    assert!(output.contains("GRANT CREATE ON SCHEMA public") && output.contains("AUTHORIZATION"), "{output}");
    assert!(output.contains("GRANT TEMPORARY ON DATABASE"), "{output}");
    let output = env.command("aprendiz-worker").env("DATABASE_URL", &role.url).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success() && text.contains("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES"), "{text}");
    // with these rights it can be used
    let grants = format!(
        "GRANT TEMPORARY ON DATABASE {database} TO {name};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name};
         GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {name}",
        database = role.database,
        name = role.name
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(grants)).execute(env.pool()).await.unwrap();
    let output = role.run(&env, &["doctor"]);
    assert!(output.contains("all migrations are applied") && !output.contains("GRANT"), "{output}");
    role.drop(&env).await;
}

#[tokio::test]
async fn a_database_without_utf8_is_refused() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("{}_{}", database_name(env.database.url()), encoding.to_lowercase());
        let create = format!("CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(env.pool()).await.unwrap();
        let url = env.database.url().replace(&database_name(env.database.url()), &name);
        for command in ["migrate", "doctor"] {
            let output = env.command("aprendiz").arg(command).env("DATABASE_URL", &url).output().unwrap();
            let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(!output.status.success() && text.contains(&format!("encoding {encoding}, and only UTF8")), "{command}: {text}");
        }
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(env.pool()).await.unwrap();
    }
}

/// A role without rights on the tables of the test's database.
struct NarrowRole {
    name: String,
    database: String,
    url: String,
}

impl NarrowRole {
    async fn create(env: &TestEnv) -> Self {
        let database = database_name(env.database.url());
        let name = format!("narrow_{database}");
        let create = format!(
            "CREATE ROLE {name} LOGIN PASSWORD 'narrow'; REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;
             REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(env.pool()).await.unwrap();
        let (_, address) = env.database.url().rsplit_once('@').expect("the URL has a user");
        Self { url: format!("postgres://{name}:narrow@{address}"), name, database }
    }

    /// Output of a command that runs as this role.
    fn run(&self, env: &TestEnv, arguments: &[&str]) -> String {
        let mut command = env.command("aprendiz");
        let output = command.args(arguments).env("DATABASE_URL", &self.url).env("APRENDIZ_LISTEN", "127.0.0.1:0").output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    async fn drop(self, env: &TestEnv) {
        let drop = format!("DROP OWNED BY {name}; DROP ROLE {name}", name = self.name);
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(env.pool()).await.unwrap();
    }
}

fn database_name(url: &str) -> String {
    let (_, name) = url.rsplit_once('/').expect("the URL has a database");
    name.split('?').next().unwrap_or(name).to_owned()
}

/// Starts the server and a worker with one variable changed. Both must fail, and their output must contain these texts.
fn check_start_fails(env: &TestEnv, variable: &str, value: &str, named: &[&str]) {
    let start = |command: &mut Command| {
        command.env(variable, value).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    };
    // both at once, because each waits a few seconds for an unavailable database
    let started =
        [start(env.command("aprendiz").arg("serve").env("APRENDIZ_LISTEN", "127.0.0.1:0")), start(&mut env.command("aprendiz-worker"))];
    for (child, name) in started.into_iter().zip(["serve", "worker"]) {
        let output = child.wait_with_output().expect("the binary exits");
        let output_text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{name}: {output_text}");
        for text in named {
            assert!(output_text.contains(text), "{name} does not print {text}: {output_text}");
        }
        assert!(!output_text.contains(PASSWORD), "{name}: {output_text}");
        let valid = env.database.url();
        let secret = valid.split_once("://").and_then(|(_, rest)| rest.split_once('@')).and_then(|(user, _)| user.split_once(':'));
        assert!(secret.is_none_or(|(_, password)| !output_text.contains(password)), "{name}: {output_text}");
    }
}
