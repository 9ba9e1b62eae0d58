//! The server and the API key of a command: from options, variables, or a profile.

mod args;
mod profile;

use anyhow::{Context as _, Result, bail};
use aprendiz_config::Environment;
use reqwest::Url;
use secrecy::SecretString;

pub(crate) use self::args::{ClientArgs, GLOBAL_OPTIONS};
pub(crate) use self::profile::{DEFAULT_PROFILE, Profile, Profiles};

/// URL of a server on this host.
pub(crate) const LOCAL_URL: &str = "http://127.0.0.1:8080";

/// The server and the API key.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// URL of the API, as it was given.
    pub(crate) url: String,
    pub(crate) key: Option<SecretString>,
    /// Where the URL comes from, for messages.
    pub(crate) url_from: String,
    /// Where the key comes from, for messages.
    pub(crate) key_from: String,
}

/// A value, and where it comes from.
struct Found<T> {
    value: T,
    from: String,
}

impl<T> Found<T> {
    fn new(value: T, from: impl Into<String>) -> Self {
        Self { value, from: from.into() }
    }
}

impl Connection {
    /// Resolves URL and key. Options win over variables, and these over the profile of `APRENDIZ_PROFILE`, or the profile `default`.
    ///
    /// `--profile` is an option: it wins over `APRENDIZ_URL` and `APRENDIZ_API_KEY`. The key of a profile is sent to the URL of that profile
    /// only.
    pub(crate) fn resolve<F: Fn(&str) -> Option<String>>(args: &ClientArgs, env: &Environment<F>) -> Result<Self> {
        let has_url = args.url.is_some() || (args.profile.is_none() && env.text("APRENDIZ_URL").is_some());
        let has_key = args.api_key.is_some()
            || args.api_key_file.is_some()
            || ["APRENDIZ_API_KEY", "APRENDIZ_API_KEY_FILE"].iter().any(|name| env.text(name).is_some());
        // damaged profiles are in the way only of a command that needs one
        let profiles = match Profiles::read(env) {
            Err(_) if has_url && has_key && args.profile.is_none() => Profiles::default(),
            profiles => profiles?,
        };
        let (name, is_named) = match (&args.profile, env.text("APRENDIZ_PROFILE")) {
            (Some(name), _) => (name.clone(), true),
            (None, Some(name)) => (name, true),
            (None, None) => (DEFAULT_PROFILE.to_owned(), false),
        };
        let profile = profiles.get(&name);
        if profile.is_none() && is_named && !has_url {
            let known = profiles.names().join(", ");
            let known = if known.is_empty() { "there are no profiles".to_owned() } else { format!("profiles: {known}") };
            bail!("unknown profile `{name}` ({known}): create it with `aprendiz login --profile {name} --url URL`");
        }
        // an option --profile stands for the options --url and --api-key
        let is_option = args.profile.is_some();
        let of_profile = |profile: &Profile| Found::new(profile.url.clone(), format!("profile {name}"));
        let url = args.url.clone().map(|url| Found::new(url, "--url"));
        let url = url.or_else(|| profile.filter(|_| is_option).map(of_profile));
        let url = url.or_else(|| env.text("APRENDIZ_URL").map(|url| Found::new(url, "APRENDIZ_URL")));
        let url = url.or_else(|| profile.map(of_profile)).unwrap_or_else(|| Found::new(LOCAL_URL.to_owned(), "default"));
        let own_key = || -> Result<Option<Found<SecretString>>> {
            if !profile.is_some_and(|profile| is_same_url(&profile.url, &url.value)) {
                return Ok(None);
            }
            Ok(profiles.key(&name)?.map(|key| Found::new(key, format!("profile {name}"))))
        };
        let mut key = key_from_options(args)?;
        if key.is_none() && is_option {
            key = own_key()?;
        }
        if key.is_none() {
            key = key_from_variables(env)?;
        }
        if key.is_none() {
            key = own_key()?;
        }
        let (key, key_from) = key.map_or((None, "none".to_owned()), |key| (Some(key.value), key.from));
        Ok(Self { url: url.value, key, url_from: url.from, key_from })
    }
}

fn key_from_options(args: &ClientArgs) -> Result<Option<Found<SecretString>>> {
    if let Some(key) = args.api_key.as_deref().map(str::trim).filter(|key| !key.is_empty()) {
        return Ok(Some(Found::new(key.into(), "--api-key")));
    }
    let Some(path) = &args.api_key_file else { return Ok(None) };
    let key = std::fs::read_to_string(path).with_context(|| format!("--api-key-file: cannot read {}", path.display()))?;
    if key.trim().is_empty() {
        bail!("--api-key-file: {} is empty", path.display());
    }
    Ok(Some(Found::new(key.trim().into(), "--api-key-file")))
}

