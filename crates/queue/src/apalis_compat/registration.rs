//! Connection of a worker of apalis: restricts its registration to the keys of the prefix, and reports its first fetch.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt as _;
use redis::aio::{ConnectionLike, ConnectionManager};
use redis::{Arg, Cmd, Pipeline, RedisFuture, Value};
use tokio::sync::Notify;

/// A connection that registers a worker by its entry in the set of workers, and by nothing else.
///
/// The script of apalis also writes a hash for each worker that nothing reads or removes, and the key `core:apalis:queues:list`, which is
/// outside of the prefix: an ACL user who may only use the keys of the prefix could not listen.
#[derive(Clone)]
pub(crate) struct ScopedConnection {
    conn: ConnectionManager,
    workers_set: String,
    fetched: Arc<Notify>,
}

/// The scripts of apalis that matter here, by the shape of their calls.
enum WorkerScript {
    /// `EVALSHA sha 2 workers metadata now name …`, with the command that replaces it.
    Register(Cmd),
    /// `EVALSHA sha 7 workers …`.
    FetchNext,
}

impl ScopedConnection {
    /// `fetched` is notified when a worker has fetched entries, or has seen that there are none: from then on it works.
    pub(crate) const fn new(conn: ConnectionManager, workers_set: String, fetched: Arc<Notify>) -> Self {
        Self { conn, workers_set, fetched }
    }

    fn recognize(&self, cmd: &Cmd) -> Option<WorkerScript> {
        let mut args = cmd.args_iter().map(|arg| match arg {
            Arg::Simple(bytes) => bytes,
            _ => b"".as_slice(),
        });
        if args.next()? != b"EVALSHA" {
            return None;
        }
        let keys = args.nth(1)?;
        if args.next()? != self.workers_set.as_bytes() {
            return None;
        }
        match keys {
            b"2" => {
                let metadata = format!("{}:metadata:", self.workers_set);
                if !args.next()?.starts_with(metadata.as_bytes()) {
                    return None;
                }
                let (now, name) = (args.next()?, args.next()?);
                let mut registration = redis::cmd("ZADD");
                registration.arg(&self.workers_set).arg(now).arg(name);
                Some(WorkerScript::Register(registration))
            }
            b"7" => Some(WorkerScript::FetchNext),
            _ => None,
        }
    }
}

impl fmt::Debug for ScopedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedConnection").field("workers_set", &self.workers_set).finish_non_exhaustive()
    }
}

impl ConnectionLike for ScopedConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self.recognize(cmd) {
            Some(WorkerScript::Register(registration)) => async move { self.conn.req_packed_command(&registration).await }.boxed(),
            Some(WorkerScript::FetchNext) => async move {
                let entries = self.conn.req_packed_command(cmd).await?;
                self.fetched.notify_one();
                Ok(entries)
            }
            .boxed(),
            None => self.conn.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        self.conn.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.conn.get_db()
    }
}
