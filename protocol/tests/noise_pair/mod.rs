//! Two endpoints and the network between them, in memory and under virtual time.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, PeerId};
use hither_protocol::noise::quic::{
    Ciphers, HandshakeData, NetworkId, QuicCrypto, WIRE_VERSION, endpoint_config, initial_connection_ids,
    token_key,
};
use noq_proto::{
    ClientConfig, Connection, ConnectionError, DatagramEvent, Dir, Endpoint, Event, FourTuple, ServerConfig,
    StreamId, TimeSource,
};

/// One way, in either direction.
const LATENCY: Duration = Duration::from_millis(10);

/// What a node is made of.
#[derive(Clone)]
pub struct Setup {
    pub seed: u8,
    pub identity: u8,
    pub network: NetworkId,
    pub ciphers: Ciphers,
    /// Answers unproven addresses with a Retry.
    pub retry: bool,
    /// Instead of the version that there is.
    pub version: u32,
}

impl Setup {
    /// A node whose seed and identity are `seed`, with ChaCha only.
    pub fn new(seed: u8) -> Self {
        let (network, ciphers) = (NetworkId::default(), Ciphers::portable());
        Self { seed, identity: seed, network, ciphers, retry: false, version: WIRE_VERSION }
    }
}

/// The identity that a [`Setup`] names.
pub fn identity(number: u8) -> Identity {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("identity"))
}

/// One side.
pub struct Node {
    pub crypto: QuicCrypto,
    pub peer_id: PeerId,
    pub endpoint: Endpoint,
    pub connections: BTreeMap<usize, Connection>,
    pub events: Vec<(usize, Event)>,
    pub accept_errors: Vec<ConnectionError>,
    pub received: Vec<u8>,
    initial_ids: Arc<dyn Fn() -> noq_proto::ConnectionId + Send + Sync>,
    retry: bool,
}

impl Node {
    fn new(setup: &Setup) -> Self {
        let mut entropy = Entropy::new(Seed::new([setup.seed; 32]));
        let identity = Arc::new(identity(setup.identity));
        let peer_id = identity.peer_id();
        let crypto = QuicCrypto::new(identity, setup.network, setup.ciphers, entropy.stream("ephemerals"));
        let mut config = endpoint_config(&mut entropy);
        if setup.version != WIRE_VERSION {
            config.supported_versions(vec![setup.version]);
        }
        let mut server = ServerConfig::new(crypto.server(), token_key(&mut entropy));
        server.time_source(Arc::new(FixedTime));
        Self {
            crypto,
            peer_id,
            endpoint: Endpoint::new(Arc::new(config), Some(Arc::new(server)), false),
            connections: BTreeMap::new(),
            events: Vec::new(),
            accept_errors: Vec::new(),
            received: Vec::new(),
            initial_ids: initial_connection_ids(entropy.stream("initial connection ids")),
            retry: setup.retry,
        }
    }

    pub fn connected(&self) -> usize {
        self.events.iter().filter(|(_, event)| matches!(event, Event::Connected)).count()
    }

    /// Why the first connection that was lost was lost.
    pub fn lost(&self) -> Option<&ConnectionError> {
        self.events.iter().find_map(|(_, event)| match event {
            Event::ConnectionLost { reason } => Some(reason),
            _ => None,
        })
    }

    /// The only connection.
    pub fn connection(&mut self) -> &mut Connection {
        assert_eq!(self.connections.len(), 1);
        self.connections.values_mut().next().unwrap()
    }

    pub fn peer_identity(&mut self) -> Option<PeerId> {
        let identity = self.connection().crypto_session().peer_identity()?;
        Some(*identity.downcast::<PeerId>().unwrap())
    }

    pub fn handshake_data(&mut self) -> Option<HandshakeData> {
        let data = self.connection().crypto_session().handshake_data()?;
        Some(*data.downcast::<HandshakeData>().unwrap())
    }
}

struct FixedTime;

impl TimeSource for FixedTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }
}

/// Looks at a datagram of node `.0` and may change it; whether it arrives.
pub type Middle = Box<dyn FnMut(usize, &mut Vec<u8>) -> bool>;

/// Two nodes. Number 0 dials.
pub struct Pair {
    pub nodes: [Node; 2],
    pub now: Instant,
    pub middle: Middle,
    /// Every datagram that was sent, by whom.
    pub log: Vec<(usize, Vec<u8>)>,
    in_flight: BTreeMap<(Instant, usize), (usize, Vec<u8>)>,
}

impl Pair {
    pub fn new(client: &Setup, server: &Setup) -> Self {
        // Only differences of times count, and all of them come from here.
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        Self {
            nodes: [Node::new(client), Node::new(server)],
            now,
            middle: Box::new(|_, _| true),
            log: Vec::new(),
            in_flight: BTreeMap::new(),
        }
    }

    /// Node 0 dials node 1, as whom it takes `remote`.
    pub fn dial(&mut self, remote: PeerId) {
        let [client, _] = &mut self.nodes;
        let mut config = ClientConfig::new(client.crypto.client(remote));
        config.version(WIRE_VERSION).initial_dst_cid_provider(Arc::clone(&client.initial_ids));
        let (handle, connection) = client.endpoint.connect(self.now, config, address(1), "peer").unwrap();
        client.connections.insert(handle.0, connection);
    }

