//! Leader election by a session-level advisory lock: one process executes a periodic task, the others stand by.

use std::fmt;
use std::time::Duration;

use sqlx::postgres::PgAdvisoryLock;
use sqlx::{Either, PgConnection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::advisory_lock::LeaderLock;
use crate::backoff::Backoff;
use crate::session::Session;
use crate::warn_once::WarnOnce;

/// A task that one process at a time executes.
pub trait LeaderTask {
    /// The error of a round.
    type Error: fmt::Display + Send;

    /// Does the work of one round, on the connection that holds the lock.
    ///
    /// # Errors
    /// The lock is released and the connection is closed; the task continues after a back-off.
    fn round(&mut self, conn: &mut PgConnection) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Logs a failure. Called once for each cause until the recovery.
    fn on_failure(&mut self, error: &LeaderError<Self::Error>);

    /// Logs the first success after a failure.
    fn on_recovery(&mut self);
}

/// How a task is executed. Not `Debug`, because the session contains the password.
pub struct LeaderOptions {
    /// Session of the task. A timeout of idle sessions should be set, so that a process that hangs loses the lock.
    pub session: Session,
    /// The lock that elects the leader.
    pub lock: LeaderLock,
    /// Pause between rounds, and between attempts to become the leader.
    pub interval: Duration,
    /// Longest pause after failures; the first one is `interval`.
    pub max_backoff: Duration,
    /// Longest duration of a round: an answer that never comes must not keep the lock.
    pub round_timeout: Option<Duration>,
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError<E> {
    /// Postgres did not answer when the lock was acquired.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The task failed.
    #[error("{0}")]
    Round(E),
    /// The round took too long.
    #[error("the round did not end within {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// Executes the task at every interval while this process is the leader, until shutdown.
///
/// The lock belongs to the connection: when the leader or its connection dies, another process takes over.
pub async fn run_as_leader<T: LeaderTask>(options: &LeaderOptions, task: &mut T, shutdown: &CancellationToken) {
    let mut backoff = Backoff::new(options.interval, options.max_backoff);
    let mut warned = WarnOnce::default();
    while !shutdown.is_cancelled() {
        let lead = lead_until_failure(options, task, &mut backoff, &mut warned);
        let Some(error) = shutdown.run_until_cancelled(lead).await else {
            return;
        };
        if warned.is_new(&error) {
            task.on_failure(&error);
        }
        shutdown.run_until_cancelled(sleep(backoff.next_delay())).await;
    }
}

/// Waits for the lock and executes rounds; returns what ended them.
async fn lead_until_failure<T: LeaderTask>(
    options: &LeaderOptions,
    task: &mut T,
    backoff: &mut Backoff,
    warned: &mut WarnOnce,
) -> LeaderError<T::Error> {
    let lock = PgAdvisoryLock::new(options.lock.name());
    let mut conn = match options.session.connect().await {
        Ok(conn) => conn,
        Err(error) => return error.into(),
    };
    loop {
        match lock.try_acquire(conn).await {
            Ok(Either::Left(mut guard)) => loop {
                if let Err(error) = round(options, task, guard.as_mut()).await {
                    return error;
                }
                recover(task, backoff, warned);
                sleep(options.interval).await;
            },
            // another process is the leader
            Ok(Either::Right(unlocked)) => conn = unlocked,
            Err(error) => return error.into(),
        }
        recover(task, backoff, warned);
        sleep(options.interval).await;
    }
}

async fn round<T: LeaderTask>(options: &LeaderOptions, task: &mut T, conn: &mut PgConnection) -> Result<(), LeaderError<T::Error>> {
    let round = task.round(conn);
    match options.round_timeout {
        Some(limit) => timeout(limit, round).await.map_err(|_| LeaderError::TimedOut(limit))?,
        None => round.await,
    }
    .map_err(LeaderError::Round)
}

fn recover<T: LeaderTask>(task: &mut T, backoff: &mut Backoff, warned: &mut WarnOnce) {
    backoff.reset();
    if warned.clear() {
        task.on_recovery();
    }
}

#[cfg(test)]
mod tests {
    use aprendiz_test_support::TestDatabase;
    use sqlx::Connection as _;
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Event {
        Round(u8),
        Failure,
        Recovery,
    }

    /// Reports its events; the first rounds fail.
    struct Recorder {
        id: u8,
        failures_left: u32,
        events: mpsc::UnboundedSender<Event>,
    }

    impl Recorder {
        fn record(&self, event: Event) {
            // the test may have ended already
            self.events.send(event).ok();
        }
    }

    impl LeaderTask for Recorder {
        type Error = sqlx::Error;

        async fn round(&mut self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
            conn.ping().await?;
            if self.failures_left > 0 {
                self.failures_left -= 1;
                return Err(sqlx::Error::RowNotFound);
            }
            self.record(Event::Round(self.id));
            Ok(())
        }

        fn on_failure(&mut self, _error: &LeaderError<sqlx::Error>) {
            self.record(Event::Failure);
        }

        fn on_recovery(&mut self) {
            self.record(Event::Recovery);
        }
    }

    fn start(database: &TestDatabase, mut task: Recorder) -> (CancellationToken, JoinHandle<()>) {
        let options = LeaderOptions {
            session: Session::new(database.url().parse().unwrap()),
            lock: LeaderLock::Sweeper,
            interval: Duration::from_millis(10),
            max_backoff: Duration::from_millis(20),
            round_timeout: Some(Duration::from_secs(30)),
        };
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        (shutdown, tokio::spawn(async move { run_as_leader(&options, &mut task, &token).await }))
    }

    #[tokio::test]
    async fn one_process_leads_and_another_takes_over_after_its_end() {
        let database = TestDatabase::create().await;
        let (sender, mut events) = mpsc::unbounded_channel();
        let recorder = |id| Recorder { id, failures_left: 0, events: sender.clone() };
        let (stop_first, first) = start(&database, recorder(1));
        assert_eq!(events.recv().await, Some(Event::Round(1)));
        let (stop_second, second) = start(&database, recorder(2));
        for _ in 0..20 {
            assert_eq!(events.recv().await, Some(Event::Round(1)), "the second one stands by");
        }
        stop_first.cancel();
        first.await.unwrap();
        while events.recv().await != Some(Event::Round(2)) {}
        stop_second.cancel();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_failure_is_reported_once_and_so_is_the_recovery() {
        let database = TestDatabase::create().await;
        let (sender, mut events) = mpsc::unbounded_channel();
        let (stop, task) = start(&database, Recorder { id: 1, failures_left: 3, events: sender });
        let mut reported = Vec::new();
        loop {
            match events.recv().await.unwrap() {
                Event::Round(_) => break,
                event => reported.push(event),
            }
        }
        // while the server closes the old session, the next one stands by, which is a recovery as well
        assert_eq!(reported[0], Event::Failure);
        assert!(reported.windows(2).all(|pair| pair[0] != pair[1]), "{reported:?}");
        if reported.last() == Some(&Event::Failure) {
            assert_eq!(events.recv().await, Some(Event::Recovery));
        }
        stop.cancel();
        task.await.unwrap();
    }
}
