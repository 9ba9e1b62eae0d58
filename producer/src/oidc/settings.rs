//! Settings of the OpenID Connect provider, from the variables `APRENDIZ_OIDC_…`.

use std::fmt;
use std::net::IpAddr;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use aprendiz_config::Environment;
use aprendiz_runs::Role;
use reqwest::Url;
use secrecy::SecretString;

use crate::oidc::roles::RoleMapping;

/// Path to which the provider sends the browser back.
pub(crate) const CALLBACK_PATH: &str = "/auth/oidc/callback";

const ISSUER: &str = "APRENDIZ_OIDC_ISSUER";
const CLIENT_ID: &str = "APRENDIZ_OIDC_CLIENT_ID";
const CLIENT_SECRET: &str = "APRENDIZ_OIDC_CLIENT_SECRET";
const SCOPES: &str = "APRENDIZ_OIDC_SCOPES";
const TITLE: &str = "APRENDIZ_OIDC_TITLE";
const ROLES: &str = "APRENDIZ_OIDC_ROLES";
const ROLES_CLAIM: &str = "APRENDIZ_OIDC_ROLES_CLAIM";
const PROJECTS: &str = "APRENDIZ_OIDC_PROJECTS";
const DEFAULT_ROLE: &str = "APRENDIZ_OIDC_DEFAULT_ROLE";
const AUDIENCE: &str = "APRENDIZ_OIDC_AUDIENCE";
const REDIRECT_URL: &str = "APRENDIZ_OIDC_REDIRECT_URL";
const MAX_ISSUER_CHARS: usize = 500;

/// Settings of the provider. `Debug` does not show the secret.
#[derive(Debug, Clone)]
pub(crate) struct OidcSettings {
    /// `APRENDIZ_OIDC_ISSUER`, default none: the provider, as it names itself. Without it, only API keys sign in.
    pub(crate) issuer: String,
    /// `APRENDIZ_OIDC_CLIENT_ID`: this installation at the provider.
    pub(crate) client_id: String,
    /// `APRENDIZ_OIDC_CLIENT_SECRET` or `…_FILE`, default none: a public client, protected by PKCE alone.
    pub(crate) client_secret: Option<SecretString>,
    /// `APRENDIZ_OIDC_SCOPES`, default `openid email profile`: what a sign-in asks for.
    pub(crate) scopes: String,
    /// `APRENDIZ_OIDC_TITLE`, default the host of the issuer: name on the sign-in page.
    pub(crate) title: String,
    /// `APRENDIZ_OIDC_ROLES`, `…_ROLES_CLAIM`, `…_DEFAULT_ROLE`, `…_PROJECTS`: who may do what in which projects.
    pub(crate) roles: RoleMapping,
    /// `APRENDIZ_OIDC_AUDIENCE`, comma-separated, default none: audiences of bearer tokens. Without it, none are accepted.
    pub(crate) audiences: Vec<String>,
    /// `APRENDIZ_OIDC_REDIRECT_URL`, default derived from each request: where the provider sends the browser back.
    pub(crate) redirect_url: Option<String>,
}

impl OidcSettings {
    /// Reads the settings; `None` if no provider is configured.
    pub(crate) fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Option<Self>> {
        let client_secret = env.secret(CLIENT_SECRET)?;
        let Some(issuer) = env.text(ISSUER) else {
            let others = [CLIENT_ID, SCOPES, TITLE, ROLES, PROJECTS, ROLES_CLAIM, DEFAULT_ROLE, AUDIENCE, REDIRECT_URL];
            let set = others.into_iter().find(|name| env.text(name).is_some());
            return match set.or(client_secret.map(|_| CLIENT_SECRET)) {
                Some(name) => bail!("{name} is set without {ISSUER}: set both, or neither"),
                None => Ok(None),
            };
        };
        let url = secure_url(&issuer).with_context(|| shown(ISSUER, &issuer))?;
        ensure!(url.query().is_none() && url.fragment().is_none(), "{ISSUER} is `{issuer}`: expected a URL without query and fragment");
        ensure!(issuer.len() <= MAX_ISSUER_CHARS, "{ISSUER} has more than {MAX_ISSUER_CHARS} characters");
        let client_id = env.text(CLIENT_ID).ok_or_else(|| anyhow!("{ISSUER} is set without {CLIENT_ID}: set both, or neither"))?;
        let scopes = env.text(SCOPES).unwrap_or_else(|| "openid email profile".to_owned());
        ensure!(
            scopes.split_whitespace().any(|scope| scope == "openid"),
            "{SCOPES} is `{scopes}`: expected names separated by spaces, with openid among them"
        );
        let redirect_url = env.text(REDIRECT_URL);
        if let Some(text) = &redirect_url {
            let url = secure_url(text).with_context(|| shown(REDIRECT_URL, text))?;
            ensure!(
                url.path().ends_with(CALLBACK_PATH) && url.query().is_none() && url.fragment().is_none(),
                "{REDIRECT_URL} is `{text}`: expected the URL of this server that ends with {CALLBACK_PATH}"
            );
        }
        let audiences: Vec<String> =
            env.text(AUDIENCE).unwrap_or_default().split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        Ok(Some(Self {
            title: env.text(TITLE).or_else(|| url.host_str().map(str::to_owned)).unwrap_or_else(|| issuer.clone()),
            roles: read_roles(env)?,
            scopes: scopes.split_whitespace().collect::<Vec<_>>().join(" "),
            issuer,
            client_id,
            client_secret,
            audiences,
            redirect_url,
        }))
    }
}

