//! Sign-in with a real OpenID Connect provider, and its tokens in the place of API keys.

use std::collections::BTreeMap;

use aprendiz_test_support::{TestEnv, TestOidcProvider, wait_until};
use reqwest::{Client, Method, Response, redirect};
use serde_json::{Value, json};

use crate::fixture::{TIMEOUT, TestApp, expect_json, text};

/// Maximum number of redirects within the provider.
const MAX_STEPS: usize = 10;
/// Audience of the bearer tokens of the test.
const AUDIENCE: &str = "aprendiz-api";

/// The provider and a server that uses it.
struct Installation {
    provider: TestOidcProvider,
    app: TestApp,
}

/// A browser with the cookies of both sites. It follows no redirect on its own.
struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

/// The callback to which the provider sends a browser.
#[derive(Clone)]
struct Callback(reqwest::Url);

impl Installation {
    /// `None` if the provider cannot run here. It does not run yet.
    async fn prepare() -> Option<Self> {
        let provider = TestOidcProvider::prepare()?;
        let (client, secret) = TestOidcProvider::CLIENT;
        let audiences = format!("{client},{AUDIENCE}");
        let variables = [
            ("APRENDIZ_OIDC_ISSUER", provider.issuer()),
            ("APRENDIZ_OIDC_CLIENT_ID", client.to_owned()),
            ("APRENDIZ_OIDC_CLIENT_SECRET", secret.to_owned()),
            ("APRENDIZ_OIDC_SCOPES", "openid email profile groups".to_owned()),
            ("APRENDIZ_OIDC_TITLE", "Example <Login>".to_owned()),
            ("APRENDIZ_OIDC_ROLES", "admin=ops,viewer=staff".to_owned()),
            ("APRENDIZ_OIDC_AUDIENCE", audiences),
            ("APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE", "1000".to_owned()),
        ];
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let env = TestEnv::start().await;
        Some(Self { provider, app: TestApp { server: env.serve_with(&[], &variables).await, env } })
    }

    async fn start() -> Option<Self> {
        let mut installation = Self::prepare().await?;
        installation.provider.start().await;
        // a check of its health may have found it away, which the server remembers for a moment
        let start = installation.url("/auth/oidc/start?return=/");
        let client = Browser::new().client;
        wait_until("the server reaches the provider", TIMEOUT, async || {
            let response = client.get(&start).send().await.expect("the server answers");
            (response.status() == 303).then_some(())
        })
        .await;
        Some(installation)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app.server.url())
    }

    /// Starts a sign-in and goes through the provider as this account.
    async fn sign_in(&self, browser: &mut Browser, account: &str) -> Callback {
        let start = browser.get(&self.url("/auth/oidc/start?return=/runs%3Fstatus%3Drunning"), None).await;
        assert_eq!(start.status(), 303);
        browser.through_provider(&location(&start), account).await
    }

    /// Status of a route that every role may read.
    async fn status(&self, browser: &Browser, path: &str) -> u16 {
        let request = browser.client.get(self.url(path)).header("cookie", browser.cookie_header());
        request.send().await.expect("the API answers").status().as_u16()
    }

    async fn with_token(&self, token: &str, path: &str) -> Response {
        self.app.server.api_as(token).get(path).send().await.expect("the API answers")
    }

    async fn actions(&self, actor: &str) -> Vec<String> {
        sqlx::query_scalar("SELECT action FROM audit_log WHERE actor = $1 ORDER BY id")
            .bind(actor)
            .fetch_all(self.app.pool())
            .await
            .expect("the audit log can be read")
    }
}

impl Browser {
    fn new() -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().expect("the client can be built");
        Self { client, cookies: BTreeMap::new() }
    }

    fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Requests a page and keeps its cookies. `account` signs in at the provider.
    async fn get(&mut self, url: &str, account: Option<&str>) -> Response {
        let mut request = self.client.get(url).header("cookie", self.cookie_header()).header("accept", "text/html,*/*;q=0.8");
        if let Some(account) = account {
            request = request.header("x-account", account);
        }
        let response = request.send().await.expect("the server answers");
        for cookie in response.headers().get_all("set-cookie") {
            let pair = cookie.to_str().expect("a cookie is text").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie has a value");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    async fn through_provider(&mut self, url: &str, account: &str) -> Callback {
        let mut url = reqwest::Url::parse(url).expect("the location is a URL");
        for _ in 0..MAX_STEPS {
            if url.path() == "/auth/oidc/callback" {
                return Callback(url);
            }
            let response = self.get(url.as_str(), (account != "cancels").then_some(account)).await;
            url = url.join(&location(&response)).expect("the location is a URL");
        }
        panic!("the provider does not send the browser back: {url}");
    }
}

