//! The compute backend of a run.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A compute backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Backend {
    /// The best backend of the worker's build: flex.
    #[default]
    Auto,
    /// Pure Rust on the CPU.
    Flex,
    /// burn-ndarray, in builds with the feature `ndarray`.
    Ndarray,
    /// The first NVIDIA GPU, in builds with the feature `cuda`.
    Cuda,
}

impl Backend {
    /// Name of the selected backend.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto | Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Cuda => "cuda",
        }
    }
}

impl TryFrom<String> for Backend {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "auto" => Ok(Self::Auto),
            "flex" => Ok(Self::Flex),
            "ndarray" => Ok(Self::Ndarray),
            "cuda" => Ok(Self::Cuda),
            _ => Err(format!("invalid `backend`: {name}; it must be auto, flex, ndarray or cuda")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_parsed_and_written_by_name() {
        for backend in [Backend::Auto, Backend::Flex, Backend::Ndarray, Backend::Cuda] {
            let json = serde_json::to_string(&backend).unwrap();
            assert_eq!(serde_json::from_str::<Backend>(&json).unwrap(), backend);
        }
        let error = serde_json::from_str::<Backend>(r#""tch""#).unwrap_err().to_string();
        assert!(error.contains("`backend`: tch") && error.contains("ndarray"), "{error}");
    }
}
