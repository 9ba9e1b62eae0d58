//! Gates at which tests hold a worker or a training process at an exact point, whatever the speed of the machine.
//!
//! A test writes the file `gate` into the scratch folder of a worker. Its first line names the [`Point`] to hold at (`step 3`,
//! `after-checkpoint 5`, `phase upload`); a second line `report` lets a held training keep reporting progress. A process that
//! reaches the point writes `held-PID` to the same folder and waits until the gate file is deleted or names a later point. The file `pace`
//! shortens a training (`instant`) or slows it down (`slow`).
//!
//! The code that reads these files is compiled only with the feature `hold` *and* debug assertions: a release build passes every
//! gate, with or without the feature. `tests/release.rs` shows that.

#[cfg(all(feature = "hold", debug_assertions))]
#[path = "active.rs"]
mod gate;
#[cfg(not(all(feature = "hold", debug_assertions)))]
#[path = "inert.rs"]
mod gate;
mod point;

pub use gate::{Held, is_instant, pass, stop_at, watch};
pub use point::Point;

/// Whether the gate can hold a process of this build.
pub const IS_ACTIVE: bool = cfg!(all(feature = "hold", debug_assertions));
