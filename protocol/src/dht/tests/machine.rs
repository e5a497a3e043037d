//! The machine alone: whom it asks, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::{NOON, random};
use crate::dht::message::{Answer, Cookie, Query, Request, Response};
use crate::dht::{Contact, Dht, NodeKey, Output};

const OWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)), 4242);

struct Node {
    dht: Dht,
    now: Instant,
    /// Who was sent a ping.
    asked: Vec<Contact>,
    /// When dial-backs were asked for.
    dial_backs: Vec<Instant>,
    /// By which keys those answer that it meets.
    keys: BTreeMap<SocketAddr, NodeKey>,
    /// Where others see the node.
    seen: SocketAddr,
    /// Who does not answer.
    silent: BTreeSet<SocketAddr>,
}

impl Node {
    fn new() -> Self {
        let now = Instant::now();
        let key = NodeKey([0xff; 32]);
        let mut dht = Dht::new(now, NOON, key, false, random(1));
        dht.set_addresses(now, key, vec![OWN]);
        Self {
            dht,
            now,
            asked: Vec::new(),
            dial_backs: Vec::new(),
            keys: BTreeMap::new(),
            seen: OWN,
            silent: BTreeSet::new(),
        }
    }

    /// So many who have the first bits in common with this node, and no more.
    fn with_bits_in_common(&self, bits: usize, count: usize) -> Vec<Contact> {
        let me = self.dht.id().target();
        let all = (1..=u16::MAX).map(|number| {
            let [high, low] = number.to_be_bytes();
            let address = SocketAddr::new(Ipv4Addr::new(20, high, low, 1).into(), 4242);
            Contact::new(NodeKey([low; 32]), address).unwrap()
        });
        all.filter(|it| it.distance(&me).common_bits() == bits).take(count).collect()
    }

    /// One that knows ten who have no bit in common with it and ten who have one.
    fn with_twenty() -> Self {
        let mut node = Self::new();
        for bits in [0, 1] {
            for contact in node.with_bits_in_common(bits, 10) {
                node.hear(&contact);
            }
        }
        assert_eq!((node.dht.len(), node.asked.len()), (20, 20), "the first are asked at once");
        node.asked.clear();
        node
    }

    /// Somebody may be at an address, and is.
    fn meet(&mut self, whom: &Contact) {
        self.keys.insert(whom.address(), whom.key());
        self.dht.meet(self.now, whom.address());
        self.answer();
    }

    /// Someone asks who says that they can be asked.
    fn hear(&mut self, from: &Contact) {
        let query = Query { server: Some(from.key()), request: Request::Ping(None) };
        self.dht.handle_query(self.now, from.address(), false, Cookie([1; 16]), query);
        self.answer();
    }

    /// Everyone answers at once, but those who are silent.
    fn answer(&mut self) {
        while let Some(output) = self.dht.poll_output() {
            if let Output::Greet { id, to } = output {
                self.dht.handle_greeting(self.now, id, self.keys[&to]);
            }
            let Output::Ask { id, to, query, .. } = output else { continue };
            let answer = match query.request {
                Request::FindNode(_) => Answer::Nodes(Vec::new()),
                _ => Answer::Done,
            };
            match query.request {
                Request::Ping(_) => self.asked.push(to),
                Request::DialBack(_) => self.dial_backs.push(self.now),
                _ => {}
            }
            if !self.silent.contains(&to.address()) {
                let response = Response { observed: self.seen, cookie: Cookie([2; 16]), answer };
                self.dht.handle_response(self.now, id, response);
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.dht.next_time(self.now).filter(|next| *next <= end) {
            assert!(next > self.now, "it does not ask for the same time again and again");
            self.now = next;
            self.dht.handle_timeout(next);
            self.answer();
        }
        self.now = end;
    }
}

#[test]
fn those_like_whom_there_are_few_are_asked_before_those_like_whom_there_are_enough() {
    let mut node = Node::with_twenty();
    let (far, rare) = (node.with_bits_in_common(0, 18), node.with_bits_in_common(2, 3));
    for contact in far[10..].iter().chain(&rare) {
        node.hear(contact);
    }
    node.wait(Duration::from_secs(10));
    assert_eq!(node.asked, rare);
    node.wait(Duration::from_secs(105));
    assert_eq!(node.asked[3..], far[10..13], "and then one every half minute");
}

#[test]
fn a_crowd_of_one_kind_does_not_keep_out_the_other() {
    let mut node = Node::with_twenty();
    let (far, rare) = (node.with_bits_in_common(0, 60), node.with_bits_in_common(2, 40));
    // These say that they can be asked, and cannot, and so remain few for ever.
    node.silent = rare[..30].iter().map(Contact::address).collect();
    for contact in &far[10..] {
        node.hear(contact);
    }
    let (good, others) = (rare[35], &rare[..30]);
    for round in 0..20 {
        node.wait(Duration::from_secs(5));
        others.iter().for_each(|contact| node.hear(contact));
        if round == 10 {
            node.wait(Duration::from_secs(40));
            node.hear(&good);
        }
    }
    assert!(node.asked.contains(&far[11]), "while others of another kind ask and ask");
    assert!(node.asked.contains(&good), "though all places for its kind were taken a moment ago");
}

#[test]
fn behind_a_nat_dial_backs_are_asked_for_soon_and_then_rarely() {
    let mut node = Node::new();
    node.seen = SocketAddr::new(Ipv4Addr::new(8, 8, 8, 8).into(), 5000);
    let start = node.now;
    for contact in node.with_bits_in_common(0, 3) {
        node.meet(&contact);
    }
    node.wait(Duration::from_secs(15 * 60));
    let mut seconds: Vec<u64> = node.dial_backs.iter().map(|at| (*at - start).as_secs()).collect();
    seconds.dedup();
    assert_eq!(seconds, [0, 20, 40, 60, 80, 100, 120, 720], "six times again, and then every ten minutes");
}
