//! The server process: the API together with its background tasks.

mod import_worker;
mod inference_process;
pub(crate) mod metrics;
mod orphan_scanner;
mod promoter;
mod reaper;
mod relay;
mod serve;
mod shadow;
mod sweep_error;
mod sweeper;
pub(crate) mod task_health;

pub(crate) use self::serve::{ServeOptions, run};