fn read_roles<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<RoleMapping> {
    let mapping = env.text(ROLES);
    let claim = env.text(ROLES_CLAIM);
    let default = env.text(DEFAULT_ROLE);
    let projects = env.text(PROJECTS);
    let default = default.map(|role| role.parse::<Role>().map_err(|error| anyhow!("{DEFAULT_ROLE}: {error}"))).transpose()?;
    let roles = match mapping {
        None if projects.is_some() => bail!("{PROJECTS} is set without {ROLES}: set both, or neither"),
        None if claim.is_some() => bail!("{ROLES_CLAIM} is set without {ROLES}: set both, or neither"),
        None if default.is_none() => bail!(
            "neither {ROLES} nor {DEFAULT_ROLE} is set, so no user could sign in: expected {ROLES} such as admin=group-a,operator=group-b, or a role"
        ),
        None => RoleMapping::only_default(default),
        Some(text) => RoleMapping::parse(&text, claim.unwrap_or_else(|| "groups".to_owned()), default)
            .map_err(|error| anyhow!("{ROLES} is `{text}`: {error}"))?,
    };
    match projects {
        Some(text) => roles.with_projects(&text).map_err(|error| anyhow!("{PROJECTS} is `{text}`: {error}")),
        None => Ok(roles),
    }
}

/// A variable with its value, unless that may contain a password.
fn shown(name: &str, value: &str) -> String {
    if value.contains('@') {
        format!("{name} is invalid (value hidden, it may contain a password)")
    } else {
        format!("{name} is `{value}`")
    }
}

/// A URL whose traffic cannot be read or changed on the way: https, or http to this machine.
pub(super) fn secure_url(text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|error| anyhow!("expected https://HOST[/PATH]: {error}"))?;
    ensure!(url.username().is_empty() && url.password().is_none(), "expected a URL without user name and password");
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => bail!("expected https://HOST[/PATH]; http is accepted for loopback addresses only"),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for OidcSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.title, self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<OidcSettings>> {
        let env = Environment::from_fn(|name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
        OidcSettings::read(&env)
    }

    const GOOD: [(&str, &str); 3] =
        [(ISSUER, "https://login.example.org/realms/a"), (CLIENT_ID, "aprendiz"), (ROLES, "admin=ops, viewer=staff")];

    #[test]
    fn nothing_is_configured_without_an_issuer() {
        assert!(read(&[]).unwrap().is_none());
        for name in [CLIENT_ID, CLIENT_SECRET, SCOPES, TITLE, ROLES, PROJECTS, ROLES_CLAIM, DEFAULT_ROLE, AUDIENCE, REDIRECT_URL] {
            let error = read(&[(name, "x")]).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains(ISSUER), "{error}");
        }
    }

    #[test]
    fn defaults_and_lists_are_taken() {
        let settings = read(&GOOD).unwrap().unwrap();
        assert_eq!((settings.title.as_str(), settings.scopes.as_str()), ("login.example.org", "openid email profile"));
        assert!(settings.audiences.is_empty() && settings.client_secret.is_none() && settings.redirect_url.is_none());
        let more = [(AUDIENCE, "api://a, aprendiz,"), (CLIENT_SECRET, "hunter2")];
        let settings = read(&[&GOOD[..], &more].concat()).unwrap().unwrap();
        assert_eq!(settings.audiences, ["api://a", "aprendiz"]);
        assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
    }

    #[test]
    fn an_error_names_the_variable_with_an_invalid_value() {
        for (name, value) in [
            (ISSUER, "login.example.org"),
            (ISSUER, "http://login.example.org"),
            (ISSUER, "https://me:hunter2@login.example.org"),
            (ISSUER, "https://login.example.org?a=b"),
            (CLIENT_ID, ""),
            (SCOPES, "email profile"),
            (ROLES, "root=ops"),
            (ROLES, "ops"),
            (ROLES, "admin="),
            (ROLES, ""),
            (PROJECTS, "contracts"),
            (PROJECTS, "=staff"),
            (DEFAULT_ROLE, "root"),
            (REDIRECT_URL, "https://aprendiz.example.org/"),
            (REDIRECT_URL, "http://aprendiz.example.org/auth/oidc/callback"),
        ] {
            let mut pairs: Vec<(&str, &str)> = GOOD.into_iter().filter(|(key, _)| *key != name).collect();
            pairs.push((name, value));
            let error = format!("{:#}", read(&pairs).unwrap_err());
            assert!(error.contains(name) && !error.contains("hunter2"), "{name}={value}: {error}");
        }
        for url in ["http://127.0.0.1:3000", "http://localhost:3000/a", "http://[::1]:3000"] {
            assert!(read(&[(ISSUER, url), (CLIENT_ID, "a"), (DEFAULT_ROLE, "viewer")]).is_ok(), "{url}");
        }
    }
}
