//! All open connections.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;

use crate::connection::client::ClientConnection;
use crate::limits::network::client_network;
use crate::limits::trusted_proxies::TrustedProxies;
use crate::server::metrics::REJECTED;

/// The open connections, in total and by address. The addresses of an IPv6 /64 network count as one.
///
/// When there are too many, the one that has been idle longest is closed: a connection without a request costs its client nothing, so
/// it must not keep others out.
#[derive(Debug)]
pub(super) struct Connections {
    max_total: usize,
    max_per_address: usize,
    trusted_proxies: TrustedProxies,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last_id: u64,
    connections: HashMap<u64, Arc<ClientConnection>>,
    by_address: HashMap<IpAddr, usize>,
}

/// A registered connection; dropping it removes it.
pub(super) struct Registered {
    id: u64,
    connections: Arc<Connections>,
    pub(super) connection: Arc<ClientConnection>,
}

impl Connections {
    pub(super) fn new(max_total: usize, max_per_address: usize, trusted_proxies: TrustedProxies) -> Arc<Self> {
        Arc::new(Self { max_total, max_per_address, trusted_proxies, open: Mutex::default() })
    }

    /// Registers a connection. Returns `None` when there are too many, and each of them has a request.
    pub(super) fn register(self: &Arc<Self>, peer: SocketAddr) -> Option<Registered> {
        let address = client_network(peer.ip());
        let mut open = self.lock();
        let of_address = open.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.max_per_address && !self.trusted_proxies.contains(peer.ip()) {
            open.evict_idle(Some(address))?;
        }
        if open.connections.len() >= self.max_total {
            open.evict_idle(None)?;
        }
        open.last_id += 1;
        let id = open.last_id;
        let connection = Arc::new(ClientConnection::new(peer));
        open.connections.insert(id, Arc::clone(&connection));
        *open.by_address.entry(address).or_default() += 1;
        drop(open);
        Some(Registered { id, connections: Arc::clone(self), connection })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Closes the connection that has been idle longest, of an address or of all.
    fn evict_idle(&mut self, address: Option<IpAddr>) -> Option<()> {
        let candidates = self
            .connections
            .iter()
            .filter(|(_, connection)| address.is_none_or(|address| client_network(connection.peer().ip()) == address));
        let (_, id) = candidates.filter_map(|(id, connection)| Some((connection.idle_since()?, *id))).min()?;
        if let Some(connection) = self.remove(id) {
            counter!(REJECTED, "limit" => "connections").increment(1);
            connection.close();
        }
        Some(())
    }

    fn remove(&mut self, id: u64) -> Option<Arc<ClientConnection>> {
        let connection = self.connections.remove(&id)?;
        let address = client_network(connection.peer().ip());
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(connection)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    fn is_evicted(registered: &Registered) -> bool {
        !registered.connections.lock().connections.contains_key(&registered.id)
    }

    #[test]
    fn the_connection_that_is_idle_for_longest_makes_room() {
        let connections = Connections::new(3, 2, TrustedProxies::default());
        let busy = connections.register(peer(1, 1)).unwrap();
        busy.connection.begin_request();
        let idle = connections.register(peer(1, 2)).unwrap();
        let third = connections.register(peer(1, 3)).unwrap();
        assert!(is_evicted(&idle) && !is_evicted(&busy) && !is_evicted(&third));
        third.connection.begin_request();
        assert!(connections.register(peer(1, 4)).is_none(), "each connection of the address has a request");
        let other = connections.register(peer(2, 1)).unwrap();
        other.connection.begin_request();
        assert!(connections.register(peer(3, 1)).is_none(), "each connection has a request");
        other.connection.end_response();
        other.connection.flushed();
        assert!(connections.register(peer(3, 1)).is_some());
        drop((busy, idle, third, other));
        assert!(connections.lock().by_address.is_empty() && connections.lock().connections.is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let connections = Connections::new(10, 2, TrustedProxies::default());
        let peer = |network: u16, host: u16| SocketAddr::from(([0x2001, 0xdb8, 0, network, 0, 0, 0, host], 1));
        let first = connections.register(peer(1, 1)).unwrap();
        let second = connections.register(peer(1, 2)).unwrap();
        let third = connections.register(peer(1, 3)).unwrap();
        let other = connections.register(peer(2, 1)).unwrap();
        assert!(is_evicted(&first) && [&second, &third, &other].into_iter().all(|registered| !is_evicted(registered)));
        drop((first, second, third, other));
        assert!(connections.lock().by_address.is_empty());
    }

    #[test]
    fn a_trusted_proxy_has_no_limit_of_its_own() {
        let connections = Connections::new(3, 1, TrustedProxies::parse("192.0.2.1").unwrap());
        let held: Vec<Registered> = (1..=3).map(|port| connections.register(peer(1, port)).unwrap()).collect();
        assert!(held.iter().all(|registered| !is_evicted(registered)));
    }
}
