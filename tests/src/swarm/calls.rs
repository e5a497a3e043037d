//! People behind NATs, who are called through others.

use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::dht::{Call, Content, Introduced, Item, SealedCall};
use hither_protocol::noise::quic::NetworkId;

use super::cases::{SEARCH, Searches, publish};
use super::{PeerIndex, Setup, Swarm, Wire};

/// How long a call may take.
const CALL: Duration = Duration::from_secs(3);
/// How often somebody is called, if in vain.
const TRIES: usize = 3;

/// A network in which one of three is behind a NAT, and so many calls from each of those to another.
pub fn calls(seed: u64, wire: Wire, nodes: usize, count: usize) -> Searches {
    let setup = |number| Setup { behind_nat: number >= 5 && number % 3 == 0, ..Setup::default() };
    let mut swarm = Swarm::grown(seed, wire, nodes, setup);
    swarm.be_introduced();
    publish(&mut swarm);
    let hidden: Vec<PeerIndex> = swarm.up().into_iter().filter(|index| swarm.is_hidden(*index)).collect();
    let mut searches = Searches::default();
    let some = |swarm: &mut Swarm| hidden[swarm.random.below(hidden.len() as u64) as usize];
    while searches.of < count {
        let (who, whom) = (some(&mut swarm), some(&mut swarm));
        if who != whom {
            searches.of += 1;
            searches.found += usize::from(swarm.call(who, whom));
        }
    }
    searches
}

impl Swarm {
    /// Has all who are behind NATs be introduced, and waits until they are.
    pub fn be_introduced(&mut self) {
        for index in self.up() {
            if self.is_hidden(index) {
                self.ask(index, |dht, now| dht.be_introduced(now, true));
            }
        }
        self.run_for(Duration::from_secs(10));
    }

    /// Whether a node is behind a NAT.
    pub fn is_hidden(&self, index: PeerIndex) -> bool {
        self.peers[index.0].heard_from.is_some()
    }

    /// Has someone find and call another, perhaps several times. Gives whether each has learnt where the other is, and
    /// both NATs let them in.
    pub fn call(&mut self, who: PeerIndex, whom: PeerIndex) -> bool {
        let lookup = self.look_for(who, whom);
        self.run_for(SEARCH);
        let Some((_, items)) = self.outcome(who, lookup) else { return false };
        let Some(introduced) = items.iter().find_map(|item| self.introduced(whom, item)) else {
            return false;
        };
        (0..TRIES).any(|_| {
            self.punch(who, whom, &introduced);
            self.run_for(CALL);
            let (here, there) = (self.address(who), self.address(whom));
            let reached = self.peers[who.0].reached.contains(&there);
            reached && self.lets_in(who, there) && self.lets_in(whom, here)
        })
    }

    fn introduced(&mut self, whom: PeerIndex, item: &Item) -> Option<Introduced> {
        let Item::Record(record) = item else { return None };
        match self.blinded(whom).open(record) {
            Ok(Content::Addresses { introduced, .. }) => introduced,
            _ => None,
        }
    }

    fn punch(&mut self, who: PeerIndex, whom: PeerIndex, introduced: &Introduced) {
        self.peers[who.0].reached.clear();
        let call = self.ask(who, |dht, now| dht.new_call(now));
        let peer = self.owner(whom).identity.peer_id();
        let random = &mut self.owner(who).random;
        let sealed = call.seal(&peer, &introduced.key, &NetworkId::default(), random).expect("a call");
        for by in introduced.by.clone() {
            self.ask(who, |dht, now| dht.punch(now, by, introduced.key, call.nonce, sealed));
        }
    }

    /// Somebody is called: its owner reads by whom.
    pub(super) fn called(&mut self, index: PeerIndex, from: SocketAddr, call: &SealedCall) {
        let now = self.instant();
        let key = self.dht(index).key();
        let call = Call::open(call, &self.owner(index).identity, &key, &NetworkId::default());
        if let (Some(call), Some(dht)) = (call, &mut self.peers[index.0].dht) {
            dht.answer_call(now, from, &call);
        }
    }

    /// Whoever was called is said to be somewhere, and is sent something there.
    pub(super) fn reached(&mut self, index: PeerIndex, at: SocketAddr) {
        let now = self.now;
        let peer = &mut self.peers[index.0];
        peer.reached.insert(at);
        if let Some(heard_from) = &mut peer.heard_from {
            heard_from.insert(at, now);
        }
    }
}
