//! The options that choose the server and the API key.

use std::path::PathBuf;

use clap::Args;

/// Heading of the options that every command has.
pub(crate) const GLOBAL_OPTIONS: &str = "Global options";

/// Server, API key and profile; options of every command that is a client of the API. Their variables are read by
/// [`Connection::resolve`](super::Connection::resolve) and not by the parser, which would list them as required.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ClientArgs {
    /// URL of the API [env: APRENDIZ_URL] [default: that of the profile, else http://127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL", help_heading = GLOBAL_OPTIONS)]
    pub(crate) url: Option<String>,
    /// API key; prefer `aprendiz login`, or a variable, over the command line [env: APRENDIZ_API_KEY]
    #[arg(long, global = true, value_name = "KEY", help_heading = GLOBAL_OPTIONS)]
    pub(crate) api_key: Option<String>,
    /// File that contains the API key [env: APRENDIZ_API_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL_OPTIONS)]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Profile that `aprendiz login` stored [env: APRENDIZ_PROFILE] [default: default]
    #[arg(long, global = true, value_name = "NAME", help_heading = GLOBAL_OPTIONS)]
    pub(crate) profile: Option<String>,
}
