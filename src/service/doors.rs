//! Where the service is asked: its listeners, and what connections may take of the process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::StartError;
use crate::api::{self, App, ServerLimits, Tls};
use crate::config::Config;
use crate::reach::Own;

/// Viewers come all at once, when a game begins: so many may be on their way in. The kernel allows fewer, 4,096 as a rule.
const COMING_IN: u32 = 16_384;

/// Once the service ends, how long answers under way may still take.
const DRAIN_PATIENCE: Duration = Duration::from_millis(500);

/// Connections to metrics and health: who asks are few.
const ADMIN_CONNECTIONS: usize = 64;

/// Open files that are left to sources, the store and all else, at most; of few files a quarter.
const OTHER_FILES: u64 = 1_024;

/// What was opened, before anybody is answered.
pub(super) struct Doors {
    listener: TcpListener,
    pub address: SocketAddr,
    admin: Option<(TcpListener, SocketAddr)>,
    tls: Option<Arc<Tls>>,
    limits: ServerLimits,
}

impl Doors {
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let (listener, address) = open(config.listen)?;
        let admin = config.network.admin_listen.map(open).transpose()?;
        let tls = config.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
        let limits = ServerLimits { drain_patience: DRAIN_PATIENCE, ..ServerLimits::of(&config.network) };
        let connections = fitting(limits.connections, raise_open_files());
        Ok(Self { listener, address, admin, tls, limits: ServerLimits { connections, ..limits } })
    }

    /// Where the service itself is, which no source may lead to.
    pub fn own(&self) -> Own {
        [Some(self.address), self.admin.as_ref().map(|(_, address)| *address)]
    }

    /// Answers from `app`.
    pub fn serve(self, app: &Arc<App>) -> Serving {
        let Self { listener, tls, limits, admin, .. } = self;
        let (stop, _) = watch::channel(false);
        let ended = || {
            let mut stopped = stop.subscribe();
            async move {
                // An error means that the sender is gone, which ends serving just the same.
                let _ = stopped.wait_for(|stop| *stop).await;
            }
        };
        let mut admin_address = None;
        let mut tasks = Vec::new();
        if let Some((listener, address)) = admin {
            admin_address = Some(address);
            let limits =
                ServerLimits { connections: ADMIN_CONNECTIONS, per_address: ADMIN_CONNECTIONS, ..limits.clone() };
            let router = api::admin_router(app.clone());
            tasks.push(tokio::spawn(api::serve(listener, router, None, limits, app.metrics.clone(), ended())));
        }
        let router = api::router(app.clone());
        tasks.push(tokio::spawn(api::serve(listener, router, tls, limits, app.metrics.clone(), ended())));
        Serving { admin_address, stop, tasks }
    }
}

/// Answering until it is told to end.
pub(super) struct Serving {
    /// Where metrics and health are, if they have a listener of their own.
    pub admin_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Serving {
    pub async fn end(self) {
        // The servers may be gone already; then there is nothing to stop.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(e) = task.await {
                tracing::error!(error = %e, "a server's task failed");
            }
        }
    }
}

fn open(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Listen { address, source };
    let listener = listen(address).map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As tokio's own: a restart must not wait for connections of the process before to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(COMING_IN)
}

/// Lets the process have as many open files as the system allows it; how many. `None`: as many as it likes.
fn raise_open_files() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => {
            tracing::info!(from = current, to = maximum, "the limit of open files is raised");
            maximum
        }
        Err(error) => {
            tracing::warn!(%error, limit = current, "the limit of open files cannot be raised");
            current
        }
    }
}

/// As many connections as are wanted, or as open files leave room for: one without a file would be taken from a source or from the store.
fn fitting(wanted: usize, files: Option<u64>) -> usize {
    let Some(files) = files else { return wanted };
    let room = usize::try_from(files - (files / 4).min(OTHER_FILES)).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::warn!(
            files,
            wanted,
            connections = room,
            "the limit of open files is too low for connections.max: fewer are taken; raise it (ulimit -Hn, LimitNOFILE)"
        );
    }
    wanted.min(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_all_else() {
        assert_eq!(fitting(16_384, None), 16_384);
        assert_eq!(fitting(16_384, Some(1 << 20)), 16_384);
        assert_eq!(fitting(16_384, Some(16_384)), 15_360);
        assert_eq!(fitting(16_384, Some(1_024)), 768);
        assert_eq!(fitting(100, Some(1_024)), 100);
    }

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_it_goes() {
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(200), ..before }).unwrap();
        assert_eq!(raise_open_files(), before.maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
