//! Browsers: sign-in with an API key, the cookie in place of the key, protection against forged requests, and the embedded page.

use aprendiz_test_support::{Api, wait_until};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::fixture::{TIMEOUT, TestApp, expect_json, text};

/// A browser that has signed in.
struct Browser {
    client: Client,
    url: String,
    /// `name=value`, as it is sent.
    cookie: String,
    csrf_token: String,
    state: Value,
}

impl Browser {
    async fn sign_in(app: &TestApp, key: &str) -> Self {
        let response = post_session(app, key).send().await.expect("the API answers");
        assert_eq!(response.status(), 201);
        let cookie = set_cookie(&response);
        assert!(cookie.starts_with("aprendiz_session=") && cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        // plain HTTP to a loopback address
        assert!(cookie.contains("Path=/;") && !cookie.contains("Secure"), "{cookie}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let state: Value = response.json().await.unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { client: Client::new(), url: app.server.url().to_owned(), cookie, csrf_token: text(&state["csrf_token"]), state }
    }

    /// A request with the cookie only.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).header("cookie", &self.cookie)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A request with the cookie and the token of the page.
    fn change(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("x-csrf-token", &self.csrf_token).header("sec-fetch-site", "same-origin")
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).send().await.expect("the API answers").status().as_u16()
    }
}

fn post_session(app: &TestApp, key: &str) -> RequestBuilder {
    Client::new().post(format!("{}/v1/session", app.server.url())).json(&json!({ "api_key": key }))
}

fn set_cookie(response: &Response) -> String {
    response.headers()["set-cookie"].to_str().unwrap().to_owned()
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("the API answers")
}

fn field() -> Value {
    json!({ "kind": "categorical", "cardinality": "one", "allowed_values": ["red"] })
}

#[tokio::test]
async fn a_browser_signs_in_uses_every_route_with_its_cookie_and_signs_out() {
    let app = TestApp::start().await;
    let browser = Browser::sign_in(&app, &app.env.create_key("reviewer")).await;
    assert_eq!((&browser.state["actor"]["name"], &browser.state["actor"]["role"]), (&json!("reviewer"), &json!("reviewer")));
    let shown = send(browser.get("/v1/session")).await;
    assert_eq!(shown.headers()["cache-control"], "no-store");
    assert_eq!(shown.json::<Value>().await.unwrap(), browser.state);

    let fields = send(browser.get("/v1/fields")).await;
    assert_eq!(fields.status(), 200);
    assert_eq!(
        (&fields.headers()["vary"], &fields.headers()["cache-control"]),
        (&"cookie".parse().unwrap(), &"private, no-cache".parse().unwrap())
    );
    expect_json(browser.change(Method::PUT, "/v1/fields/colour").json(&field()), 200).await;
    // the role is that of the key
    let problem = expect_json(browser.change(Method::POST, "/v1/training-runs").json(&json!({ "model": "m" })), 403).await;
    assert_eq!(problem["code"], "forbidden");
    assert_eq!(browser.status("/v1/audit-log").await, 403);
    let actor: String =
        sqlx::query_scalar("SELECT actor FROM audit_log WHERE action = 'field.declare'").fetch_one(app.pool()).await.unwrap();
    assert_eq!(actor, "reviewer");

    let ended = send(browser.change(Method::DELETE, "/v1/session")).await;
    assert_eq!(ended.status(), 204);
    let cleared = set_cookie(&ended);
    assert!(cleared.starts_with("aprendiz_session=;") && cleared.contains("Max-Age=0"), "{cleared}");
    assert_eq!((browser.status("/v1/session").await, browser.status("/v1/fields").await), (401, 401));
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit_log WHERE action LIKE 'session.%' AND actor = 'reviewer' ORDER BY id")
            .fetch_all(app.pool())
            .await
            .unwrap();
    assert_eq!(actions, ["session.create", "session.end"]);
    app.finish().await;
}

#[tokio::test]
async fn a_change_needs_the_token_of_the_session_and_the_origin_of_the_server() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_CORS_ORIGINS", "https://spa.example.org")]).await;
    let browser = Browser::sign_in(&app, &app.env.create_key("operator")).await;
    let other = Browser::sign_in(&app, &app.env.create_key("viewer")).await;
    let put = |request: RequestBuilder| request.json(&field());
    let path = "/v1/fields/colour";
    let plain = || browser.request(Method::PUT, path);
    let with_token = || plain().header("x-csrf-token", &browser.csrf_token);
    let own_origin = app.server.url();
    for (what, refused) in [
        ("no token", plain()),
        ("the token of another session", plain().header("x-csrf-token", &other.csrf_token)),
        ("another site", with_token().header("sec-fetch-site", "cross-site")),
        ("a neighbouring host", with_token().header("sec-fetch-site", "same-site")),
        ("another origin", with_token().header("origin", "https://attacker.example")),
        ("an origin that may call the API with a key", with_token().header("origin", "https://spa.example.org")),
    ] {
        let response = send(put(refused)).await;
        assert_eq!(response.status(), 403, "{what}");
        assert!(!response.headers().contains_key("access-control-allow-credentials"), "{what}");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "csrf", "{what}");
    }
    assert_eq!(app.count("SELECT count(*) FROM fields").await, 0);
    expect_json(put(with_token().header("origin", own_origin)), 200).await;
    expect_json(put(with_token()), 200).await;
    // an API key is sent by no browser on its own, so it needs no token, and the cookie is ignored
    let key = app.env.create_key("reviewer");
    expect_json(put(plain().header("x-api-key", &key)), 200).await;
    expect_json(browser.get("/v1/fields").header("x-api-key", "apz_wrong"), 401).await;
    expect_json(browser.get("/v1/session").header("x-api-key", &key), 401).await;
    // a page of another origin cannot sign the browser in as somebody else
    let forged = post_session(&app, &key).header("sec-fetch-site", "cross-site");
    assert_eq!(expect_json(forged, 403).await["code"], "csrf");
    app.finish().await;
}

