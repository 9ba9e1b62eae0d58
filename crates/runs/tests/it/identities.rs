//! Identities of an OpenID Connect provider.

use std::time::Duration;

use aprendiz_db::Scope;
use aprendiz_runs::{
    ApiKeyGrant, AuditFilter, IdentityClaims, NewWebSession, Role, RunsError, authenticate_web_session, create_api_key, create_web_session,
    end_sessions_of_identity, find_identity, list_audit, mark_sign_in_used, prune_used_sign_ins, record_audit, register_identity,
    restore_identity, revoke_api_key, sign_in_identity,
};

use crate::fixture::Fixture;

const ISSUER: &str = "https://login.example.org";
const HOUR: Duration = Duration::from_secs(3_600);

fn claims(subject: &'static str, role: Role) -> IdentityClaims<'static> {
    IdentityClaims { issuer: ISSUER, subject, email: Some("ada@example.org"), label: "ada@example.org", role, scope: Scope::All }
}

#[tokio::test]
async fn an_identity_keeps_its_row_and_its_name_and_a_sign_in_changes_its_role() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let first = sign_in_identity(conn, &claims("1", Role::Operator)).await.unwrap();
    assert_eq!((first.name.as_str(), first.role, first.issuer.as_deref()), ("oidc:ada@example.org", Role::Operator, Some(ISSUER)));
    let session = NewWebSession { lifetime: HOUR, ..NewWebSession::default() };
    let session = create_web_session(conn, &first, &session).await.unwrap().unwrap();

    let renamed = IdentityClaims { email: Some("ada@example.com"), label: "ada@example.com", ..claims("1", Role::Viewer) };
    let again = sign_in_identity(conn, &renamed).await.unwrap();
    assert_eq!((again.id, again.name.as_str(), again.email.as_deref()), (first.id, "oidc:ada@example.org", Some("ada@example.com")));
    // all its sessions have the new role
    assert_eq!(authenticate_web_session(conn, &session.token, HOUR).await.unwrap().unwrap().key.role, Role::Viewer);
    // a bearer token finds the identity and changes nothing
    assert_eq!(register_identity(conn, &claims("1", Role::Admin)).await.unwrap().role, Role::Viewer);

    // somebody else with the same address, and somebody with the name of a key
    let other = sign_in_identity(conn, &claims("2", Role::Viewer)).await.unwrap();
    assert!(other.id != first.id && other.name.starts_with("oidc:ada@example.org "), "{}", other.name);
    let key =
        create_api_key(conn, ApiKeyGrant { name: "spa", role: Role::Admin, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    let impostor = IdentityClaims { label: "spa", ..claims("3", Role::Viewer) };
    assert_eq!(sign_in_identity(conn, &impostor).await.unwrap().name, "oidc:spa");
    record_audit(conn, "spa", "test.change", "x", &serde_json::json!({})).await.unwrap();
    record_audit(conn, "oidc:spa", "test.change", "y", &serde_json::json!({})).await.unwrap();
    let filter = AuditFilter { action: Some("test.change".to_owned()), ..AuditFilter::default() };
    let entries = list_audit(conn, &filter, 10).await.unwrap();
    assert_eq!((entries[0].issuer.as_deref(), entries[0].issuer_subject.as_deref()), (Some(ISSUER), Some("3")));
    assert_eq!((entries[1].key_id, entries[1].issuer.as_deref()), (Some(key.id), None));
}

#[tokio::test]
async fn a_revoked_identity_stays_out_until_it_is_restored() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let identity = sign_in_identity(conn, &claims("1", Role::Viewer)).await.unwrap();
    let session = NewWebSession { lifetime: HOUR, ..NewWebSession::default() };
    let session = create_web_session(conn, &identity, &session).await.unwrap().unwrap();
    assert_eq!(end_sessions_of_identity(conn, ISSUER, "1").await.unwrap(), 1);
    assert!(authenticate_web_session(conn, &session.token, HOUR).await.unwrap().is_none());
    assert_eq!(end_sessions_of_identity(conn, ISSUER, "2").await.unwrap(), 0);

    assert!(!restore_identity(conn, identity.id, "ana").await.unwrap());
    assert!(revoke_api_key(conn, identity.id, "ana").await.unwrap());
    for refused in [sign_in_identity(conn, &claims("1", Role::Admin)).await, register_identity(conn, &claims("1", Role::Admin)).await] {
        assert!(matches!(refused, Err(RunsError::IdentityRevoked(_))), "{refused:?}");
    }
    // the name stays taken, so the audit log has no two people of one name
    let other = sign_in_identity(conn, &claims("2", Role::Viewer)).await.unwrap();
    assert_ne!(other.name, identity.name);
    assert!(restore_identity(conn, identity.id, "ana").await.unwrap());
    assert_eq!(sign_in_identity(conn, &claims("1", Role::Viewer)).await.unwrap().id, identity.id);
    // a key is not restored
    let key =
        create_api_key(conn, ApiKeyGrant { name: "spa", role: Role::Admin, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    assert!(revoke_api_key(conn, key.id, "ana").await.unwrap());
    assert!(!restore_identity(conn, key.id, "ana").await.unwrap());
}

#[tokio::test]
async fn concurrent_first_sign_ins_create_one_identity() {
    let fixture = Fixture::new().await;
    let sign_in = async || {
        let mut conn = fixture.conn().await;
        sign_in_identity(&mut conn, &claims("1", Role::Viewer)).await.unwrap().id
    };
    let (first, second, third) = tokio::join!(sign_in(), sign_in(), sign_in());
    assert!(first == second && second == third);
    let mut conn = fixture.conn().await;
    assert_eq!(find_identity(&mut conn, ISSUER, "1").await.unwrap().unwrap().id, first);
}

#[tokio::test]
async fn a_sign_in_is_used_once() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let hash = "0".repeat(64);
    assert!(mark_sign_in_used(conn, &hash, HOUR).await.unwrap());
    assert!(!mark_sign_in_used(conn, &hash, HOUR).await.unwrap());
    assert_eq!(prune_used_sign_ins(conn).await.unwrap(), 0);
    fixture.execute("UPDATE used_sign_ins SET expires_at = now() - interval '1 second'").await.unwrap();
    assert_eq!(prune_used_sign_ins(conn).await.unwrap(), 1);
}
