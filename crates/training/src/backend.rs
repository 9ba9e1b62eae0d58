//! Burn back ends and CPU kernels.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

/// A Burn back end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The best back end of this build: flex.
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
    /// Name of the selected back end.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto | Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Cuda => "cuda",
        }
    }

    /// The device to compute on.
    ///
    /// # Errors
    /// `bad_params` for a back end that this build does not include.
    pub fn device(self) -> Result<Device, TrainingError> {
        match self {
            Self::Auto | Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            Self::Ndarray => {
                #[expect(deprecated, reason = "requested by name; the comment on the build feature says that Burn deprecates it")]
                let device = Device::ndarray();
                Ok(device)
            }
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0)),
            #[cfg(not(feature = "ndarray"))]
            Self::Ndarray => Err(self.missing()),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda => Err(self.missing()),
        }
    }

    #[cfg(not(all(feature = "ndarray", feature = "cuda")))]
    fn missing(self) -> TrainingError {
        let name = self.name();
        TrainingError::BadParams(format!("back end {name} is not part of this build: build with the feature `{name}`, or use flex"))
    }
}

/// The widest SIMD instruction set of this machine. Results are reproducible byte for byte only on the same kernel.
#[must_use]
pub fn cpu_kernel() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    "scalar"
}