impl Callback {
    fn value(&self, name: &str) -> String {
        self.0.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// The same with another value; empty removes the parameter.
    fn with(&self, name: &str, value: &str) -> String {
        let mut url = self.0.clone();
        let pairs: Vec<(String, String)> = self.0.query_pairs().into_owned().filter(|(found, _)| found != name).collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
        if !value.is_empty() {
            url.query_pairs_mut().append_pair(name, value);
        }
        url.into()
    }
}

fn location(response: &Response) -> String {
    let location = response.headers().get("location").unwrap_or_else(|| panic!("a redirect: {response:?}"));
    location.to_str().expect("a location is text").to_owned()
}

/// The end of a sign-in fails with this text on a page, and without a session.
async fn expect_refused(browser: &mut Browser, url: &str, status: u16, expected: &str) {
    let response = browser.get(url, None).await;
    assert_eq!(response.status(), status, "{expected}");
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert!(!response.headers().contains_key("location"));
    let page = response.text().await.expect("a page");
    assert!(page.contains(expected) && page.contains("Sign-in failed"), "{expected}: {page}");
    assert!(!browser.cookies.contains_key("aprendiz_session"), "{expected}");
}

#[tokio::test]
async fn people_sign_in_with_the_provider_and_have_the_role_of_their_groups() {
    let Some(installation) = Installation::start().await else { return };
    let app = &installation.app;
    let providers = Client::new().get(installation.url("/v1/session/providers")).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(providers, json!([{ "name": "oidc", "title": "Example <Login>", "start": "/auth/oidc/start" }]));

    let mut browser = Browser::new();
    let callback = installation.sign_in(&mut browser, "ada").await;
    let landing = browser.get(callback.0.as_str(), None).await;
    assert_eq!((landing.status().as_u16(), &landing.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    let set: Vec<String> = landing.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    assert!(set.iter().any(|cookie| cookie.starts_with("aprendiz_session=") && cookie.contains("HttpOnly; SameSite=Strict")), "{set:?}");
    assert!(set.iter().any(|cookie| cookie.starts_with("aprendiz_sign_in=;")), "{set:?}");
    // a navigation of this site, with which the browser sends the cookie
    let page = landing.text().await.unwrap();
    assert!(page.contains(r#"<meta http-equiv="refresh" content="0;url=/runs?status=running">"#), "{page}");
    let session = browser.client.get(installation.url("/v1/session")).header("cookie", browser.cookie_header());
    let session: Value = expect_json(session, 200).await;
    assert_eq!((&session["actor"]["name"], &session["actor"]["role"]), (&json!("oidc:ada@example.org"), &json!("admin")), "{session}");

    // what she does has her name, and the provider's
    let field = json!({ "kind": "categorical", "cardinality": "one", "allowed_values": ["red"] });
    let change = browser.client.put(installation.url("/v1/fields/colour")).header("cookie", browser.cookie_header()).json(&field);
    expect_json(change.header("x-csrf-token", text(&session["csrf_token"])), 200).await;
    assert_eq!(installation.actions("oidc:ada@example.org").await, ["identity.create", "session.create", "field.declare"]);
    let log = app.api().json("/v1/audit-log?action=field.declare").await;
    let entry = &log["items"][0];
    assert_eq!((&entry["issuer"], &entry["issuer_subject"]), (&json!(installation.provider.issuer()), &json!("ada")), "{log}");

    // an address that is not verified is no name
    let mut second = Browser::new();
    let callback = installation.sign_in(&mut second, "grace").await;
    assert_eq!(second.get(callback.0.as_str(), None).await.status(), 200);
    assert_eq!((installation.status(&second, "/v1/fields").await, installation.status(&second, "/v1/audit-log").await), (200, 403));
    assert_eq!(app.count("SELECT count(*) FROM api_keys WHERE name = 'oidc:grace' AND email IS NULL AND role = 'viewer'").await, 1);

    // without a role there is no session, and a role that is lost ends the sessions
    let mut third = Browser::new();
    let callback = installation.sign_in(&mut third, "eve").await;
    expect_refused(&mut third, callback.0.as_str(), 403, "no role here").await;
    let mut again = Browser::new();
    let callback = installation.sign_in(&mut again, "grace").await;
    installation.provider.change_next_token(&json!({ "groups": [] })).await;
    expect_refused(&mut again, callback.0.as_str(), 403, "no role here").await;
    assert_eq!(installation.status(&second, "/v1/fields").await, 401);

    // sessions are listed, and an identity that is revoked stays out until it is restored
    let listed = app.cli(&["web-session", "list", "--all"]);
    assert_eq!(listed[0]["key_name"], "oidc:ada@example.org", "{listed}");
    app.cli(&["api-key", "revoke", "oidc:ada@example.org"]);
    assert_eq!(installation.status(&browser, "/v1/fields").await, 401);
    let mut returning = Browser::new();
    let callback = installation.sign_in(&mut returning, "ada").await;
    expect_refused(&mut returning, callback.0.as_str(), 403, "was revoked").await;
    app.cli(&["api-key", "restore", "oidc:ada@example.org"]);
    let callback = installation.sign_in(&mut returning, "ada").await;
    assert_eq!(returning.get(callback.0.as_str(), None).await.status(), 200);
    assert_eq!(installation.status(&returning, "/v1/fields").await, 200);
    assert_eq!(app.count("SELECT count(*) FROM api_keys WHERE issuer IS NOT NULL").await, 2);
    installation.app.finish().await;
}

#[tokio::test]
async fn a_sign_in_that_is_forged_repeated_or_of_another_provider_creates_no_session() {
    let Some(installation) = Installation::start().await else { return };
    let provider = &installation.provider;
    for path in
        ["//attacker.example", "https://attacker.example/", "/%5Cattacker.example", "/%09/attacker.example", "runs", "/auth/oidc/start"]
    {
        let url = installation.url(&format!("/auth/oidc/start?return={path}"));
        expect_refused(&mut Browser::new(), &url, 422, "must be a path of this server").await;
    }

    // state and cookie
    let mut browser = Browser::new();
    let callback = installation.sign_in(&mut browser, "ada").await;
    let url = callback.0.to_string();
    expect_refused(&mut Browser::new(), &url, 403, "no sign-in was started in this browser").await;
    let mut other = Browser::new();
    installation.sign_in(&mut other, "ada").await;
    expect_refused(&mut other, &url, 403, "belongs to another sign-in").await;
    let state = callback.value("state");
    for forged in [String::new(), state.replace(&state[..1], "x"), other.cookies["aprendiz_sign_in"].clone()] {
        expect_refused(&mut browser, &callback.with("state", &forged), 403, "belongs to another sign-in").await;
    }
    let cookie = browser.cookies["aprendiz_sign_in"].clone();
    browser.cookies.insert("aprendiz_sign_in".to_owned(), format!("{cookie}ff"));
    expect_refused(&mut browser, &url, 403, "sign-in").await;

    // responses of the provider that are not for this sign-in
    let attempt = async |change: &dyn Fn(&Callback) -> String, expected: &str| {
        let mut browser = Browser::new();
        let callback = installation.sign_in(&mut browser, "ada").await;
        expect_refused(&mut browser, &change(&callback), 403, expected).await;
        // the sign-in is over
        assert!(!browser.cookies.contains_key("aprendiz_sign_in"), "{expected}");
    };
    attempt(&|callback| callback.with("iss", "https://attacker.example"), "not of the configured provider").await;
    attempt(&|callback| callback.with("iss", ""), "not of the configured provider").await;
    attempt(&|callback| callback.with("code", "guess"), "invalid_grant").await;
    let now: i64 = sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint").fetch_one(installation.app.pool()).await.unwrap();
    for (claims, expected) in [
        (json!({ "iss": "https://attacker.example" }), "another issuer"),
        (json!({ "aud": "somebody" }), "another audience"),
        (json!({ "aud": [TestOidcProvider::CLIENT.0, "somebody"] }), "another client"),
        (json!({ "exp": now - 3_600 }), "expired"),
        (json!({ "nbf": now + 3_600 }), "not valid yet"),
        (json!({ "nonce": "of another sign-in" }), "another sign-in"),
    ] {
        let mut browser = Browser::new();
        let callback = installation.sign_in(&mut browser, "ada").await;
        provider.change_next_token(&claims).await;
        expect_refused(&mut browser, callback.0.as_str(), 403, expected).await;
    }
    let mut cancelled = Browser::new();
    let callback = installation.sign_in(&mut cancelled, "cancels").await;
    expect_refused(&mut cancelled, callback.0.as_str(), 403, "access_denied").await;

    // the same code twice, also with a provider that does not notice
    let mut browser = Browser::new();
    let callback = installation.sign_in(&mut browser, "ada").await;
    let flow = browser.cookies["aprendiz_sign_in"].clone();
    assert_eq!(browser.get(callback.0.as_str(), None).await.status(), 200);
    assert_eq!(installation.status(&browser, "/v1/fields").await, 200);
    let mut thief = Browser::new();
    thief.cookies.insert("aprendiz_sign_in".to_owned(), flow.clone());
    provider.repeat_last_tokens().await;
    expect_refused(&mut thief, callback.0.as_str(), 403, "already").await;
    thief.cookies.insert("aprendiz_sign_in".to_owned(), flow);
    expect_refused(&mut thief, callback.0.as_str(), 403, "invalid_grant").await;
    assert_eq!(installation.app.count("SELECT count(*) FROM web_sessions").await, 1);

    // new keys of the provider are found at once
    provider.rotate_keys().await;
    let mut browser = Browser::new();
    let callback = installation.sign_in(&mut browser, "ada").await;
    assert_eq!(browser.get(callback.0.as_str(), None).await.status(), 200);
    // a client that shows no pages gets a problem
    let problem = expect_json(Client::new().get(installation.url("/auth/oidc/callback?code=a&state=b")), 403).await;
    assert_eq!(problem["code"], "sign_in_state");
    installation.app.finish().await;
}

#[tokio::test]
async fn tokens_of_the_provider_are_accepted_in_the_place_of_api_keys() {
    let Some(mut installation) = Installation::prepare().await else { return };
    // a provider that does not run is no reason not to start
    let app = &installation.app;
    let ready: Value = expect_json(Client::new().get(installation.url("/readyz")), 200).await;
    let check = ready["checks"].as_array().unwrap().iter().find(|check| check["name"] == "oidc").expect("a check of the provider");
    assert_eq!((&ready["status"], &check["state"]), (&json!("degraded"), &json!("degraded")), "{ready}");
    expect_json(app.api().get("/v1/fields"), 200).await;
    let problem = expect_json(Client::new().get(installation.url("/auth/oidc/start")), 503).await;
    assert_eq!(problem["code"], "oidc_unavailable");

    installation.provider.start().await;
    let (app, provider) = (&installation.app, &installation.provider);
    wait_until("the provider in /readyz", TIMEOUT, async || {
        let ready = app.api().json("/readyz").await;
        let checks = ready["checks"].as_array()?.clone();
        checks.iter().any(|check| check["name"] == "oidc" && check["state"] == "ok").then_some(())
    })
    .await;

    let valid =
        provider.token(&json!({ "sub": "robot", "aud": AUDIENCE, "groups": ["staff"], "preferred_username": "robot" }), false).await;
    assert_eq!(installation.with_token(&valid, "/v1/fields").await.status(), 200);
    let shown: Value = installation.with_token(&valid, "/v1/keys/current").await.json().await.unwrap();
    assert_eq!((&shown["name"], &shown["role"], &shown["subject"]), (&json!("oidc:robot"), &json!("viewer"), &json!("robot")), "{shown}");
    assert_eq!(installation.with_token(&valid, "/v1/audit-log").await.status(), 403);
    // the role is that of the token, and the identity the same
    let admin = provider.token(&json!({ "sub": "robot", "groups": ["ops"] }), false).await;
    assert_eq!(installation.with_token(&admin, "/v1/audit-log").await.status(), 200);
    let field = json!({ "kind": "categorical", "cardinality": "one", "allowed_values": ["red"] });
    expect_json(app.server.api_as(&admin).request(Method::PUT, "/v1/fields/colour").json(&field), 200).await;
    assert_eq!(installation.actions("oidc:robot").await, ["identity.create", "field.declare"]);

    let now: i64 = sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint").fetch_one(app.pool()).await.unwrap();
    for (claims, stranger, status, expected) in [
        (json!({ "iss": "https://attacker.example" }), false, 401, "another issuer"),
        (json!({ "aud": "somebody" }), false, 401, "another audience"),
        (json!({ "aud": null }), false, 401, "`aud`"),
        (json!({ "exp": now - 3_600 }), false, 401, "expired"),
        (json!({ "nbf": now + 3_600 }), false, 401, "not valid yet"),
        (json!({}), true, 401, "signature"),
        (json!({ "groups": [] }), false, 403, "no role here"),
    ] {
        let mut all = json!({ "sub": "robot", "aud": AUDIENCE, "groups": ["ops"] });
        claims.as_object().unwrap().iter().for_each(|(name, value)| all[name] = value.clone());
        let token = provider.token(&all, stranger).await;
        let response = installation.with_token(&token, "/v1/fields").await;
        assert_eq!(response.status(), status, "{claims}");
        let problem: Value = response.json().await.unwrap();
        assert!(text(&problem["detail"]).contains(expected), "{claims}: {problem}");
    }
    let header = valid.split('.').next().unwrap();
    for forged in ["a.b.c".to_owned(), format!("{header}.e30."), valid.replace('.', "..")] {
        assert_eq!(installation.with_token(&forged, "/v1/fields").await.status(), 401, "{forged}");
    }

    // keys that are not published any more sign nothing, and new ones are found at once
    provider.rotate_keys().await;
    let new = provider.token(&json!({ "sub": "robot", "groups": ["staff"] }), false).await;
    assert_eq!(installation.with_token(&new, "/v1/fields").await.status(), 200);
    assert_eq!(installation.with_token(&valid, "/v1/fields").await.status(), 401);
    app.cli(&["api-key", "revoke", "oidc:robot"]);
    assert_eq!(installation.with_token(&new, "/v1/fields").await.status(), 401);
    assert_eq!(app.count("SELECT count(*) FROM web_sessions").await, 0);
    installation.app.finish().await;
}