    /// Dials and runs for a second, which is enough where nothing is lost.
    pub fn connect(client: &Setup, server: &Setup) -> Self {
        let mut pair = Self::new(client, server);
        pair.dial(pair.nodes[1].peer_id);
        pair.run(Duration::from_secs(1));
        pair
    }

    /// Lets a datagram arrive at node `to` now.
    pub fn inject(&mut self, to: usize, datagram: Vec<u8>) {
        let key = (self.now, self.log.len());
        self.log.push((1 - to, datagram.clone()));
        self.in_flight.insert(key, (to, datagram));
    }

    /// Opens a stream from node `from` and sends `data` on it, as far as the window allows.
    pub fn send(&mut self, from: usize, data: &[u8]) -> StreamId {
        let connection = self.nodes[from].connection();
        let id = connection.streams().open(Dir::Uni).unwrap();
        assert_eq!(connection.send_stream(id).write(data).unwrap(), data.len());
        connection.send_stream(id).finish().unwrap();
        id
    }

    /// Runs for `span` of virtual time, or until nothing can happen any more.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            for index in 0..2 {
                self.pump(index);
            }
            let timers = self.nodes.iter().flat_map(|node| node.connections.values());
            let next_timer = timers.filter_map(Connection::poll_timeout).min();
            let next_arrival = self.in_flight.keys().next().map(|(at, _)| *at);
            let Some(next) = next_timer.into_iter().chain(next_arrival).min().filter(|next| *next <= end)
            else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, datagram) = entry.remove();
                self.arrive(to, &datagram);
            }
        }
    }

    fn arrive(&mut self, to: usize, datagram: &[u8]) {
        let (now, mut reply) = (self.now, Vec::new());
        let node = &mut self.nodes[to];
        let path = FourTuple::new(address(1 - to), Some(address(to).ip()));
        let transmit = match node.endpoint.handle(now, path, None, BytesMut::from(datagram), &mut reply) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                node.connections.get_mut(&handle.0).unwrap().handle_event(event);
                None
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                if node.retry && !incoming.remote_address_validated() {
                    Some(node.endpoint.retry(incoming, &mut reply).unwrap())
                } else {
                    match node.endpoint.accept(incoming, now, &mut reply, None) {
                        Ok((handle, connection)) => {
                            node.connections.insert(handle.0, connection);
                            None
                        }
                        Err(error) => {
                            node.accept_errors.push(error.cause);
                            error.response
                        }
                    }
                }
            }
            Some(DatagramEvent::Response(transmit)) => Some(transmit),
            None => None,
        };
        if let Some(transmit) = transmit {
            self.send_datagram(to, reply[..transmit.size].to_vec());
        }
    }

    fn pump(&mut self, index: usize) {
        let (now, mut out, mut buffer) = (self.now, Vec::new(), Vec::new());
        let node = &mut self.nodes[index];
        let mut drained = Vec::new();
        for (handle, connection) in &mut node.connections {
            if connection.poll_timeout().is_some_and(|at| at <= now) {
                connection.handle_timeout(now);
            }
            loop {
                while let Some(transmit) = connection.poll_transmit(now, NonZeroUsize::MIN, &mut buffer) {
                    out.push(buffer[..transmit.size].to_vec());
                    buffer.clear();
                }
                let Some(event) = connection.poll_endpoint_events() else { break };
                if event.is_drained() {
                    drained.push(*handle);
                }
                let handle = noq_proto::ConnectionHandle(*handle);
                if let Some(event) = node.endpoint.handle_event(handle, event) {
                    connection.handle_event(event);
                }
            }
            while let Some(event) = connection.poll() {
                node.events.push((*handle, event));
            }
            while let Some(id) = connection.streams().accept(Dir::Uni) {
                read_all(connection, id, &mut node.received);
            }
            let readable: Vec<_> = node
                .events
                .iter()
                .filter_map(|(_, event)| match event {
                    Event::Stream(noq_proto::StreamEvent::Readable { id }) => Some(*id),
                    _ => None,
                })
                .collect();
            node.events.retain(|(_, event)| !matches!(event, Event::Stream(_)));
            for id in readable {
                read_all(connection, id, &mut node.received);
            }
        }
        for handle in drained {
            node.connections.remove(&handle);
        }
        for datagram in out {
            self.send_datagram(index, datagram);
        }
    }

    fn send_datagram(&mut self, from: usize, mut datagram: Vec<u8>) {
        let key = (self.now + LATENCY, self.log.len());
        self.log.push((from, datagram.clone()));
        if (self.middle)(from, &mut datagram) {
            self.in_flight.insert(key, (1 - from, datagram));
        }
    }
}

fn read_all(connection: &mut Connection, id: StreamId, into: &mut Vec<u8>) {
    let mut stream = connection.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else { return };
    while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
        into.extend_from_slice(&chunk.bytes);
    }
    let _ = chunks.finalize();
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, if index == 0 { 1 } else { 2 }], 4433))
}
