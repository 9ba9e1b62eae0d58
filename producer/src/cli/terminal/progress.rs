//! Progress bars and spinners, shown on standard error if it is a terminal.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

pub(crate) const TICK_INTERVAL: Duration = Duration::from_millis(120);

/// Spins until it is dropped, for requests whose progress is unknown.
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    pub(crate) fn start(message: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(message);
        bar.enable_steady_tick(TICK_INTERVAL);
        Self(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar that counts transferred bytes; `None` = the total is unknown.
pub(crate) fn byte_bar(total: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match total {
        Some(total) => style_bar(ProgressBar::new(total), "{spinner} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  eta {eta}  {msg}"),
        None => style_bar(ProgressBar::no_length(), "{spinner} {bytes}  {bytes_per_sec}  {elapsed}"),
    }
}

/// Applies a template. An invalid template leaves the default style.
pub(crate) fn style_bar(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
