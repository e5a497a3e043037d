//! Introductions: who is called, by whom, and what it costs those in between.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::datagram::{Side, start};
use super::{NOON, identity, random};
use crate::dht::message::{Answer, Cookie, Nonce, Query, Refusal, Request, Response};
use crate::dht::registry::{Registering, Registry};
use crate::dht::{
    Call, Contact, Dht, DhtEvent, MAX_REGISTERED, Mode, NodeKey, Output, REGISTERED_FOR,
    REGISTERED_OF_PREFIX, Reason, RequestId, SEALED_CALL, SealedCall,
};
use crate::noise::quic::NetworkId;

const KEY: NodeKey = NodeKey([0xee; 32]);
/// Where a client is seen, behind its NAT.
const OUTSIDE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), 5000);
const SOME_CALL: SealedCall = SealedCall([7; SEALED_CALL]);

fn node(number: u8) -> Contact {
    Contact::new(NodeKey([number; 32]), SocketAddr::from(([20, number, 1, 1], 4242))).unwrap()
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([30, number, 1, 1], 5000))
}

/// A machine, and everybody else.
struct Machine {
    dht: Dht,
    now: Instant,
    /// Those who say that they introduce it, and those who do not answer.
    willing: bool,
    silent: BTreeSet<Contact>,
    /// What it asked, and when.
    asked: Vec<(Instant, Contact, Request)>,
    seen: SocketAddr,
}

impl Machine {
    /// One at an address of its own, or behind a NAT, that knows so many nodes.
    fn new(own: SocketAddr, seen: SocketAddr, nodes: u8) -> Self {
        let now = Instant::now();
        let mut dht = Dht::new(now, NOON, KEY, false, random(1));
        dht.set_addresses(now, KEY, vec![own]);
        let mut machine = Self { dht, now, willing: true, silent: BTreeSet::new(), asked: Vec::new(), seen };
        for number in 1..=nodes {
            let known = node(number);
            let query = Query { server: Some(known.key()), request: Request::Ping(None) };
            machine.dht.handle_query(now, known.address(), false, Cookie([1; 16]), query);
            machine.answer();
        }
        machine
    }

    fn client(nodes: u8) -> Self {
        let own = SocketAddr::from(([192, 168, 1, 2], 5000));
        let mut client = Self::new(own, OUTSIDE, 0);
        // Whoever is behind a NAT is met, and meets nobody.
        for number in 1..=nodes {
            client.dht.meet(client.now, node(number).address());
            client.answer();
        }
        assert_eq!(client.dht.mode(), Mode::Client);
        client
    }

    fn server() -> Self {
        let own = SocketAddr::from(([9, 9, 9, 9], 4242));
        let server = Self::new(own, own, 3);
        assert_eq!(server.dht.mode(), Mode::Server);
        server
    }

    fn answer(&mut self) {
        while let Some(output) = self.dht.poll_output() {
            if let Output::Greet { id, to } = output {
                let number = (1..=u8::MAX).find(|number| node(*number).address() == to).unwrap();
                self.dht.handle_greeting(self.now, id, node(number).key());
            }
            let Output::Ask { id, to, query, .. } = output else { continue };
            self.asked.push((self.now, to, query.request.clone()));
            let answer = match query.request {
                Request::FindNode(_) => Answer::Nodes(Vec::new()),
                Request::Register(_) if !self.willing => Answer::Refused(Refusal::Full),
                Request::Punch { .. } | Request::PunchOn { .. } => continue,
                Request::Ping(_) if to.address().ip() == address(2).ip() => continue,
                _ => Answer::Done,
            };
            if !self.silent.contains(&to) {
                self.respond(id, answer);
            }
        }
    }

