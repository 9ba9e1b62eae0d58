//! Sessions of the web interface.

use std::time::Duration;

use aprendiz_db::Scope;
use aprendiz_runs::{
    ApiKey, ApiKeyGrant, CreatedWebSession, NewWebSession, Role, WebSessionFilter, authenticate, authenticate_web_session, create_api_key,
    create_web_session, end_all_web_sessions, end_web_session, list_web_sessions, prune_web_sessions, revoke_api_key, revoke_web_session,
    touch_web_session,
};
use sqlx::PgConnection;

use crate::fixture::Fixture;

const IDLE: Duration = Duration::from_secs(8 * 3_600);
const LIFETIME: Duration = Duration::from_secs(7 * 86_400);

async fn key(conn: &mut PgConnection, name: &str) -> ApiKey {
    let key = create_api_key(conn, ApiKeyGrant { name, role: Role::Operator, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    authenticate(conn, &key.secret).await.unwrap().unwrap()
}

async fn sign_in(conn: &mut PgConnection, key: &ApiKey, replaced: Option<&str>) -> CreatedWebSession {
    let session = NewWebSession { user_agent: Some("browser"), address: Some("192.0.2.1".to_owned()), lifetime: LIFETIME, replaced };
    create_web_session(conn, key, &session).await.unwrap().unwrap()
}

async fn is_valid(conn: &mut PgConnection, session: &CreatedWebSession) -> bool {
    authenticate_web_session(conn, &session.token, IDLE).await.unwrap().is_some()
}

async fn count(conn: &mut PgConnection, key: Option<&ApiKey>) -> usize {
    let filter = WebSessionFilter { key_id: key.map(|key| key.id), current: None, after: None };
    list_web_sessions(conn, &filter, IDLE, 1_000).await.unwrap().len()
}

#[tokio::test]
async fn a_session_has_the_key_that_signed_in_and_its_token_is_not_stored() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let key = key(conn, "ana's browser").await;
    let session = sign_in(conn, &key, None).await;
    assert_eq!(session.token.len(), 64);
    let found = authenticate_web_session(conn, &session.token, IDLE).await.unwrap().unwrap();
    assert_eq!((found.id, found.key.id, found.key.name.as_str(), found.key.role), (session.id, key.id, "ana's browser", Role::Operator));
    assert_eq!(found.expires_at, session.expires_at);
    for (table, rows) in fixture.rows().await {
        assert!(!rows.iter().any(|row| row.contains(&session.token)), "{table}");
    }
    let hash: String = sqlx::query_scalar("SELECT token_sha256 FROM web_sessions").fetch_one(&mut *conn).await.unwrap();
    for wrong in ["", &hash, &session.id.to_string(), &session.token.to_uppercase()] {
        assert!(authenticate_web_session(conn, wrong, IDLE).await.unwrap().is_none(), "{wrong}");
    }
    // the token is not a key
    assert!(authenticate(conn, &session.token).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_expires_when_it_is_not_used_and_at_the_latest_at_its_absolute_expiry() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let key = key(conn, "ana").await;
    let session = sign_in(conn, &key, None).await;
    fixture.execute("UPDATE web_sessions SET last_used_at = now() - interval '7 hours'").await.unwrap();
    let found = authenticate_web_session(conn, &session.token, IDLE).await.unwrap().unwrap();
    assert!(found.is_use_due);
    assert!(touch_web_session(conn, found.id).await.unwrap());
    let found = authenticate_web_session(conn, &session.token, IDLE).await.unwrap().unwrap();
    assert!(!found.is_use_due, "a use is written once a minute at most");

    fixture.execute("UPDATE web_sessions SET last_used_at = now() - interval '8 hours 1 second'").await.unwrap();
    assert!(!is_valid(conn, &session).await);
    assert_eq!(count(conn, None).await, 0);
    fixture
        .execute(
            "UPDATE web_sessions SET last_used_at = now(), created_at = now() - interval '8 days', expires_at = now() - interval '1 s'",
        )
        .await
        .unwrap();
    assert!(!is_valid(conn, &session).await);
    assert_eq!(count(conn, None).await, 0);
    assert_eq!(prune_web_sessions(conn, IDLE).await.unwrap(), 1);
    assert!(!touch_web_session(conn, session.id).await.unwrap(), "it has ended");
}

#[tokio::test]
async fn a_revoked_key_ends_its_sessions_at_once() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let (revoked, other) = (key(conn, "ana").await, key(conn, "ben").await);
    let (ended, kept) = (sign_in(conn, &revoked, None).await, sign_in(conn, &other, None).await);
    assert!(revoke_api_key(&mut *fixture.conn().await, revoked.id, "ana").await.unwrap());
    assert!(!is_valid(conn, &ended).await && is_valid(conn, &kept).await);
    assert!(create_web_session(conn, &revoked, &NewWebSession { lifetime: LIFETIME, ..NewWebSession::default() }).await.unwrap().is_none());
    assert_eq!(count(conn, None).await, 1);
    assert_eq!(prune_web_sessions(conn, IDLE).await.unwrap(), 1);
    assert_eq!(prune_web_sessions(conn, IDLE).await.unwrap(), 0);
    assert!(is_valid(conn, &kept).await);
}

#[tokio::test]
async fn a_sign_in_ends_the_earlier_session_of_the_browser() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let key = key(conn, "ana").await;
    let first = sign_in(conn, &key, None).await;
    let second = sign_in(conn, &key, Some(&first.token)).await;
    assert_ne!(first.token, second.token);
    assert!(!is_valid(conn, &first).await && is_valid(conn, &second).await);
}

#[tokio::test]
async fn sessions_end_by_sign_out_and_by_revocation_and_leave_audit_rows() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let (ana, ben) = (key(conn, "ana").await, key(conn, "ben").await);
    let sessions = [sign_in(conn, &ana, None).await, sign_in(conn, &ana, None).await, sign_in(conn, &ana, None).await];
    let of_ben = sign_in(conn, &ben, None).await;
    assert_eq!((count(conn, Some(&ana)).await, count(conn, Some(&ben)).await, count(conn, None).await), (3, 1, 4));

    assert!(end_web_session(conn, sessions[0].id, "ana").await.unwrap());
    assert!(!end_web_session(conn, sessions[0].id, "ana").await.unwrap(), "it has ended");
    assert!(!revoke_web_session(conn, of_ben.id, Some(ana.id), "ana").await.unwrap(), "it belongs to another key");
    assert!(is_valid(conn, &of_ben).await);
    assert!(revoke_web_session(conn, of_ben.id, None, "admin").await.unwrap());
    assert!(!is_valid(conn, &of_ben).await);
    assert_eq!(end_all_web_sessions(conn, &ana).await.unwrap(), 2);
    assert_eq!(end_all_web_sessions(conn, &ana).await.unwrap(), 0);
    assert_eq!(count(conn, None).await, 0);
    let actions: Vec<String> = sqlx::query_scalar(
        "SELECT actor || ' ' || action FROM audit_log WHERE action LIKE 'session.%' AND action <> 'session.create' ORDER BY id",
    )
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    assert_eq!(actions, ["ana session.end", "admin session.revoke", "ana session.end_all"]);
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action = 'session.create'").await, 4);
}

#[tokio::test]
async fn the_number_of_sessions_of_a_key_is_bounded() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let key = key(conn, "ana").await;
    let first = sign_in(conn, &key, None).await;
    for _ in 0..100 {
        sign_in(conn, &key, None).await;
    }
    assert_eq!(count(conn, Some(&key)).await, 100);
    assert!(!is_valid(conn, &first).await);
}
