//! `aprendiz login`: verifies an API key and stores it with the URL in a profile.

use anyhow::Context as _;
use aprendiz_config::Environment;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::whoami::{Key, fetch_key};
use crate::cli::connection::{ClientArgs, Connection, DEFAULT_PROFILE, LOCAL_URL, Profile, Profiles};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, read_secret};

/// Arguments of `aprendiz login`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz login --url https://aprendiz.example.org                 asks for the key
  aprendiz login --profile prod --url https://aprendiz.example.org --api-key-file key.txt
  aprendiz api-key create --name me --role operator -q | aprendiz login

The key is read from --api-key-file, else from the terminal without echo, else from standard input. It is stored only if the server accepts
it: the URL in $XDG_CONFIG_HOME/aprendiz/config.json (default: ~/.config), the key beside it in keys/PROFILE with mode 600.

Options win over the variables APRENDIZ_URL and APRENDIZ_API_KEY, and these over the profile. The key of a profile is sent to its URL only.")]
pub(crate) struct LoginArgs {}

pub(crate) async fn run(args: &ClientArgs, output: Output) -> Result<(), CliError> {
    let env = Environment::process();
    let mut profiles = Profiles::read(&env)?;
    let name = args.profile.clone().or_else(|| env.text("APRENDIZ_PROFILE")).unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
    let stored = profiles.get(&name).map(|profile| profile.url.clone());
    let url = args.url.clone().or_else(|| env.text("APRENDIZ_URL")).or(stored).unwrap_or_else(|| LOCAL_URL.to_owned());
    let key = read_key(args, &url)?;
    let connection = Connection { url: url.clone(), key: Some(key.clone()), url_from: "--url".to_owned(), key_from: "login".to_owned() };
    let client = Client::new(&connection)?;
    let Key { name: key_name, role, .. } = fetch_key(&client).await?.1;
    profiles.store(&name, Profile { url: url.clone() }, &key)?;
    let value = json!({ "name": name, "url": url, "key": key_name, "role": role });
    output.print(&value, || {
        let file = profiles.key_file(&name);
        format!("profile {name}: key `{key_name}` (role {role}) at {url}\nThe key is stored in {}.", file.display())
    })?;
    Ok(())
}

fn read_key(args: &ClientArgs, url: &str) -> Result<SecretString, CliError> {
    let key = match (&args.api_key, &args.api_key_file) {
        (Some(key), _) => key.clone(),
        (None, Some(file)) => std::fs::read_to_string(file).with_context(|| format!("--api-key-file: cannot read {}", file.display()))?,
        (None, None) => read_secret(&format!("API key for {url}")).context("cannot read the API key")?,
    };
    let key = SecretString::from(key.trim().to_owned());
    if key.expose_secret().is_empty() {
        return Err(CliError::Usage(
            "no API key was given: type it, give --api-key-file FILE, or send it to standard input; create one with `aprendiz api-key create`"
                .to_owned(),
        ));
    }
    if key.expose_secret().contains(char::is_whitespace) {
        return Err(CliError::Usage("the API key contains white space: give only the key, such as apz_0123…".to_owned()));
    }
    Ok(key)
}