    fn respond(&mut self, id: RequestId, answer: Answer) {
        let response = Response { observed: self.seen, cookie: Cookie([2; 16]), answer };
        self.dht.handle_response(self.now, id, response);
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

    fn query(&mut self, from: SocketAddr, proven: bool, request: Request) -> Answer {
        let query = Query { server: None, request };
        self.dht.handle_query(self.now, from, proven, Cookie([1; 16]), query).answer
    }

    /// What it asks because of that; nobody answers yet.
    fn asks(&mut self) -> Vec<(RequestId, Contact, Request)> {
        let mut asks = Vec::new();
        while let Some(output) = self.dht.poll_output() {
            if let Output::Ask { id, to, query, .. } = output {
                asks.push((id, to, query.request));
            }
        }
        asks
    }

    fn events(&mut self) -> Vec<DhtEvent> {
        std::iter::from_fn(|| self.dht.poll_event()).collect()
    }

    /// How often its introducers have changed.
    fn changes(&mut self) -> usize {
        self.events().iter().filter(|it| **it == DhtEvent::Introduced).count()
    }

    /// Where and when it registered.
    fn registered(&self) -> Vec<(Instant, Contact)> {
        let register = |(at, to, request): &(Instant, Contact, Request)| {
            (*request == Request::Register(KEY)).then_some((*at, *to))
        };
        self.asked.iter().filter_map(register).collect()
    }
}

#[test]
fn a_client_registers_with_two_and_keeps_the_way_open() {
    let mut client = Machine::client(8);
    client.dht.be_introduced(client.now, true);
    client.answer();
    assert!(client.dht.introducers().is_empty(), "it may still turn out that all can reach it");
    client.wait(Duration::from_secs(3));
    let by = client.dht.introducers();
    assert_eq!((by.len(), client.changes()), (2, 2));
    client.wait(Duration::from_secs(100));
    assert_eq!(client.dht.introducers(), by);
    assert_eq!(client.changes(), 0);
    for introducer in by {
        let times: Vec<_> =
            client.registered().iter().filter(|it| it.1 == introducer).map(|it| it.0).collect();
        assert_eq!(times.len(), 5);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_secs(25)), "{times:?}");
    }
}

#[test]
fn who_does_not_want_to_be_found_registers_with_nobody() {
    let mut client = Machine::client(8);
    client.wait(Duration::from_secs(100));
    assert!(client.registered().is_empty());
    client.dht.be_introduced(client.now, true);
    client.wait(Duration::from_secs(10));
    assert_eq!(client.dht.introducers().len(), 2);
    client.dht.be_introduced(client.now, false);
    client.asked.clear();
    client.wait(Duration::from_secs(100));
    assert!(client.registered().is_empty() && client.dht.introducers().is_empty());
}

#[test]
fn whom_everyone_can_reach_needs_nobody() {
    let mut server = Machine::server();
    server.dht.be_introduced(server.now, true);
    server.wait(Duration::from_secs(100));
    assert!(server.registered().is_empty() && server.dht.introducers().is_empty());
}

#[test]
fn whose_nat_lets_strangers_in_keeps_the_way_open_too() {
    let mut client = Machine::client(8);
    for number in 110..114 {
        client.query(address(number), false, Request::Ping(None));
    }
    assert_eq!(client.dht.mode(), Mode::Server);
    client.dht.be_introduced(client.now, true);
    client.wait(Duration::from_secs(30));
    assert_eq!(client.dht.introducers().len(), 2);
}

#[test]
fn an_introducer_that_falls_silent_is_replaced() {
    let mut client = Machine::client(8);
    client.dht.be_introduced(client.now, true);
    client.wait(Duration::from_secs(3));
    let [gone, other] = client.dht.introducers().try_into().unwrap();
    client.silent.insert(gone);
    client.events();
    client.wait(Duration::from_secs(40));
    let by = client.dht.introducers();
    assert!(by.len() == 2 && by.contains(&other) && !by.contains(&gone), "{by:?}");
    assert!(client.changes() >= 1);
}

#[test]
fn those_who_do_not_want_to_are_asked_once() {
    let mut client = Machine::client(5);
    client.willing = false;
    client.dht.be_introduced(client.now, true);
    client.wait(Duration::from_secs(300));
    let asked: Vec<Contact> = client.registered().into_iter().map(|it| it.1).collect();
    assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(asked.len(), 5);
    assert!(client.dht.introducers().is_empty());
}

#[test]
fn a_call_is_passed_on_to_whoever_has_registered_and_to_nobody_else() {
    let mut server = Machine::server();
    let (client, caller) = (NodeKey([1; 32]), address(9));
    server.answer();
    assert_eq!(server.query(address(1), false, Request::Register(client)), Answer::Refused(Refusal::Cookie));
    assert_eq!(server.query(address(1), true, Request::Register(client)), Answer::Done);
    assert_eq!(server.dht.introduces(), 1);
    let punch = |to| Request::Punch { to, call: SOME_CALL };
    assert_eq!(server.query(caller, false, punch(client)), Answer::Refused(Refusal::Cookie));
    assert_eq!(server.query(caller, true, punch(NodeKey([2; 32]))), Answer::Refused(Refusal::Nobody));
    assert_eq!(server.dht.statistics().count(Reason::NotIntroduced), 1);
    assert!(server.asks().is_empty());
    assert_eq!(server.query(caller, true, punch(client)), Answer::At(address(1)));
    let [(id, to, request)] = server.asks().try_into().unwrap();
    assert_eq!(to, Contact::new(client, address(1)).unwrap());
    assert_eq!(request, Request::PunchOn { from: caller, call: SOME_CALL });
    // Having answered makes nobody a node that can be asked.
    server.respond(id, Answer::Done);
    assert!(server.dht.nodes().iter().all(|it| it.contact != to));
    server.now += REGISTERED_FOR;
    assert_eq!(server.query(caller, true, punch(client)), Answer::Refused(Refusal::Nobody));
}

