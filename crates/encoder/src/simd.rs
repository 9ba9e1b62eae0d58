//! Runs plain loops compiled for the SIMD instructions of the machine.

use pulp::{Arch, NullaryFnOnce};

/// Work whose loops are compiled for AVX-512, for AVX2 and for neither.
struct Work<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Work<F> {
    type Output = R;

    // `FnMut`, because the compiler does not inline an `FnOnce` call of a closure that could be called again, and code that is not inlined
    // is compiled for the oldest machines.
    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

/// Runs loops with the widest SIMD instructions of the machine. `work` must be `#[inline(always)]`, and so must everything it calls.
#[inline(always)]
pub fn with_simd<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Work(work))
}
