//! A sign-in on its way through the provider. Everything follows from the value of its cookie, so the server stores nothing about it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Time that a user has to sign in at the provider.
pub(crate) const FLOW_LIFETIME: Duration = Duration::from_secs(600);
const SECRET_CHARS: usize = 64;
/// Maximum length of the value of the cookie.
const MAX_COOKIE_CHARS: usize = 2_048;

/// A sign-in: `TIME.SECRET.PATH` in hex.
///
/// State, nonce and PKCE verifier are hashes of the whole value with a prefix of their own. The provider signs the nonce and binds its code
/// to the verifier, so no part of the value can be exchanged, the time included.
pub(crate) struct SignInFlow {
    cookie: String,
    return_path: String,
}

impl SignInFlow {
    /// Starts a sign-in that ends at a path of this server.
    pub(crate) fn start(return_path: &str, now: u64) -> Result<Self, getrandom::Error> {
        let mut secret = [0u8; SECRET_CHARS / 2];
        getrandom::fill(&mut secret)?;
        Ok(Self { cookie: format!("{now:x}.{}.{}", hex::encode(secret), hex::encode(return_path)), return_path: return_path.to_owned() })
    }

    /// Reads the cookie of a sign-in; `None` if it is malformed, or has expired.
    pub(crate) fn read(cookie: &str, now: u64) -> Option<Self> {
        if cookie.len() > MAX_COOKIE_CHARS {
            return None;
        }
        let mut parts = cookie.split('.');
        let (started, secret, path) = (parts.next()?, parts.next()?, parts.next()?);
        let started = u64::from_str_radix(started, 16).ok()?;
        let is_current = started <= now && now - started <= FLOW_LIFETIME.as_secs();
        let is_secret = secret.len() == SECRET_CHARS && hex::decode(secret).is_ok();
        if parts.next().is_some() || !is_current || !is_secret {
            return None;
        }
        let return_path = String::from_utf8(hex::decode(path).ok()?).ok()?;
        Some(Self { cookie: cookie.to_owned(), return_path })
    }

    /// Value of the cookie.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Where the browser goes after the sign-in.
    pub(crate) fn return_path(&self) -> &str {
        &self.return_path
    }

    /// What the provider returns with its code.
    pub(crate) fn state(&self) -> String {
        self.derive("state")
    }

    /// What the provider puts into the ID token.
    pub(crate) fn nonce(&self) -> String {
        self.derive("nonce")
    }

    /// What proves to the provider that the code is used by who asked for it.
    pub(crate) fn verifier(&self) -> String {
        self.derive("verifier")
    }

    /// The hash of the verifier, which the provider gets first.
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier()))
    }

    /// Names the sign-in in the database.
    pub(crate) fn sha256(&self) -> String {
        self.derive("used")
    }

    fn derive(&self, purpose: &str) -> String {
        let hash = Sha256::new().chain_update(b"aprendiz oidc ").chain_update(purpose).chain_update(b"\0").chain_update(&self.cookie);
        hex::encode(hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW: u64 = 1_763_700_000;

    #[test]
    fn a_sign_in_is_read_from_its_cookie_until_it_expires() {
        let flow = SignInFlow::start("/runs?a=é", NOW).unwrap();
        let read = SignInFlow::read(flow.cookie(), NOW + 600).unwrap();
        assert_eq!((read.return_path(), read.state()), ("/runs?a=é", flow.state()));
        assert!(SignInFlow::read(flow.cookie(), NOW + 601).is_none());
        assert!(SignInFlow::read(flow.cookie(), NOW - 1).is_none());
        for malformed in ["", ".", "..", "x.y.z", &flow.cookie()[1..], &format!("{}.00", flow.cookie()), &format!("{}zz", flow.cookie())] {
            assert!(SignInFlow::read(malformed, NOW).is_none(), "{malformed}");
        }
    }

    #[test]
    fn every_value_is_different_and_belongs_to_the_whole_cookie() {
        let flow = SignInFlow::start("/", NOW).unwrap();
        let values = |flow: &SignInFlow| [flow.state(), flow.nonce(), flow.verifier(), flow.challenge(), flow.sha256()];
        let (time, rest) = flow.cookie().split_once('.').unwrap();
        let later = SignInFlow::read(&format!("{:x}.{rest}", NOW + 1), NOW + 1).unwrap();
        let elsewhere = SignInFlow::read(&format!("{}{}", flow.cookie(), hex::encode("x")), NOW).unwrap();
        let other = SignInFlow::start("/", NOW).unwrap();
        let all: BTreeSet<String> = [&flow, &later, &elsewhere, &other].into_iter().flat_map(values).collect();
        assert_eq!((all.len(), time.len()), (20, 8));
        assert!(!all.iter().any(|value| flow.cookie().contains(value.as_str())));
        // as RFC 7636 demands
        assert!((43..=128).contains(&flow.verifier().len()) && flow.challenge().len() == 43);
    }
}