#[test]
fn one_who_calls_and_calls_is_refused_and_others_are_not() {
    let mut server = Machine::server();
    let client = NodeKey([1; 32]);
    server.query(address(1), true, Request::Register(client));
    let punch = || Request::Punch { to: client, call: SOME_CALL };
    let passed = |server: &mut Machine, from| server.query(from, true, punch()) == Answer::At(address(1));
    let first = (0..50).filter(|_| passed(&mut server, address(9))).count();
    assert_eq!(first, 10);
    assert!(passed(&mut server, address(10)));
    assert_eq!(server.dht.statistics().count(Reason::AddressRate), 40);
    server.now += Duration::from_secs(1);
    assert!(passed(&mut server, address(9)));
}

#[test]
fn a_key_is_whoevers_who_can_show_it() {
    let mut server = Machine::server();
    let key = NodeKey([1; 32]);
    let at = |server: &Machine| server.dht.registered_at(server.now, &key);
    server.query(address(1), true, Request::Register(key));
    server.asks();
    // Somebody else, who has read a record: they are asked under the key, and cannot answer.
    assert_eq!(server.query(address(2), true, Request::Register(key)), Answer::Done);
    let [(_, to, request)] = server.asks().try_into().unwrap();
    assert_eq!((to.address(), request), (address(2), Request::Ping(None)));
    assert_eq!(at(&server), Some(address(1)));
    // The owner, at another port of their NAT.
    assert_eq!(server.query(address(3), true, Request::Register(key)), Answer::Done);
    let [(id, ..)] = server.asks().try_into().unwrap();
    server.respond(id, Answer::Done);
    assert_eq!(at(&server), Some(address(3)));
    assert_eq!(server.dht.introduces(), 1);
}

#[test]
fn clients_introduce_nobody() {
    let mut client = Machine::client(3);
    let register = Request::Register(NodeKey([1; 32]));
    assert_eq!(client.query(address(1), true, register), Answer::Refused(Refusal::Nobody));
}

#[test]
fn nobody_is_told_of_addresses_that_mean_nothing_to_them() {
    let mut server = Machine::server();
    let (client, near) = (NodeKey([1; 32]), SocketAddr::from(([192, 168, 7, 7], 1)));
    assert_eq!(server.query(near, true, Request::Register(client)), Answer::Done);
    let punch = Request::Punch { to: client, call: SOME_CALL };
    assert_eq!(server.query(address(9), true, punch), Answer::Refused(Refusal::Nobody));
}

/// A client with its introducers.
fn introduced() -> (Machine, [Contact; 2]) {
    let mut client = Machine::client(8);
    client.dht.be_introduced(client.now, true);
    client.wait(Duration::from_secs(3));
    client.events();
    let by = client.dht.introducers().try_into().unwrap();
    (client, by)
}

#[test]
fn calls_come_from_introducers_only_and_not_too_many_of_them() {
    let (mut client, [by, _]) = introduced();
    let call = || Request::PunchOn { from: address(9), call: SOME_CALL };
    assert_eq!(client.query(address(9), true, call()), Answer::Refused(Refusal::Nobody));
    assert_eq!(client.dht.statistics().count(Reason::NotIntroduced), 1);
    assert!(client.events().is_empty());
    let answers: Vec<_> = (0..50).map(|_| client.query(by.address(), false, call())).collect();
    assert_eq!(answers.iter().filter(|it| **it == Answer::Done).count(), 20);
    let events = client.events();
    assert_eq!(events.len(), 20);
    assert_eq!(events[0], DhtEvent::Called { from: address(9), call: SOME_CALL });
}

