//! Workers: wake-ups, supervision of the training process, several workers at once.

mod concurrent_workers;
mod supervision;
mod wake_ups;
mod work_files;