#[tokio::test]
async fn a_sign_in_makes_a_new_token_and_ends_the_earlier_session_of_the_browser() {
    let app = TestApp::start().await;
    let key = app.env.create_key("viewer");
    let first = Browser::sign_in(&app, &key).await;
    let planted = format!("aprendiz_session={}", "0".repeat(64));
    let response = send(post_session(&app, &key).header("cookie", &planted)).await;
    assert!(!set_cookie(&response).starts_with(&planted), "a token that a client chose is never used");
    let second = send(post_session(&app, &key).header("cookie", &first.cookie)).await;
    assert_eq!(second.status(), 201);
    assert!(!set_cookie(&second).starts_with(&first.cookie));
    assert_eq!(first.status("/v1/session").await, 401);
    app.finish().await;
}

#[tokio::test]
async fn a_revoked_key_and_expiry_end_sessions_at_once() {
    let app = TestApp::start().await;
    let (viewer, operator) = (app.env.create_key("viewer"), app.env.create_key("operator"));
    let (revoked, kept) = (Browser::sign_in(&app, &viewer).await, Browser::sign_in(&app, &operator).await);
    assert_eq!(revoked.status("/v1/fields").await, 200);
    app.cli(&["api-key", "revoke", "viewer"]);
    assert_eq!((revoked.status("/v1/fields").await, kept.status("/v1/fields").await), (401, 200));
    app.execute("UPDATE web_sessions SET last_used_at = now() - interval '9 hours'").await;
    assert_eq!(kept.status("/v1/fields").await, 401);
    let again = Browser::sign_in(&app, &operator).await;
    app.execute("UPDATE web_sessions SET created_at = now() - interval '8 days', expires_at = now() - interval '1 second'").await;
    assert_eq!(again.status("/v1/fields").await, 401);
    app.finish().await;
}

