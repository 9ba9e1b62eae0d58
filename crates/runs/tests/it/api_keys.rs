//! API keys.

use aprendiz_db::Scope;
use aprendiz_runs::{
    ApiKeyGrant, AuditFilter, NewWebSession, Role, RunsError, authenticate, create_api_key, create_web_session, find_active_api_key,
    list_api_keys, list_audit, record_audit, revoke_api_key, revoke_api_key_but_the_last,
};
use uuid::Uuid;

use crate::fixture::Fixture;

#[tokio::test]
async fn a_key_authenticates_until_it_is_revoked() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let key =
        create_api_key(conn, ApiKeyGrant { name: "spa", role: Role::Operator, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    let found = authenticate(conn, &key.secret).await.unwrap().unwrap();
    assert_eq!((found.id, found.name.as_str(), found.role, found.created_by.as_str()), (key.id, "spa", Role::Operator, "ana"));

    // on another connection: nothing is cached
    assert!(revoke_api_key(&mut *fixture.conn().await, key.id, "ana").await.unwrap());
    assert!(authenticate(conn, &key.secret).await.unwrap().is_none());
    assert!(!revoke_api_key(conn, key.id, "ana").await.unwrap(), "already revoked");
    assert!(!revoke_api_key(conn, Uuid::now_v7(), "ana").await.unwrap(), "unknown key");
    let listed = list_api_keys(conn).await.unwrap();
    assert!(listed.len() == 1 && listed[0].revoked_at.is_some());
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action IN ('api_key.create', 'api_key.revoke')").await, 2);
}

#[tokio::test]
async fn an_invalid_secret_does_not_authenticate() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let key =
        create_api_key(conn, ApiKeyGrant { name: "spa", role: Role::Viewer, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    let hash: String = sqlx::query_scalar("SELECT key_sha256 FROM api_keys").fetch_one(&mut *conn).await.unwrap();
    for wrong in ["", "apz_", &hash, &key.id.to_string(), &key.secret.to_uppercase(), &format!("{} ", key.secret)] {
        assert!(authenticate(conn, wrong).await.unwrap().is_none(), "{wrong}");
    }
}

#[tokio::test]
async fn the_secret_is_not_stored() {
    let fixture = Fixture::new().await;
    let key = create_api_key(
        &mut *fixture.conn().await,
        ApiKeyGrant { name: "spa", role: Role::Admin, scope: &Scope::All, expires_at: None },
        "ana",
    )
    .await
    .unwrap();
    let random = key.secret.strip_prefix("apz_").unwrap();
    assert_eq!(random.len(), 64);
    for (table, rows) in fixture.rows().await {
        assert!(!rows.iter().any(|row| row.contains(random)), "{table}");
    }
}

#[tokio::test]
async fn secrets_are_unique() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let first =
        create_api_key(conn, ApiKeyGrant { name: "spa", role: Role::Viewer, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    let second =
        create_api_key(conn, ApiKeyGrant { name: "spa 2", role: Role::Viewer, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    assert_ne!(first.secret, second.secret);
    assert_eq!(authenticate(conn, &second.secret).await.unwrap().unwrap().id, second.id);
}

#[tokio::test]
async fn active_keys_have_different_names_and_the_audit_log_names_the_key() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let first =
        create_api_key(conn, ApiKeyGrant { name: "spa", role: Role::Viewer, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    let refused = create_api_key(conn, ApiKeyGrant { name: "spa", role: Role::Admin, scope: &Scope::All, expires_at: None }, "ana")
        .await
        .unwrap_err();
    assert!(matches!(&refused, RunsError::KeyNameTaken(name) if name == "spa"), "{refused}");
    record_audit(conn, "spa", "test.change", "before", &serde_json::json!({})).await.unwrap();

    assert_eq!(find_active_api_key(conn, "spa").await.unwrap().unwrap().id, first.id);
    assert_eq!(find_active_api_key(conn, &first.id.to_string()).await.unwrap().unwrap().id, first.id);
    assert!(revoke_api_key(conn, first.id, "ana").await.unwrap());
    assert!(find_active_api_key(conn, "spa").await.unwrap().is_none());
    let second =
        create_api_key(conn, ApiKeyGrant { name: "spa", role: Role::Viewer, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    record_audit(conn, "spa", "test.change", "after", &serde_json::json!({})).await.unwrap();
    record_audit(conn, "command line", "test.change", "local", &serde_json::json!({})).await.unwrap();

    let filter = AuditFilter { action: Some("test.change".to_owned()), ..AuditFilter::default() };
    let entries = list_audit(conn, &filter, 10).await.unwrap();
    let keys: Vec<(&str, Option<Uuid>)> = entries.iter().map(|entry| (entry.subject.as_str(), entry.key_id)).collect();
    assert_eq!(keys, [("local", None), ("after", Some(second.id)), ("before", Some(first.id))]);
}

#[tokio::test]
async fn the_migration_renames_all_but_the_oldest_active_key_of_a_name() {
    let fixture = Fixture::new().await;
    fixture.execute("DROP INDEX api_keys_active_name").await.unwrap();
    let insert = async |number: u32, revoked: bool| {
        let sql = "INSERT INTO api_keys (id, name, role, key_sha256, created_at, created_by, revoked_at)
                   VALUES ($1, 'spa', 'viewer', $2, make_timestamptz(2026, 1, $3, 0, 0, 0), 'ana', CASE WHEN $4 THEN now() END)";
        let id = Uuid::from_u128(u128::from(number));
        let hash = format!("{number:064x}");
        sqlx::query(sql).bind(id).bind(hash).bind(number as i32).bind(revoked).execute(fixture.pool()).await.unwrap();
    };
    for (number, revoked) in [(1, true), (2, false), (3, false), (4, true), (5, false)] {
        insert(number, revoked).await;
    }
    let migration = include_str!("../../../../migrations/0031_key_names_and_worker_hosts.up.sql");
    let (names, _) = migration.split_once("ALTER TABLE audit_log").expect("the names come first");
    sqlx::raw_sql(names).execute(fixture.pool()).await.unwrap();
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM api_keys ORDER BY id").fetch_all(fixture.pool()).await.unwrap();
    assert_eq!(names, ["spa", "spa", "spa 000000000003", "spa", "spa 000000000005"]);
}

#[tokio::test]
async fn an_expired_key_is_refused_with_its_name_and_has_no_session() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let in_an_hour = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    let grant = ApiKeyGrant { name: "ci", role: Role::Operator, scope: &Scope::All, expires_at: Some(in_an_hour) };
    let created = create_api_key(conn, grant, "ana").await.unwrap();
    let key = authenticate(conn, &created.secret).await.unwrap().unwrap();
    let session = NewWebSession { lifetime: std::time::Duration::from_secs(86_400), ..NewWebSession::default() };
    let signed_in = create_web_session(conn, &key, &session).await.unwrap().unwrap();
    assert_eq!(Some(signed_in.expires_at), key.expires_at, "a session ends with its key");

    let expire = "UPDATE api_keys SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day'";
    sqlx::query(expire).execute(&mut *conn).await.unwrap();
    let error = authenticate(conn, &created.secret).await.unwrap_err();
    assert!(matches!(&error, RunsError::KeyExpired { name, .. } if name == "ci"), "{error}");
    assert!(create_web_session(conn, &key, &session).await.unwrap().is_none());
    assert!(revoke_api_key(conn, created.id, "ana").await.unwrap(), "its name is free again");
}

#[tokio::test]
async fn the_last_key_that_manages_keys_is_not_revoked() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let limited = Scope::Projects(vec!["p".to_owned()]);
    let admin = |name, scope| ApiKeyGrant { name, role: Role::Admin, scope, expires_at: None };
    let first = create_api_key(conn, admin("first", &Scope::All), "ana").await.unwrap();
    let of_project = create_api_key(conn, admin("limited", &limited), "ana").await.unwrap();
    let refused = revoke_api_key_but_the_last(conn, first.id, "ana").await.unwrap_err();
    assert!(matches!(&refused, RunsError::LastAdminKey(name) if name == "first"), "{refused}");
    assert!(revoke_api_key_but_the_last(conn, of_project.id, "ana").await.unwrap());
    let second = create_api_key(conn, admin("second", &Scope::All), "ana").await.unwrap();
    assert!(revoke_api_key_but_the_last(conn, first.id, "ana").await.unwrap());
    assert!(!revoke_api_key_but_the_last(conn, first.id, "ana").await.unwrap(), "already revoked");
    assert!(revoke_api_key_but_the_last(conn, second.id, "ana").await.is_err());
}
