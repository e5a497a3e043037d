//! When there is a part in Mainline: from a request on, and not for ever.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs, UdpSocket};
use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use mainline::async_dht::AsyncDht;
use mainline::{DEFAULT_BOOTSTRAP_NODES, Dht};
use smol::future::or;
use smol::lock::Mutex;
use smol::{Timer, unblock};

use super::MainlineSettings;

/// Longest time for the names of bootstrap nodes; those that are known by then have to do.
const NAMING: Duration = Duration::from_secs(5);
/// How old a client may be. After a quarter of an hour the library turns it into a server if it is reachable, and
/// nobody has asked for one.
const CLIENT_AGE: Duration = Duration::from_secs(600);

/// The part in Mainline, whenever somebody holds it.
pub(super) struct Network {
    settings: MainlineSettings,
    current: Mutex<Weak<Running>>,
}

/// A node of Mainline, of our own. It ends when it is dropped.
pub(super) struct Running {
    dht: AsyncDht,
    since: Instant,
}

impl Deref for Running {
    type Target = AsyncDht;

    fn deref(&self) -> &AsyncDht {
        &self.dht
    }
}

impl Network {
    pub(super) fn new(settings: MainlineSettings) -> Self {
        Self { settings, current: Mutex::new(Weak::new()) }
    }

    pub(super) fn is_server(&self) -> bool {
        self.settings.server.is_some()
    }

    /// The node that runs, or a new one.
    pub(super) async fn join(&self) -> io::Result<Rc<Running>> {
        let mut current = self.current.lock().await;
        if let Some(running) = current.upgrade()
            && (self.is_server() || running.since.elapsed() < CLIENT_AGE)
        {
            return Ok(running);
        }
        let running = Rc::new(self.start().await?);
        *current = Rc::downgrade(&running);
        Ok(running)
    }

    /// The next to join gets a new node.
    pub(super) async fn forget(&self) {
        *self.current.lock().await = Weak::new();
    }

    async fn start(&self) -> io::Result<Running> {
        let MainlineSettings { bind, server, .. } = self.settings;
        let bootstrap = self.bootstrap().await;
        if bootstrap.is_empty() {
            // The library would go on without for ever.
            return Err(io::ErrorKind::HostUnreachable.into());
        }
        let port = server.unwrap_or(0);
        // The library may panic when it cannot bind.
        UdpSocket::bind((bind.unwrap_or(Ipv4Addr::UNSPECIFIED), port))?;
        let mut builder = Dht::builder();
        // Without a number it would take BitTorrent's own port.
        builder.bootstrap(&bootstrap).port(port);
        if let Some(address) = bind {
            builder.bind_address(address);
        }
        if server.is_some() {
            builder.server_mode();
        }
        Ok(Running { dht: builder.build()?.as_async(), since: Instant::now() })
    }

    /// The addresses of the nodes to begin with. The library would look for them while we wait, and only once.
    async fn bootstrap(&self) -> Vec<SocketAddrV4> {
        let names = match &self.settings.bootstrap {
            Some(names) => names.clone(),
            None => DEFAULT_BOOTSTRAP_NODES.map(String::from).to_vec(),
        };
        if self.settings.bind.is_some_and(|address| address.is_loopback()) {
            let addresses = names.iter().filter_map(|name| name.parse::<SocketAddrV4>().ok());
            return addresses.filter(|address| address.ip().is_loopback()).collect();
        }
        let lookups: Vec<_> = names
            .into_iter()
            .map(|name| unblock(move || name.to_socket_addrs().map(Iterator::collect::<Vec<_>>)))
            .collect();
        let end = Instant::now() + NAMING;
        let mut found = Vec::new();
        for lookup in lookups {
            let late = async {
                Timer::at(end).await;
                Ok(Vec::new())
            };
            // A name that nobody knows is none to begin with.
            found.extend(or(lookup, late).await.unwrap_or_default());
        }
        let version_4 = |address| match address {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        };
        found.into_iter().filter_map(version_4).collect()
    }
}