#[test]
fn whoever_calls_is_sent_two_pings_at_most_and_each_call_counts_twice_at_most() {
    let (mut client, _) = introduced();
    let near = SocketAddr::from(([192, 168, 1, 1], 80));
    let call =
        Call { nonce: Nonce([3; 16]), key: NodeKey([4; 32]), at: vec![near, address(10), address(11)] };
    client.dht.answer_call(client.now, address(9), &call);
    let pings = client.asks();
    let ping = Request::Ping(Some(call.nonce));
    let to: Vec<_> = pings.iter().map(|(_, to, _)| to.address()).collect();
    assert_eq!(to, [address(9), address(10)], "nothing goes to anyone's own network");
    assert!(pings.iter().all(|(_, to, request)| to.key() == call.key && *request == ping));
    client.dht.answer_call(client.now, address(12), &call);
    assert_eq!(client.asks().len(), 2, "by way of the other introducer");
    client.dht.answer_call(client.now, address(13), &call);
    assert!(client.asks().is_empty());
}

#[test]
fn a_caller_learns_where_whoever_is_called_is_and_takes_nobodys_word_unasked() {
    let mut caller = Machine::client(8);
    let call = caller.dht.new_call(caller.now);
    assert_eq!((call.key, call.at.as_slice()), (KEY, [OUTSIDE].as_slice()));
    let (by, to) = (node(3), NodeKey([1; 32]));
    caller.dht.punch(caller.now, by, to, call.nonce, SOME_CALL);
    let [(first, ..)] = caller.asks().try_into().unwrap();
    // Without a cookie it is refused first.
    caller.respond(first, Answer::Refused(Refusal::Cookie));
    let [(second, whom, request)] = caller.asks().try_into().unwrap();
    assert_eq!((whom, request), (by, Request::Punch { to, call: SOME_CALL }));
    caller.events();
    caller.respond(second, Answer::At(address(5)));
    assert_eq!(caller.events(), [DhtEvent::Reached { nonce: call.nonce, at: address(5) }]);
    let ping = |nonce| Request::Ping(Some(nonce));
    caller.query(address(6), false, ping(call.nonce));
    assert_eq!(caller.events(), [DhtEvent::Reached { nonce: call.nonce, at: address(6) }]);
    caller.query(address(7), false, ping(Nonce([9; 16])));
    caller.now += Duration::from_secs(10);
    caller.query(address(8), false, ping(call.nonce));
    assert!(!caller.events().iter().any(|event| matches!(event, DhtEvent::Reached { .. })));
}

#[test]
fn an_introducer_of_whom_only_the_address_is_known_is_asked_for_its_key() {
    let mut caller = Machine::client(8);
    let (known, other, to) = (node(3), node(20), NodeKey([1; 32]));
    let call = caller.dht.new_call(caller.now);
    let punch = Request::Punch { to, call: SOME_CALL };
    caller.dht.punch_by(caller.now, known.address(), to, call.nonce, SOME_CALL);
    let [(_, whom, request)] = caller.asks().try_into().unwrap();
    assert_eq!((whom, request), (known, punch.clone()), "whoever is in the table is known");
    caller.dht.punch_by(caller.now, other.address(), to, call.nonce, SOME_CALL);
    let Some(Output::Greet { id, to: at }) = caller.dht.poll_output() else { panic!("no hello") };
    assert_eq!(at, other.address());
    caller.dht.handle_greeting(caller.now, id, other.key());
    let [(_, whom, request)] = caller.asks().try_into().unwrap();
    assert_eq!((whom, request), (other, punch));
    assert!(caller.dht.nodes().iter().all(|it| it.contact != other), "it has not answered yet");
}

#[test]
fn an_introducer_cannot_point_a_caller_into_its_own_network() {
    let mut caller = Machine::client(8);
    let call = caller.dht.new_call(caller.now);
    caller.dht.punch(caller.now, node(3), NodeKey([1; 32]), call.nonce, SOME_CALL);
    let [(id, ..)] = caller.asks().try_into().unwrap();
    caller.events();
    caller.respond(id, Answer::At(SocketAddr::from(([192, 168, 1, 1], 80))));
    assert!(caller.events().is_empty());
    assert_eq!(caller.dht.statistics().count(Reason::OutOfScope), 1);
}

#[test]
fn who_comes_because_they_were_called_is_no_stranger() {
    let mut caller = Machine::client(8);
    caller.wait(Duration::from_secs(5));
    let called: Vec<Nonce> = (0..4).map(|_| caller.dht.new_call(caller.now).nonce).collect();
    for (number, nonce) in (100..).zip(called) {
        caller.query(address(number), false, Request::Ping(Some(nonce)));
    }
    assert_eq!(caller.dht.mode(), Mode::Client);
    for number in 100..104 {
        caller.query(address(number), false, Request::Ping(None));
    }
    assert_eq!(caller.dht.mode(), Mode::Client, "nor when they come again");
    for number in 110..114 {
        caller.query(address(number), false, Request::Ping(None));
    }
    assert_eq!(caller.dht.mode(), Mode::Server, "as others are");
}

