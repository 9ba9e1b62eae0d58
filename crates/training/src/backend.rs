//! Burn back ends and CPU kernels.

use aprendiz_run_spec::Backend;
use burn::tensor::Device;

use crate::error::TrainingError;

/// The Burn device of a back end.
///
/// # Errors
/// `bad_params` for a back end that this build does not include.
pub fn device(backend: Backend) -> Result<Device, TrainingError> {
    match backend {
        Backend::Auto | Backend::Flex => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        Backend::Ndarray => {
            #[expect(deprecated, reason = "requested by name; the comment on the build feature says that Burn deprecates it")]
            let device = Device::ndarray();
            Ok(device)
        }
        #[cfg(feature = "cuda")]
        Backend::Cuda => Ok(Device::cuda(0)),
        #[cfg(not(feature = "ndarray"))]
        Backend::Ndarray => Err(missing(backend)),
        #[cfg(not(feature = "cuda"))]
        Backend::Cuda => Err(missing(backend)),
    }
}

#[cfg(not(all(feature = "ndarray", feature = "cuda")))]
fn missing(backend: Backend) -> TrainingError {
    let name = backend.name();
    TrainingError::BadParams(format!("back end {name} is not part of this build: build with the feature `{name}`, or use flex"))
}

/// The back ends that this build includes.
#[must_use]
pub const fn backends() -> &'static [Backend] {
    &[
        Backend::Flex,
        #[cfg(feature = "ndarray")]
        Backend::Ndarray,
        #[cfg(feature = "cuda")]
        Backend::Cuda,
    ]
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
