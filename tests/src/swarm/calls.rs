//! People behind NATs, who are called through others.

use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::dht::{Call, Content, Introduced, Item, Nonce, SealedCall};
use hither_protocol::noise::quic::NetworkId;

use super::cases::{BETWEEN, SEARCH, Searches, publish};
use super::{PeerIndex, Setup, Swarm, Wire};

/// How long a call may take.
const CALL: Duration = Duration::from_secs(3);
/// How often somebody is called, if in vain.
const TRIES: usize = 3;

/// Somebody who is found and called by another.
struct Pair {
    who: PeerIndex,
    whom: PeerIndex,
    introduced: Option<Introduced>,
    reached: bool,
}

/// A network in which one of three is behind a NAT, and so many calls from one of those to another.
pub fn calls(seed: u64, wire: Wire, nodes: usize, count: usize) -> Searches {
    let setup = |number| Setup { behind_nat: number >= 5 && number % 3 == 0, ..Setup::default() };
    let mut swarm = Swarm::grown(seed, wire, nodes, setup);
    swarm.be_introduced();
    publish(&mut swarm);
    let hidden: Vec<PeerIndex> = swarm.up().into_iter().filter(|index| swarm.is_hidden(*index)).collect();
    let mut pairs = swarm.found_pairs(&hidden, count);
    for _ in 0..TRIES {
        swarm.call(&mut pairs);
    }
    let found = pairs.iter().filter(|pair| pair.reached).count();
    Searches { of: pairs.len(), found, ..Searches::default() }
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

    /// So many who look for another, and what introducers they find.
    fn found_pairs(&mut self, among: &[PeerIndex], count: usize) -> Vec<Pair> {
        let mut under_way = Vec::new();
        while under_way.len() < count {
            let [who, whom] = [(); 2].map(|()| among[self.random.below(among.len() as u64) as usize]);
            if who != whom {
                under_way.push((who, whom, self.look_for(who, whom)));
                self.run_for(BETWEEN);
            }
        }
        self.run_for(SEARCH);
        let mut pairs = Vec::new();
        for (who, whom, lookup) in under_way {
            let items = self.outcome(who, lookup).map(|(_, items)| items).unwrap_or_default();
            let introduced = items.iter().find_map(|item| self.introduced(whom, item));
            pairs.push(Pair { who, whom, introduced, reached: false });
        }
        pairs
    }

    /// Has those call who have not reached the other yet: where they have learnt where that is, and its NAT lets them in.
    fn call(&mut self, pairs: &mut [Pair]) {
        let mut called = Vec::new();
        for pair in pairs.iter_mut().filter(|pair| !pair.reached) {
            if let Some(introduced) = &pair.introduced {
                let nonce = self.punch(pair.who, pair.whom, introduced);
                called.push((nonce, pair));
                self.run_for(BETWEEN);
            }
        }
        self.run_for(CALL);
        for (nonce, pair) in called {
            let (here, there) = (self.address(pair.who), self.address(pair.whom));
            let callees = &self.peers[pair.who.0].callees;
            let learnt = callees.get(&nonce).is_some_and(|callees| callees.contains(&there));
            pair.reached = learnt && self.lets_in(pair.whom, here);
        }
    }

    fn introduced(&mut self, whom: PeerIndex, item: &Item) -> Option<Introduced> {
        let Item::Record(record) = item else { return None };
        match self.blinded(whom).open(record) {
            Ok(Content::Addresses { introduced, .. }) => introduced,
            _ => None,
        }
    }

    fn punch(&mut self, who: PeerIndex, whom: PeerIndex, introduced: &Introduced) -> Nonce {
        let call = self.ask(who, |dht, now| dht.new_call(now));
        let peer = self.owner(whom).identity.peer_id();
        let random = &mut self.owner(who).random;
        let sealed = call.seal(&peer, &introduced.key, &NetworkId::default(), random).expect("a call");
        for by in introduced.by.clone() {
            self.ask(who, |dht, now| dht.punch(now, by, introduced.key, call.nonce, sealed));
        }
        call.nonce
    }

    /// Somebody is called: its owner reads by whom.
    pub(super) fn called(&mut self, index: PeerIndex, by: SocketAddr, from: SocketAddr, call: &SealedCall) {
        let now = self.instant();
        let key = self.dht(index).key();
        let call = Call::open(call, &self.owner(index).identity, &key, &NetworkId::default());
        if let (Some(call), Some(dht)) = (call, &mut self.peers[index.0].dht) {
            dht.answer_call(now, by, from, &call);
        }
    }

    /// Whoever was called is said to be somewhere, and is sent something there.
    pub(super) fn callee_at(&mut self, index: PeerIndex, nonce: Nonce, at: SocketAddr) {
        let now = self.now;
        let peer = &mut self.peers[index.0];
        peer.callees.entry(nonce).or_default().insert(at);
        if let Some(heard_from) = &mut peer.heard_from {
            heard_from.insert(at, now);
        }
    }
}
