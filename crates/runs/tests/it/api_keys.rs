//! API keys.

use aprendiz_runs::{Role, authenticate, create_api_key, list_api_keys, revoke_api_key};
use uuid::Uuid;

use crate::fixture::Fixture;

#[tokio::test]
async fn a_key_authenticates_until_it_is_revoked() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let key = create_api_key(conn, "spa", Role::Operator, "ana").await.unwrap();
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
    let key = create_api_key(conn, "spa", Role::Viewer, "ana").await.unwrap();
    let hash: String = sqlx::query_scalar("SELECT key_sha256 FROM api_keys").fetch_one(&mut *conn).await.unwrap();
    for wrong in ["", "apz_", &hash, &key.id.to_string(), &key.secret.to_uppercase(), &format!("{} ", key.secret)] {
        assert!(authenticate(conn, wrong).await.unwrap().is_none(), "{wrong}");
    }
}

#[tokio::test]
async fn the_secret_is_not_stored() {
    let fixture = Fixture::new().await;
    let key = create_api_key(&mut *fixture.conn().await, "spa", Role::Admin, "ana").await.unwrap();
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
    let first = create_api_key(conn, "spa", Role::Viewer, "ana").await.unwrap();
    let second = create_api_key(conn, "spa", Role::Viewer, "ana").await.unwrap();
    assert_ne!(first.secret, second.secret);
    assert_eq!(authenticate(conn, &second.secret).await.unwrap().unwrap().id, second.id);
}