#[tokio::test]
async fn a_key_lists_and_ends_its_own_sessions_and_an_admin_all() {
    let app = TestApp::start().await;
    let (viewer, operator) = (app.env.create_key("viewer"), app.env.create_key("operator"));
    let (first, second) = (Browser::sign_in(&app, &viewer).await, Browser::sign_in(&app, &viewer).await);
    let other = Browser::sign_in(&app, &operator).await;
    let listed = expect_json(first.get("/v1/sessions"), 200).await;
    let sessions = listed["items"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{listed}");
    assert!(sessions.iter().all(|session| session["key_name"] == "viewer" && session["address"] == "127.0.0.1"), "{listed}");
    let current: Vec<bool> = sessions.iter().map(|session| session["is_current"] == true).collect();
    assert_eq!(current, [false, true], "{listed}");
    assert_eq!(expect_json(first.get("/v1/sessions?all=true"), 403).await["code"], "forbidden");
    let all = app.api().json("/v1/sessions?all=true&limit=2").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let rest = app.api().json(&format!("/v1/sessions?all=true&cursor={}", text(&all["next_cursor"]))).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest}");

    let of_other = text(&expect_json(other.get("/v1/sessions"), 200).await["items"][0]["id"]);
    expect_json(first.change(Method::DELETE, &format!("/v1/sessions/{of_other}")), 404).await;
    assert_eq!(other.status("/v1/fields").await, 200);
    let of_second = text(&sessions[0]["id"]);
    assert_eq!(send(first.change(Method::DELETE, &format!("/v1/sessions/{of_second}"))).await.status(), 204);
    assert_eq!((second.status("/v1/fields").await, first.status("/v1/fields").await), (401, 200));
    assert_eq!(send(app.api().request(Method::DELETE, &format!("/v1/sessions/{of_other}"))).await.status(), 204);
    assert_eq!(other.status("/v1/fields").await, 401);

    // the command line has the key of an admin
    let third = Browser::sign_in(&app, &operator).await;
    let listed = app.cli(&["web-session", "list", "--all"]);
    let of_third = text(&listed[0]["id"]);
    assert_eq!((&listed[0]["key_name"], app.cli(&["web-session", "list"])), (&json!("operator"), json!([])), "{listed}");
    assert_eq!(app.cli(&["web-session", "revoke", &of_third[24..]])["id"], json!(of_third));
    assert_eq!(third.status("/v1/fields").await, 401);
    assert_eq!(app.cli(&["web-session", "revoke", "--mine"])["ended"], 0);

    // sign out everywhere, with the key itself
    Browser::sign_in(&app, &viewer).await;
    let by_key: Api = app.server.api_as(&viewer);
    assert_eq!(expect_json(by_key.request(Method::DELETE, "/v1/sessions"), 200).await["ended"], 2);
    assert_eq!(first.status("/v1/fields").await, 401);
    expect_json(by_key.get("/v1/fields"), 200).await;
    let actions: Vec<String> = sqlx::query_scalar(
        "SELECT actor || ' ' || action FROM audit_log WHERE action LIKE 'session.%' AND action <> 'session.create' ORDER BY id",
    )
    .fetch_all(app.pool())
    .await
    .unwrap();
    assert_eq!(actions, ["viewer session.revoke", "admin session.revoke", "admin session.revoke", "viewer session.end_all"]);
    app.finish().await;
}

#[tokio::test]
async fn wrong_keys_at_sign_in_count_as_failed_authentications() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE", "5")]).await;
    let key = app.env.create_key("viewer");
    let browser = Browser::sign_in(&app, &key).await;
    // a session that has ended is no failure
    let ended = format!("aprendiz_session={}", "0".repeat(64));
    for _ in 0..20 {
        let old = Client::new().get(format!("{}/v1/fields", app.server.url())).header("cookie", &ended);
        assert_eq!(send(old).await.status(), 401);
    }
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(send(post_session(&app, "apz_guess")).await.status().as_u16());
    }
    assert!(statuses[0] == 401 && statuses.contains(&429), "{statuses:?}");
    // what was valid before stays usable
    assert_eq!(browser.status("/v1/fields").await, 200);
    assert_eq!(send(post_session(&app, &key)).await.status(), 201);
    app.finish().await;
}

#[tokio::test]
async fn the_sweeper_deletes_sessions_that_have_ended() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_SWEEP_EVERY_SECONDS", "1")]).await;
    let key = app.env.create_key("viewer");
    Browser::sign_in(&app, &key).await;
    app.execute("UPDATE web_sessions SET last_used_at = now() - interval '9 hours'").await;
    let kept = Browser::sign_in(&app, &key).await;
    wait_until("the deletion of the session", TIMEOUT, async || (app.count("SELECT count(*) FROM web_sessions").await == 1).then_some(()))
        .await;
    assert_eq!(kept.status("/v1/session").await, 200);
    app.finish().await;
}

#[tokio::test]
async fn the_page_is_served_without_a_key_and_unknown_routes_stay_problems() {
    let app = TestApp::start().await;
    let (client, url) = (Client::new(), app.server.url());
    let page = send(client.get(format!("{url}/"))).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    let view = send(client.get(format!("{url}/runs/1")).header("accept", "text/html,*/*;q=0.8")).await;
    assert_eq!((view.status().as_u16(), &view.headers()["content-type"]), (200, &"text/html; charset=utf-8".parse().unwrap()));
    for path in ["/v1/none", "/v2/models", "/jobs/1/none", "/assets/none.js"] {
        let response = send(client.get(format!("{url}{path}")).header("accept", "text/html")).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
    }
    assert_eq!(send(client.get(format!("{url}/model"))).await.status(), 404);
    app.finish().await;
}
