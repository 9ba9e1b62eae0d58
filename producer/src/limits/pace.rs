//! The pace of a transfer: how long a client may keep the server waiting.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The slowest transfer that is accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MinPace {
    /// Time without any progress after which a transfer is broken off.
    pub(crate) idle: Duration,
    /// Rate below which a transfer is broken off as well, after a while.
    pub(crate) bytes_per_second: u64,
}

/// Counts the time that a client keeps the server waiting. The time of the server itself does not count.
#[derive(Debug)]
pub(crate) struct Pace {
    budget: Budget,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Waiting uses up a budget of [`MinPace::idle`], and every byte gives back the time that it may take. So a client that stops is cut off
/// after the idle time, and one that sends single bytes just as well.
#[derive(Debug)]
struct Budget {
    min: MinPace,
    waited: Duration,
}

impl Pace {
    pub(crate) const fn new(min: MinPace) -> Self {
        Self { budget: Budget { min, waited: Duration::ZERO }, waiting_since: None, timer: None }
    }

    /// Called when the client keeps the server waiting; ready when its budget is used up.
    pub(crate) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            let deadline = now + self.budget.remaining();
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(sleep_until(deadline))),
            }
        }
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }

    /// Called when the client has sent or received bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        let waited = self.waiting_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.budget.transfer(waited, bytes);
    }
}

impl Budget {
    const fn remaining(&self) -> Duration {
        self.min.idle.saturating_sub(self.waited)
    }

    fn transfer(&mut self, waited: Duration, bytes: usize) {
        let earned = Duration::from_secs_f64(bytes as f64 / self.min.bytes_per_second as f64);
        self.waited = (self.waited + waited).saturating_sub(earned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: MinPace = MinPace { idle: Duration::from_secs(60), bytes_per_second: 1000 };

    /// Transfers until the client is cut off, or up to 100 times; returns how often.
    fn transfers(seconds: u64, bytes: usize) -> usize {
        let mut budget = Budget { min: MIN, waited: Duration::ZERO };
        let wait = Duration::from_secs(seconds);
        let within_budget = |_: &usize| {
            let goes_on = budget.remaining() > wait;
            budget.transfer(wait, bytes);
            goes_on
        };
        (0..100).take_while(within_budget).count()
    }

    #[test]
    fn an_idle_client_is_cut_off() {
        assert_eq!(transfers(61, 1_000_000), 0);
    }

    #[test]
    fn single_bytes_do_not_keep_a_transfer_alive() {
        assert_eq!(transfers(5, 1), 12);
    }

    #[test]
    fn a_client_at_the_minimum_rate_goes_on() {
        assert_eq!(transfers(50, 50_000), 100);
    }
}