#[test]
fn a_registry_has_room_for_some_of_each_prefix_and_for_so_many() {
    let (now, mut registry) = (start(), Registry::default());
    let client = |number: u32, at: [u8; 4]| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        Contact::new(NodeKey(key), SocketAddr::from((at, 5000))).unwrap()
    };
    let taken =
        |registry: &mut Registry, number, at| registry.register(now, client(number, at)) == Registering::Held;
    for number in 0..2000 {
        let fits = taken(&mut registry, number, [9, 9, 9, number.to_be_bytes()[3]]);
        assert_eq!(fits, (number as usize) < REGISTERED_OF_PREFIX);
    }
    assert!(taken(&mut registry, 0, [9, 9, 9, 0]), "whoever is there may stay");
    for number in 2000_u32..4000 {
        let [_, _, high, low] = number.to_be_bytes();
        taken(&mut registry, number, [20, high, low, 1]);
    }
    assert_eq!(registry.len(), MAX_REGISTERED);
    let later = now + REGISTERED_FOR;
    registry.forget_expired(later);
    assert_eq!(registry.len(), 0);
    assert_eq!(registry.register(later, client(1, [1, 2, 3, 4])), Registering::Held);
    // Whoever moves into a crowded neighbourhood stays where they were.
    for number in 10..10 + REGISTERED_OF_PREFIX as u32 {
        registry.register(later, client(number, [9, 9, 9, 1]));
    }
    registry.proven(later, client(1, [9, 9, 9, 9]));
    assert_eq!(registry.find(later, &client(1, [1, 2, 3, 4]).key()), Some(client(1, [1, 2, 3, 4])));
}

fn call(at: &[SocketAddr]) -> Call {
    Call { nonce: Nonce([3; 16]), key: NodeKey([4; 32]), at: at.to_vec() }
}

#[test]
fn only_who_is_called_reads_a_call() {
    let (network, known_as) = (NetworkId::default(), NodeKey([5; 32]));
    let (bob, carol) = (identity(1), identity(2));
    for said in [call(&[]), call(&[address(1)]), call(&[address(1), super::v6(1)])] {
        let sealed = said.seal(&bob.peer_id(), &known_as, &network, &mut random(3)).unwrap();
        assert_eq!(Call::open(&sealed, &bob, &known_as, &network), Some(said));
        assert_eq!(Call::open(&sealed, &carol, &known_as, &network), None);
        assert_eq!(Call::open(&sealed, &bob, &NodeKey([6; 32]), &network), None, "as somebody else");
        assert_eq!(Call::open(&sealed, &bob, &known_as, &NetworkId([1; 32])), None);
        for at in 0..SEALED_CALL {
            let mut changed = sealed;
            changed.0[at] ^= 1;
            assert_eq!(Call::open(&changed, &bob, &known_as, &network), None);
        }
    }
    let many = call(&[address(1), address(2), address(3)]);
    let sealed = many.seal(&bob.peer_id(), &known_as, &network, &mut random(3)).unwrap();
    let read = Call::open(&sealed, &bob, &known_as, &network).unwrap();
    assert_eq!(read.at, [address(1), address(2)]);
}

#[test]
fn a_call_costs_no_more_than_three_times_its_bytes() {
    let (mut introducer, mut client) = (Side::new(1), Side::new(2));
    let (_, passed_on) = introducer.ask(&client, Request::PunchOn { from: super::v6(1), call: SOME_CALL });
    let (_, _, slot) = client.open_query(introducer.at, &passed_on);
    let done = super::datagram::response(Answer::Done);
    let reply = client.edge.reply(slot, &done).unwrap();
    let (_, ping) = client.ask(&introducer, Request::Ping(Some(Nonce([1; 16]))));
    assert!(reply.len() + 2 * ping.len() <= 3 * passed_on.len());
    let (_, punch) = introducer.ask(&client, Request::Punch { to: KEY, call: SOME_CALL });
    assert!(passed_on.len() <= punch.len(), "{} of {}", passed_on.len(), punch.len());
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_no_call_and_no_panic(bytes in any::<[u8; 32]>(), more in any::<[u8; 32]>()) {
        let mut sealed = [0; SEALED_CALL];
        sealed[..32].copy_from_slice(&bytes);
        sealed[100..132].copy_from_slice(&more);
        let opened = Call::open(&SealedCall(sealed), &identity(1), &KEY, &NetworkId::default());
        prop_assert_eq!(opened, None);
    }
}
