//! What the user says and sees of the network of nodes.

use std::net::SocketAddr;
use std::time::Instant;

use super::For;
use crate::dht::{BlindedId, Contact, Mode, NodeId, NodeView, Period, RecordKind, Statistics};
use crate::node::Node;

/// How a node finds others beyond the local network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WideConfig {
    /// Whether others are to find this node by its id, as far as it can be reached.
    pub publish: bool,
    /// The owner's word that everyone can reach this node. It serves others from the start.
    pub public: bool,
    /// Whether BitTorrent's Mainline is asked where no nearer way leads on.
    pub mainline: bool,
    /// Nodes to begin with, besides those that are remembered or near.
    pub bootstrap: Vec<SocketAddr>,
}

/// What a node knows of the network of nodes.
#[derive(Debug, Clone)]
pub struct NetworkView {
    /// Where it stands itself.
    pub id: NodeId,
    /// Whether others ask it.
    pub mode: Mode,
    /// Whether it may still be joining.
    pub joining: bool,
    /// Who is known.
    pub nodes: Vec<NodeView>,
    /// Those with whom it began, or would begin if it started now: remembered from before.
    pub remembered: Vec<SocketAddr>,
    /// The addresses at which others see this node.
    pub observed: Vec<SocketAddr>,
    /// Those of them at which everyone can reach it.
    pub reachable: Vec<SocketAddr>,
    /// Those who pass on calls to this node, as it is behind a NAT.
    pub introducers: Vec<SocketAddr>,
    /// How many others this node passes on calls to.
    pub introduces: usize,
    /// Items that are stored here for others.
    pub stored: usize,
    /// How many nodes have taken the record under which this node is found.
    pub copies: usize,
    /// Whether Mainline is asked, and whether it answered the last time.
    pub mainline: Option<Option<bool>>,
    /// What was counted.
    pub statistics: Statistics,
}

impl Node {
    /// What this node knows of the network of nodes; `None` where it takes no part.
    pub fn network(&self) -> Option<NetworkView> {
        let wide = self.wide.as_ref()?;
        Some(NetworkView {
            id: wide.dht.id(),
            mode: wide.dht.mode(),
            joining: wide.dht.is_joining(),
            nodes: wide.dht.nodes(),
            remembered: wide.remembered.clone(),
            observed: wide.dht.observed(),
            reachable: wide.dht.reachable(),
            introducers: wide.dht.introducers().iter().map(Contact::address).collect(),
            introduces: wide.dht.introduces(),
            stored: wide.dht.stored(),
            copies: wide.publishing.copies(),
            mainline: wide.config.mainline.then(|| wide.world.reached()),
            statistics: wide.dht.statistics().clone(),
        })
    }

    /// User in: look for this node as others would. [`Event::FoundOneself`](crate::Event::FoundOneself) follows; `false`
    /// where it takes no part in the network, or too many searches are under way.
    pub fn find_oneself(&mut self, now: Instant) -> bool {
        let unix_time = self.unix_time(now);
        let me = self.me.peer_id();
        let Some(wide) = &mut self.wide else { return false };
        let id = BlindedId::new(&me, RecordKind::Addresses, Period::of(unix_time), &wide.network);
        let Some(lookup) = wide.dht.find(now, id.target()) else { return false };
        wide.purposes.insert(lookup, For::Oneself(now));
        self.turn(now);
        true
    }
}
