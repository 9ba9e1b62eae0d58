//! The public keys of a provider.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;

use crate::oidc::crypto::ALGORITHMS;

/// A key that signs tokens.
#[derive(Debug, Clone)]
struct SigningKey {
    id: Option<String>,
    /// The algorithms that the key may be used with.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// The keys of a provider that can be used.
#[derive(Debug, Clone, Default)]
pub(super) struct JwkSet(Vec<SigningKey>);

impl JwkSet {
    /// Reads a set. A key that is of no use here, of an unknown type or malformed is left out.
    pub(super) fn parse(document: &Value) -> Option<Self> {
        let keys = document.get("keys")?.as_array()?;
        Some(Self(keys.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok()).filter_map(SigningKey::new).collect()))
    }

    /// Number of usable keys.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The keys that may have signed a token: those with its id, or all if it names none.
    pub(super) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<&DecodingKey> {
        let keys = self.0.iter().filter(|key| id.is_none() || key.id.as_deref() == id);
        keys.filter(|key| key.algorithms.contains(&algorithm)).map(|key| &key.key).collect()
    }
}

impl SigningKey {
    fn new(jwk: Jwk) -> Option<Self> {
        let algorithms: Vec<Algorithm> = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => of_family(AlgorithmFamily::Rsa),
            AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(parameters) if parameters.curve == EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
            // a secret is no public key
            _ => return None,
        };
        let is_for_signatures = match (&jwk.common.public_key_use, &jwk.common.key_operations) {
            (Some(key_use), _) => *key_use == PublicKeyUse::Signature,
            (None, Some(operations)) => operations.contains(&KeyOperations::Verify),
            (None, None) => true,
        };
        let algorithms = match jwk.common.key_algorithm {
            Some(named) => algorithms.into_iter().filter(|algorithm| KeyAlgorithm::from(*algorithm) == named).collect(),
            None => algorithms,
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (is_for_signatures && !algorithms.is_empty()).then_some(Self { id: jwk.common.key_id, algorithms, key })
    }
}

fn of_family(family: AlgorithmFamily) -> Vec<Algorithm> {
    ALGORITHMS.into_iter().filter(|algorithm| algorithm.family() == family).collect()
}
