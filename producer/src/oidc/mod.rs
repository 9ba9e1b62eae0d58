//! OpenID Connect: settings of a provider, its documents, validation of its tokens, and the steps of a sign-in.

mod claims;
mod crypto;
mod document;
mod error;
mod flow;
mod http;
mod jwk_set;
mod provider;
mod refresh_limit;
mod roles;
mod settings;
mod token;
#[cfg(test)]
mod token_tests;

pub(crate) use self::claims::ProviderClaims;
pub(crate) use self::error::OidcError;
pub(crate) use self::flow::{FLOW_LIFETIME, SignInFlow};
pub(crate) use self::provider::{Authorization, Provider};
pub(crate) use self::settings::{CALLBACK_PATH, OidcSettings};
