//! The machine alone: whom it asks, and when.

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
}

impl Node {
    fn new() -> Self {
        let now = Instant::now();
        let key = NodeKey([0xff; 32]);
        let mut dht = Dht::new(now, NOON, key, false, random(1));
        dht.set_addresses(now, key, vec![OWN]);
        Self { dht, now, asked: Vec::new() }
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

    /// Someone asks who says that they can be asked.
    fn hear(&mut self, from: &Contact) {
        let query = Query { server: Some(from.key()), request: Request::Ping(None) };
        self.dht.handle_query(self.now, from.address(), false, Cookie([1; 16]), query);
        self.answer();
    }

    /// Everyone answers at once.
    fn answer(&mut self) {
        while let Some(output) = self.dht.poll_output() {
            let Output::Ask { id, to, query, .. } = output else { continue };
            let answer = match query.request {
                Request::Ping(_) => {
                    self.asked.push(to);
                    Answer::Done
                }
                Request::FindNode(_) => Answer::Nodes(Vec::new()),
                _ => Answer::Done,
            };
            let response = Response { observed: OWN, cookie: Cookie([2; 16]), answer };
            self.dht.handle_response(self.now, id, response);
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
    let mut node = Node::new();
    let (far, near) = (node.with_bits_in_common(0, 18), node.with_bits_in_common(1, 10));
    let rare = node.with_bits_in_common(2, 3);
    for contact in far[..10].iter().chain(&near) {
        node.hear(contact);
    }
    assert_eq!((node.dht.len(), node.asked.len()), (20, 20), "the first are asked at once");
    node.asked.clear();
    for contact in far[10..].iter().chain(&rare) {
        node.hear(contact);
    }
    node.wait(Duration::from_secs(10));
    assert_eq!(node.asked, rare);
    node.wait(Duration::from_secs(110));
    assert_eq!(node.asked[3..], far[10..13], "and then one every half minute");
}
