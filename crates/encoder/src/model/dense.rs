//! Settings and tensors of the Dense module: a linear layer after the pooling.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    error::EncoderError,
    model::weights::{self, Weights},
};

/// Names of the tensors in the file of the module.
pub(crate) const DENSE_WEIGHT: &str = "linear.weight";
pub(crate) const DENSE_BIAS: &str = "linear.bias";

/// Limit of the number of features.
const MAX_FEATURES: u64 = 65_536;

/// Settings of the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DenseConfig {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) bias: bool,
    /// Whether the hyperbolic tangent follows; otherwise nothing does.
    pub(crate) tanh: bool,
    /// Folder of the module.
    pub(crate) folder: String,
}

impl DenseConfig {
    /// Parses the object of `config.json` in `folder`.
    pub(crate) fn parse(config: &Map<String, Value>, folder: &str) -> Result<Self, String> {
        let features = |key: &str| {
            let value = config.get(key).and_then(Value::as_u64).filter(|features| (1..=MAX_FEATURES).contains(features));
            value.map(|features| features as usize).ok_or_else(|| format!("{key} must be a number from 1 to {MAX_FEATURES}"))
        };
        let mut tanh = true;
        for (key, value) in config {
            match (key.as_str(), value) {
                ("in_features" | "out_features" | "bias", _) => {}
                ("activation_function", Value::String(function)) => match function.rsplit('.').next() {
                    Some("Tanh") => tanh = true,
                    Some("Identity") => tanh = false,
                    _ => return Err(format!("activation_function is `{function}`, supported are Tanh and Identity")),
                },
                ("module_input_name" | "module_output_name", Value::String(name)) if name == "sentence_embedding" => {}
                (_, Value::Null) => {}
                (key, value) => return Err(format!("`{key}` is {value}, which is not supported")),
            }
        }
        let bias = match config.get("bias") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(bias)) => *bias,
            Some(other) => return Err(format!("bias is {other}, expected true or false")),
        };
        Ok(Self { from: features("in_features")?, to: features("out_features")?, bias, tanh, folder: folder.to_owned() })
    }

    /// Reads the tensors of the module, under the names of its file.
    pub(crate) fn load(&self, path: &std::path::Path) -> Result<Weights, EncoderError> {
        weights::read(path, &BTreeMap::from([(DENSE_WEIGHT, DENSE_WEIGHT), (DENSE_BIAS, DENSE_BIAS)]))
    }

    /// The object of the file.
    pub(crate) fn to_json(&self) -> Value {
        let function = if self.tanh { "torch.nn.modules.activation.Tanh" } else { "torch.nn.modules.linear.Identity" };
        serde_json::json!({"in_features": self.from, "out_features": self.to, "bias": self.bias, "activation_function": function})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(config: &Value) -> Result<DenseConfig, String> {
        DenseConfig::parse(config.as_object().unwrap(), "2_Dense")
    }

    #[test]
    fn settings_are_read_and_others_are_rejected_by_name() {
        let config = json!({"in_features": 8, "out_features": 4, "bias": false, "activation_function": "torch.nn.modules.linear.Identity"});
        let dense = parse(&config).unwrap();
        assert_eq!((dense.from, dense.to, dense.bias, dense.tanh), (8, 4, false, false));
        assert_eq!(parse(&dense.to_json()).unwrap(), dense);
        for (change, reason) in [
            (json!({"activation_function": "torch.nn.modules.activation.SiLU"}), "SiLU"),
            (json!({"init_weight": [1.0]}), "init_weight"),
            (json!({"in_features": 0}), "in_features"),
            (json!({"module_input_name": "token_embeddings"}), "token_embeddings"),
            (json!({"bias": "yes"}), "bias is"),
        ] {
            let mut changed = config.clone();
            for (key, value) in change.as_object().unwrap() {
                changed[key] = value.clone();
            }
            let error = parse(&changed).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
