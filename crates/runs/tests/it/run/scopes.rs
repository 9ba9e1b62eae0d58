//! Keys that are limited to projects, and the runs and models in their scope.

use aprendiz_db::Scope;
use aprendiz_runs::{
    ApiKeyGrant, NewModelVersion, NewWebSession, Role, RunFilter, RunId, RunsError, authenticate, authenticate_web_session, create_api_key,
    create_web_session, find_run, is_model_in_scope, is_model_name_in_scope, list_api_keys, list_models, list_runs, publish,
};
use std::time::Duration;

use crate::fixture::Fixture;

fn projects(names: &[&str]) -> Scope {
    Scope::Projects(names.iter().map(|name| (*name).to_owned()).collect())
}

#[tokio::test]
async fn a_key_and_its_sessions_have_its_projects() {
    let fixture = Fixture::new().await;
    let conn = &mut *fixture.conn().await;
    let scope = projects(&["a", "b"]);
    let created =
        create_api_key(conn, ApiKeyGrant { name: "spa", role: Role::Viewer, scope: &scope, expires_at: None }, "ana").await.unwrap();
    let key = authenticate(conn, &created.secret).await.unwrap().unwrap();
    assert_eq!(key.scope(), scope);
    let session = NewWebSession { lifetime: Duration::from_mins(10), ..NewWebSession::default() };
    let session = create_web_session(conn, &key, &session).await.unwrap().unwrap();
    let found = authenticate_web_session(conn, &session.token, Duration::from_mins(1)).await.unwrap().unwrap();
    assert_eq!(found.key.scope(), scope);
    create_api_key(conn, ApiKeyGrant { name: "all", role: Role::Viewer, scope: &Scope::All, expires_at: None }, "ana").await.unwrap();
    create_api_key(conn, ApiKeyGrant { name: "none", role: Role::Viewer, scope: &projects(&[]), expires_at: None }, "ana").await.unwrap();
    let listed: Vec<Scope> = list_api_keys(conn).await.unwrap().iter().map(aprendiz_runs::ApiKey::scope).collect();
    assert_eq!(listed, [projects(&[]), Scope::All, scope]);
}

async fn publish_in(fixture: &Fixture, model: &str, project: &str) -> RunId {
    let id = fixture
        .create_run_with(|spec| {
            spec.model = model.parse().unwrap();
            spec.data.filter.project = Some(project.to_owned());
        })
        .await;
    let attempt = fixture.claim_run(id).await;
    let trained = fixture.trained(attempt, &[]).await;
    let version = NewModelVersion { model, ..trained.version() };
    publish(&mut *fixture.conn().await, attempt, Some(&version), &[]).await.unwrap();
    id
}

#[tokio::test]
async fn a_run_is_in_the_scope_of_its_projects_and_a_model_in_that_of_all_its_versions() {
    let fixture = Fixture::new().await;
    let of_a = publish_in(&fixture, "contracts", "a").await;
    let of_b = publish_in(&fixture, "leases", "b").await;
    let of_all = fixture.create_run_with(|spec| spec.model = "everything".parse().unwrap()).await;
    let conn = &mut *fixture.conn().await;
    let a = projects(&["a"]);
    assert_eq!(find_run(conn, &a, of_a).await.unwrap().id, of_a);
    for other in [of_b, of_all] {
        assert!(matches!(find_run(conn, &a, other).await, Err(RunsError::UnknownRun(id)) if id == other));
        assert!(matches!(find_run(conn, &projects(&[]), other).await, Err(RunsError::UnknownRun(_))));
    }
    for (scope, expected) in [(&a, vec![of_a]), (&projects(&["a", "b"]), vec![of_b, of_a]), (&Scope::All, vec![of_all, of_b, of_a])] {
        let listed: Vec<RunId> = list_runs(conn, scope, &RunFilter::default(), 10).await.unwrap().iter().map(|run| run.id).collect();
        assert_eq!(listed, expected, "{scope:?}");
    }
    let models: Vec<String> = list_models(conn, &a, None, 10).await.unwrap().into_iter().map(|model| model.name).collect();
    assert_eq!(models, ["contracts"]);
    for (name, is_in_scope, may_be_used) in
        [("contracts", true, true), ("leases", false, false), ("everything", false, false), ("new", false, true)]
    {
        assert_eq!(is_model_in_scope(conn, &a, name).await.unwrap(), is_in_scope, "{name}");
        assert_eq!(is_model_name_in_scope(conn, &a, name).await.unwrap(), may_be_used, "{name}");
    }

    // a version of another project, which only a key for both can publish, takes the model and its runs out of both scopes
    fixture
        .execute(&format!(
            "UPDATE training_runs SET status = 'cancelled', cancel_requested_at = now(), finished_at = now() WHERE id = '{of_all}'"
        ))
        .await
        .unwrap();
    publish_in(&fixture, "contracts", "b").await;
    assert!(!is_model_in_scope(conn, &a, "contracts").await.unwrap());
    assert!(list_models(conn, &a, None, 10).await.unwrap().is_empty());
    assert!(matches!(find_run(conn, &a, of_a).await, Err(RunsError::UnknownRun(_))));
    assert_eq!(find_run(conn, &projects(&["a", "b"]), of_a).await.unwrap().id, of_a);
}
