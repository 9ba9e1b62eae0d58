//! Typed values from a run spec, validated when the run was created.

use inference::SentenceTransformerParams;
use runs::RunSpec;
use serde_json::Value;
use training::Backend;

use crate::interruption::Interruption;

/// The parameters of a sentence transformer.
pub(crate) fn sentence_transformer_params(spec: &RunSpec) -> Result<SentenceTransformerParams, Interruption> {
    let params = Value::Object(spec.params.clone());
    SentenceTransformerParams::parse(&params).map_err(|reason| Interruption::permanent("bad_params", reason))
}

/// The compute backend.
pub(crate) fn backend(spec: &RunSpec) -> Result<Backend, Interruption> {
    serde_json::from_value(Value::from(spec.backend.as_str()))
        .map_err(|error| Interruption::permanent("unknown_backend", format!("backend `{}`: {error}", spec.backend)))
}