fn key_from_variables<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Option<Found<SecretString>>> {
    use secrecy::ExposeSecret as _;
    let from = if env.text("APRENDIZ_API_KEY").is_some() { "APRENDIZ_API_KEY" } else { "APRENDIZ_API_KEY_FILE" };
    Ok(env.secret("APRENDIZ_API_KEY")?.filter(|key| !key.expose_secret().is_empty()).map(|key| Found::new(key, from)))
}

/// Whether two URLs lead to the same API.
fn is_same_url(a: &str, b: &str) -> bool {
    let parse = |url: &str| Url::parse(url).map(|url| url.as_str().trim_end_matches('/').to_owned());
    match (parse(a), parse(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// An environment with the profiles `default` and `prod`, and these variables.
    fn resolve(args: &ClientArgs, variables: &[(&str, &str)]) -> Result<(String, Option<String>)> {
        let home = tempfile::tempdir().unwrap();
        let base = home.path().to_str().unwrap().to_owned();
        let env = Environment::from_fn(|name: &str| {
            let own = (name == "XDG_CONFIG_HOME").then(|| base.clone());
            own.or_else(|| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned()))
        });
        let mut profiles = Profiles::read(&env).unwrap();
        for name in [DEFAULT_PROFILE, "prod"] {
            let profile = Profile { url: format!("https://{name}.example") };
            profiles.store(name, profile, &format!("apz_{name}").into()).unwrap();
        }
        let found = Connection::resolve(args, &env)?;
        Ok((found.url, found.key.map(|key| key.expose_secret().to_owned())))
    }

    fn expect(args: ClientArgs, variables: &[(&str, &str)], url: &str, key: Option<&str>) {
        let found = resolve(&args, variables).unwrap();
        assert_eq!(found, (url.to_owned(), key.map(str::to_owned)), "{args:?} {variables:?}");
    }

    #[test]
    fn options_win_over_variables_and_variables_over_the_profile() {
        let none = ClientArgs::default;
        let variables = [("APRENDIZ_URL", "http://env"), ("APRENDIZ_API_KEY", "apz_env")];
        expect(none(), &[], "https://default.example", Some("apz_default"));
        expect(none(), &[("APRENDIZ_PROFILE", "prod")], "https://prod.example", Some("apz_prod"));
        expect(none(), &variables, "http://env", Some("apz_env"));
        expect(none(), &[variables[0], variables[1], ("APRENDIZ_PROFILE", "prod")], "http://env", Some("apz_env"));
        expect(ClientArgs { profile: Some("prod".to_owned()), ..none() }, &variables, "https://prod.example", Some("apz_prod"));
        let args = ClientArgs { url: Some("http://flag".to_owned()), api_key: Some("apz_flag".to_owned()), ..none() };
        expect(args, &variables, "http://flag", Some("apz_flag"));
        expect(none(), &[("APRENDIZ_URL", ""), ("APRENDIZ_API_KEY", " ")], "https://default.example", Some("apz_default"));
    }

    #[test]
    fn the_key_of_a_profile_is_not_sent_to_another_server() {
        expect(ClientArgs::default(), &[("APRENDIZ_URL", "http://other")], "http://other", None);
        expect(ClientArgs::default(), &[("APRENDIZ_URL", "https://DEFAULT.example/")], "https://DEFAULT.example/", Some("apz_default"));
    }

    #[test]
    fn an_unknown_profile_is_named_with_the_way_to_create_it() {
        let args = ClientArgs { profile: Some("test".to_owned()), ..ClientArgs::default() };
        let error = resolve(&args, &[("APRENDIZ_URL", "http://env")]).unwrap_err().to_string();
        assert!(error.contains("profiles: default, prod") && error.contains("aprendiz login --profile test"), "{error}");
    }

    #[test]
    fn damaged_profiles_are_reported_only_if_one_is_needed() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("aprendiz")).unwrap();
        std::fs::write(home.path().join("aprendiz/config.json"), "{").unwrap();
        let base = home.path().to_str().unwrap().to_owned();
        let env = Environment::from_fn(|name: &str| (name == "XDG_CONFIG_HOME").then(|| base.clone()));
        let error = Connection::resolve(&ClientArgs::default(), &env).unwrap_err().to_string();
        assert!(error.contains("config.json: edit or remove it"), "{error}");
        let (url, api_key) = (Some("http://flag".to_owned()), Some("apz_flag".to_owned()));
        assert!(Connection::resolve(&ClientArgs { url, api_key, ..ClientArgs::default() }, &env).is_ok());
    }

    #[test]
    fn a_missing_key_file_is_named() {
        let args = ClientArgs { api_key_file: Some("/no/such/file".into()), ..ClientArgs::default() };
        assert!(resolve(&args, &[]).unwrap_err().to_string().contains("--api-key-file: cannot read /no/such/file"));
    }
}
