//! Tests of the validation of tokens, with keys that are generated here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::oidc::claims::ProviderClaims;
use crate::oidc::error::OidcError;
use crate::oidc::jwk_set::JwkSet;
use crate::oidc::token::{Expected, Unverified};

const ISSUER: &str = "https://login.example.org";

enum Signer {
    Ecdsa(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key of a provider.
struct Key {
    id: &'static str,
    signer: Signer,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    fn ecdsa(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self { id, signer: Signer::Ecdsa(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()) }
    }

    fn ed25519(id: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id, signer: Signer::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()) }
    }

    fn jwk(&self) -> Value {
        match &self.signer {
            Signer::Ecdsa(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
            Signer::Ed(key) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "alg": "EdDSA", "x": encode(key.public_key()) }),
        }
    }

    const fn algorithm(&self) -> &'static str {
        match self.signer {
            Signer::Ecdsa(_) => "ES256",
            Signer::Ed(_) => "EdDSA",
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = match &self.signer {
            Signer::Ecdsa(key) => key.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
            Signer::Ed(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", encode(signature))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": self.algorithm(), "kid": self.id, "typ": "JWT" }), claims)
    }
}

fn keys(keys: &[&Key]) -> JwkSet {
    JwkSet::parse(&json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })).unwrap()
}

/// Valid claims, with some of them replaced; null removes one.
fn claims(changes: Value) -> Value {
    let now = Utc::now().timestamp();
    let mut claims = json!({ "iss": ISSUER, "aud": "aprendiz", "sub": "1", "iat": now, "nbf": now, "exp": now + 300 });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

fn validate(token: &str, keys: &JwkSet) -> Result<ProviderClaims, OidcError> {
    Unverified::read(token)?.validate(keys, Expected { issuer: ISSUER, audiences: &["aprendiz".to_owned(), "other".to_owned()] })
}

fn error(token: &str, keys: &JwkSet) -> String {
    validate(token, keys).unwrap_err().to_string()
}

#[test]
fn a_token_of_a_key_of_the_provider_is_valid() {
    let (first, second) = (Key::ecdsa("a"), Key::ed25519("b"));
    let set = keys(&[&first, &second]);
    assert_eq!(set.len(), 2);
    for key in [&first, &second] {
        assert_eq!(validate(&key.token(&claims(json!({}))), &set).unwrap().subject(), "1");
        // without an id, every key is tried
        let without_id = key.sign(&json!({ "alg": key.algorithm() }), &claims(json!({ "aud": ["x", "other"] })));
        assert!(validate(&without_id, &set).is_ok());
    }
    let access = first.sign(&json!({ "alg": "ES256", "kid": "a", "typ": "at+JWT" }), &claims(json!({})));
    assert!(validate(&access, &set).is_ok());
}

#[test]
fn claims_of_others_and_of_other_times_are_rejected() {
    let key = Key::ecdsa("a");
    let set = keys(&[&key]);
    let now = Utc::now().timestamp();
    for (changes, expected) in [
        (json!({ "iss": "https://attacker.example" }), "another issuer"),
        (json!({ "iss": [ISSUER, "https://attacker.example"] }), "another issuer"),
        (json!({ "iss": null }), "no claim `iss`"),
        (json!({ "aud": "somebody" }), "another audience"),
        (json!({ "aud": [] }), "another audience"),
        (json!({ "aud": null }), "no claim `aud`"),
        (json!({ "exp": now - 120 }), "expired"),
        (json!({ "exp": null }), "no claim `exp`"),
        (json!({ "exp": (now + 300).to_string() }), "no claim `exp`"),
        (json!({ "nbf": now + 120 }), "not valid yet"),
        (json!({ "nbf": "soon" }), "`nbf`"),
        (json!({ "sub": null }), "no claim `sub`"),
        (json!({ "sub": "" }), "`sub`"),
        (json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }), "event"),
    ] {
        let found = error(&key.token(&claims(changes.clone())), &set);
        assert!(found.contains(expected), "{changes}: {found}");
    }
    // clocks may differ a little
    assert!(validate(&key.token(&claims(json!({ "exp": now - 30, "nbf": now + 30 }))), &set).is_ok());
}

#[test]
fn only_the_keys_of_the_provider_sign_tokens() {
    let (key, attacker) = (Key::ecdsa("a"), Key::ecdsa("a"));
    let set = keys(&[&key]);
    assert!(error(&attacker.token(&claims(json!({}))), &set).contains("signature"));
    let unknown = Key::ecdsa("c").token(&claims(json!({})));
    assert!(!Unverified::read(&unknown).unwrap().has_key_in(&set));
    assert!(error(&unknown, &set).contains("no key"));
    // the content of one token with the signature of another
    let (first, second) = (key.token(&claims(json!({}))), key.token(&claims(json!({ "sub": "2" }))));
    let (content, signature) = (second.rsplit_once('.').unwrap().0, first.rsplit_once('.').unwrap().1);
    assert!(error(&format!("{content}.{signature}"), &set).contains("signature"));
    for cut in ["", ".", "..", "a.b.c", content, &format!("{content}."), &first[1..]] {
        assert!(validate(cut, &set).is_err(), "{cut}");
    }
}

#[test]
fn the_token_does_not_choose_its_algorithm_and_type() {
    let key = Key::ecdsa("a");
    let set = keys(&[&key]);
    let content = encode(claims(json!({})).to_string());
    let unsigned = |header: Value| format!("{}.{content}.", encode(header.to_string()));
    for name in ["none", "None", ""] {
        assert!(error(&unsigned(json!({ "alg": name })), &set).contains("not signed"), "{name}");
    }
    // a public key is no secret
    for name in ["HS256", "HS384", "HS512"] {
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, set_bytes(&key).as_bytes());
        let message = format!("{}.{content}", encode(json!({ "alg": name, "kid": "a" }).to_string()));
        let token = format!("{message}.{}", encode(ring::hmac::sign(&secret, message.as_bytes())));
        assert!(error(&token, &set).contains("not accepted"), "{name}");
    }
    // an algorithm of another kind of key
    let token = key.sign(&json!({ "alg": "EdDSA", "kid": "a" }), &claims(json!({})));
    assert!(!Unverified::read(&token).unwrap().has_key_in(&set));
    let logout = key.sign(&json!({ "alg": "ES256", "kid": "a", "typ": "logout+jwt" }), &claims(json!({})));
    assert!(error(&logout, &set).contains("logout+jwt"));
    let critical = key.sign(&json!({ "alg": "ES256", "kid": "a", "crit": ["x"], "x": 1 }), &claims(json!({})));
    assert!(validate(&critical, &set).is_err());
}

fn set_bytes(key: &Key) -> String {
    key.jwk().to_string()
}

#[test]
fn keys_of_no_use_are_left_out() {
    let key = Key::ecdsa("a");
    let with = |name: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[name] = value;
        JwkSet::parse(&json!({ "keys": [jwk, key.jwk(), 7, { "kty": "oct", "k": "c2VjcmV0" }, { "kty": "new" }] })).unwrap().len()
    };
    assert_eq!(with("use", json!("enc")), 1);
    assert_eq!(with("alg", json!("ES384")), 1);
    assert_eq!(with("alg", json!("ES256")), 2);
    assert_eq!(with("crv", json!("P-521")), 1);
    assert!(JwkSet::parse(&json!({})).is_none() && JwkSet::parse(&json!([])).is_none());
}
