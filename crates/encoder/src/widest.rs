//! Plain loops, compiled for the vectors of the machine.

use pulp::{Arch, NullaryFnOnce};

/// Work whose loops are compiled for AVX-512, AVX2 and neither.
struct Work<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Work<F> {
    type Output = R;

    // as `FnMut`, because what calls a closure that could be called again as one that cannot is not inlined, and what is not inlined
    // is compiled for the oldest machines
    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

/// Runs loops with the widest vectors that the machine has. `work` must be `#[inline(always)]`, and all that it calls must be inlined.
#[inline(always)]
pub fn on_widest_vectors<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Work(work))
}
