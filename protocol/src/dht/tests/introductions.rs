//! Introductions: who is called, by whom, and what it costs those in between.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::datagram::{Side, start};
use super::{NOON, identity, random};
use crate::dht::message::{Answer, Cookie, Nonce, Query, Refusal, Request, Response};
use crate::dht::registry::Registry;
use crate::dht::{
    Call, Contact, Dht, DhtEvent, MAX_REGISTERED, Mode, NodeKey, Output, REGISTERED_FOR,
    REGISTERED_OF_PREFIX, Reason, RequestId, SEALED_CALL, SealedCall, Target,
};
use crate::noise::quic::NetworkId;

const KEY: NodeKey = NodeKey([0xee; 32]);
/// Where a client is seen, behind its NAT.
const OUTSIDE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), 5000);
const SOME_CALL: SealedCall = SealedCall([7; SEALED_CALL]);

/// One of those in the table; the last of them have addresses of IPv6.
fn node(number: u8) -> Contact {
    let address = match number {
        ..200 => SocketAddr::from(([20, number, 1, 1], 4242)),
        200.. => SocketAddr::from(([0x2a00, number.into(), 1, 1, 0, 0, 0, 1], 4242)),
    };
    Contact::new(NodeKey([number; 32]), address).unwrap()
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
        let mut at_once = 0;
        while let Some(next) = self.dht.next_time(self.now).filter(|next| *next <= end) {
            at_once = if next > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 3, "it does not ask for the same time again and again");
            self.now = next.max(self.now);
            self.dht.handle_timeout(self.now);
            self.answer();
        }
        self.now = end;
    }

    fn query(&mut self, from: SocketAddr, proven: bool, request: Request) -> Answer {
        let query = Query { server: None, request };
        self.dht.handle_query(self.now, from, proven, Cookie([1; 16]), query).answer
    }

    /// Has somebody register, and show that the key is theirs.
    fn register(&mut self, at: SocketAddr, key: NodeKey) {
        let register = Request::Register(key);
        assert_eq!(self.query(at, true, register.clone()), Answer::Refused(Refusal::Unproven));
        let [(id, to, request)] = self.asks().try_into().unwrap();
        assert_eq!((to, request), (Contact::new(key, at).unwrap(), Request::Ping(None)));
        self.respond(id, Answer::Done);
        assert_eq!(self.query(at, true, register), Answer::Done);
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
        self.events().iter().filter(|it| **it == DhtEvent::Introducers).count()
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
fn those_who_do_not_want_to_are_asked_rarely() {
    let mut client = Machine::client(5);
    client.willing = false;
    client.dht.be_introduced(client.now, true);
    client.wait(Duration::from_secs(300));
    let asked: Vec<Contact> = client.registered().into_iter().map(|it| it.1).collect();
    assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), 5);
    // The first two at once, and then one after 1, 2, 4, 8 s and so on, each again after two minutes.
    assert!(asked.len() <= 12, "{}", asked.len());
    assert!(client.dht.introducers().is_empty());
    client.willing = true;
    client.wait(Duration::from_secs(300));
    assert_eq!(client.dht.introducers().len(), 2, "it comes back to them");
}

#[test]
fn a_call_is_passed_on_to_whoever_has_registered_and_to_nobody_else() {
    let mut server = Machine::server();
    let (client, caller) = (NodeKey([1; 32]), address(9));
    server.answer();
    assert_eq!(server.query(address(1), false, Request::Register(client)), Answer::Refused(Refusal::Cookie));
    server.register(address(1), client);
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
    server.register(address(1), client);
    let neighbour = SocketAddr::new(address(1).ip(), 5001);
    server.register(neighbour, NodeKey([2; 32]));
    let punch = || Request::Punch { to: client, call: SOME_CALL };
    let passed = |server: &mut Machine, from| server.query(from, true, punch()) == Answer::At(address(1));
    let first = (0..50).filter(|_| passed(&mut server, address(9))).count();
    assert_eq!(first, 10);
    assert!(passed(&mut server, address(10)));
    assert_eq!(server.dht.statistics().count(Reason::AddressRate), 40);
    server.now += Duration::from_secs(1);
    assert!(passed(&mut server, address(9)));
    // Many who call one of them keep out no call to another.
    for number in 20..60 {
        passed(&mut server, address(number));
    }
    assert!(!passed(&mut server, address(70)));
    let other = Request::Punch { to: NodeKey([2; 32]), call: SOME_CALL };
    assert_eq!(server.query(address(71), true, other), Answer::At(neighbour), "of the same router");
    assert!(server.dht.statistics().count(Reason::TooManyCalls) > 0);
}

#[test]
fn a_key_is_whoevers_who_can_show_it() {
    let mut server = Machine::server();
    let key = NodeKey([1; 32]);
    let at = |server: &Machine| server.dht.registered_at(server.now, &key);
    // Somebody who has read it somewhere is first, and cannot show it; then comes whose it is.
    let register = || Request::Register(key);
    assert_eq!(server.query(address(2), true, register()), Answer::Refused(Refusal::Unproven));
    assert_eq!((at(&server), server.asks().len()), (None, 1));
    server.register(address(1), key);
    assert_eq!(at(&server), Some(address(1)));
    assert_eq!(server.query(address(2), true, register()), Answer::Refused(Refusal::Unproven));
    server.asks();
    assert_eq!(at(&server), Some(address(1)));
    // The owner, at another port of their NAT, though the other asks and asks.
    for _ in 0..100 {
        server.query(address(2), true, register());
    }
    server.asks();
    server.register(address(3), key);
    assert_eq!(at(&server), Some(address(3)));
    assert_eq!(server.dht.introduces(), 1);
    // Nor does it become theirs when its time is over.
    server.now += REGISTERED_FOR;
    assert_eq!(server.query(address(2), true, register()), Answer::Refused(Refusal::Unproven));
    assert_eq!(at(&server), None);
}

#[test]
fn a_proof_that_somebody_passes_on_is_none() {
    let mut server = Machine::server();
    let (key, attacker) = (NodeKey([1; 32]), address(2));
    server.register(address(1), key);
    assert_eq!(server.query(attacker, true, Request::Register(key)), Answer::Refused(Refusal::Unproven));
    let [(id, ..)] = server.asks().try_into().unwrap();
    // The owner answers, to whom it was passed on, and sees it come from there.
    server.seen = attacker;
    server.respond(id, Answer::Done);
    assert_eq!(server.dht.registered_at(server.now, &key), Some(address(1)));
    assert_eq!(server.dht.statistics().count(Reason::FromElsewhere), 1);
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
    server.register(near, client);
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
    assert_eq!(client.query(by.address(), false, call()), Answer::Refused(Refusal::Cookie), "in its name");
    assert!(client.events().is_empty());
    let answers: Vec<_> = (0..50).map(|_| client.query(by.address(), true, call())).collect();
    assert_eq!(answers.iter().filter(|it| **it == Answer::Done).count(), 20);
    let events = client.events();
    assert_eq!(events.len(), 20);
    assert_eq!(events[0], DhtEvent::Called { by: by.address(), from: address(9), call: SOME_CALL });
}

#[test]
fn whoever_calls_is_sent_two_pings_at_most_and_each_introducer_brings_a_call_once() {
    let (mut client, [by, other]) = introduced();
    let near = SocketAddr::from(([192, 168, 1, 1], 80));
    let call =
        Call { nonce: Nonce([3; 16]), key: NodeKey([4; 32]), at: vec![near, address(10), address(11)] };
    client.dht.answer_call(client.now, by.address(), address(9), &call);
    let pings = client.asks();
    let ping = Request::Ping(Some(call.nonce));
    let to: Vec<_> = pings.iter().map(|(_, to, _)| to.address()).collect();
    assert_eq!(to, [address(9), address(10)], "nothing goes to anyone's own network");
    assert!(pings.iter().all(|(_, to, request)| to.key() == call.key && *request == ping));
    client.dht.answer_call(client.now, by.address(), address(12), &call);
    assert!(client.asks().is_empty());
    client.dht.answer_call(client.now, other.address(), address(12), &call);
    assert_eq!(client.asks().len(), 2);
}

#[test]
fn whoever_is_called_is_believed_to_be_at_a_few_addresses_only() {
    let mut caller = Machine::client(8);
    caller.events();
    let nonce = caller.dht.new_call(caller.now).nonce;
    for number in 100..120 {
        caller.query(address(number), false, Request::Ping(Some(nonce)));
        caller.query(address(number), false, Request::Ping(Some(nonce)));
    }
    assert_eq!(caller.events().len(), 4);
}

#[test]
fn answers_of_those_who_are_called_say_nothing_of_ones_own_address() {
    let (mut client, [by, _]) = introduced();
    for number in 0..20 {
        let call = Call { nonce: Nonce([number; 16]), key: NodeKey([4; 32]), at: Vec::new() };
        client.dht.answer_call(client.now, by.address(), address(number), &call);
        let asks = client.asks();
        client.seen = address(200);
        asks.into_iter().for_each(|(id, ..)| client.respond(id, Answer::Done));
    }
    assert_eq!(client.dht.observed(), [OUTSIDE]);
}

#[test]
fn after_a_sleep_and_at_another_address_nobody_can_follow() {
    let (mut client, _) = introduced();
    client.now += Duration::from_secs(3600);
    client.dht.handle_timeout(client.now);
    let events = client.events();
    assert!(events.contains(&DhtEvent::Elsewhere) && events.contains(&DhtEvent::Introducers), "{events:?}");
    assert!(client.dht.introducers().is_empty());
    client.dht.change_key(client.now, NodeKey([0xdd; 32]));
    client.asked.clear();
    client.answer();
    client.wait(Duration::from_secs(10));
    assert_eq!(client.dht.introducers().len(), 2);
    let key_of = |(_, _, request): &(Instant, Contact, Request)| match request {
        Request::Register(key) => Some(*key),
        _ => None,
    };
    let keys: Vec<_> = client.asked.iter().filter_map(key_of).collect();
    assert!(!keys.is_empty() && keys.iter().all(|key| *key == NodeKey([0xdd; 32])), "{keys:?}");
    // The router has another address: the other half of a move.
    client.events();
    client.seen = SocketAddr::from(([8, 8, 4, 4], 5000));
    client.wait(Duration::from_secs(3600));
    assert_eq!(client.events().iter().filter(|it| **it == DhtEvent::Elsewhere).count(), 1);
}

#[test]
fn a_move_soon_after_another_counts_when_it_has_lasted() {
    let (mut client, _) = introduced();
    client.now += Duration::from_secs(3600);
    client.dht.handle_timeout(client.now);
    client.answer();
    // Everyone is asked, and says where they see it.
    let ask_all = |client: &mut Machine| {
        client.dht.find_nodes(client.now, Target([7; 32])).unwrap();
        client.answer();
        client.events().iter().filter(|it| **it == DhtEvent::Elsewhere).count()
    };
    assert_eq!(ask_all(&mut client), 1, "it has slept");
    client.seen = SocketAddr::from(([8, 8, 4, 4], 5000));
    client.wait(Duration::from_secs(60));
    assert_eq!(ask_all(&mut client), 0);
    assert_eq!(client.dht.observed(), [client.seen]);
    client.wait(Duration::from_secs(600));
    assert_eq!(ask_all(&mut client), 1);
}

#[test]
fn a_server_that_changes_its_key_is_made_known_near_its_new_place() {
    let mut server = Machine::server();
    server.wait(Duration::from_secs(60));
    server.asked.clear();
    server.dht.change_key(server.now, NodeKey([0xdd; 32]));
    server.answer();
    let place = server.dht.id().target();
    assert!(server.asked.iter().any(|(_, _, request)| *request == Request::FindNode(place)));
}

#[test]
fn who_hears_nobody_any_more_waits_quietly() {
    let (mut client, _) = introduced();
    client.silent = (1..=8).map(node).collect();
    client.events();
    client.wait(Duration::from_secs(2 * 3600));
    assert!(client.dht.introducers().is_empty());
    assert!(!client.events().contains(&DhtEvent::Elsewhere), "it has not slept");
    client.silent.clear();
    client.wait(Duration::from_secs(600));
    assert_eq!(client.dht.introducers().len(), 2);
}

#[test]
fn an_introducer_whom_others_named_gets_no_place_by_it_and_no_vote() {
    let (mut caller, _) = introduced();
    for number in 100..110 {
        let call = caller.dht.new_call(caller.now);
        caller.dht.punch(caller.now, node(number), NodeKey([1; 32]), call.nonce, SOME_CALL);
        let [(id, ..)] = caller.asks().try_into().unwrap();
        caller.seen = address(200);
        caller.respond(id, Answer::Refused(Refusal::Nobody));
    }
    assert_eq!((caller.dht.len(), caller.dht.observed()), (8, vec![OUTSIDE]));
}

#[test]
fn an_introducer_stays_for_an_hour_and_goes_if_there_is_another() {
    let (mut client, mut before) = introduced();
    for _ in 0..3 {
        // Those that a record names, as it is read at any time, are there half an hour later, one at least.
        client.wait(Duration::from_secs(1800));
        let by = client.dht.introducers();
        assert!(by.iter().any(|it| before.contains(it)), "{by:?} after {before:?}");
        client.wait(Duration::from_secs(1860));
        let by: [Contact; 2] = client.dht.introducers().try_into().unwrap();
        assert_eq!(by.iter().filter(|it| before.contains(it)).count(), 1, "{by:?} after {before:?}");
        before = by;
    }
    // The only one of IPv4 stays where all others are of IPv6.
    let mut mixed = Machine::client(1);
    for number in 200..206 {
        mixed.dht.meet(mixed.now, node(number).address());
        mixed.answer();
    }
    mixed.dht.be_introduced(mixed.now, true);
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        mixed.wait(Duration::from_secs(30 * 60));
        let by = mixed.dht.introducers();
        assert!(by.len() == 2 && by.contains(&node(1)), "{by:?}");
        seen.extend(by);
    }
    assert!(seen.len() > 2, "the other does not: {seen:?}");
    // With nobody to take their place they stay.
    let mut small = Machine::client(2);
    small.dht.be_introduced(small.now, true);
    small.wait(Duration::from_secs(3));
    let before = small.dht.introducers();
    small.wait(Duration::from_secs(3 * 3600));
    assert_eq!((small.dht.introducers(), before.len()), (before, 2));
}

#[test]
fn a_node_calls_those_whom_it_introduces_itself() {
    let mut server = Machine::server();
    let client = NodeKey([1; 32]);
    server.register(address(1), client);
    let (own, call) = (SocketAddr::from(([9, 9, 9, 9], 4242)), server.dht.new_call(server.now));
    let me = Contact::new(KEY, own).unwrap();
    for by_address in [false, true] {
        server.events();
        let call = if by_address { server.dht.new_call(server.now) } else { call.clone() };
        match by_address {
            true => server.dht.punch_by(server.now, own, client, call.nonce, SOME_CALL),
            false => server.dht.punch(server.now, me, client, call.nonce, SOME_CALL),
        }
        let [(_, to, request)] = server.asks().try_into().unwrap();
        assert_eq!(to, Contact::new(client, address(1)).unwrap());
        assert_eq!(request, Request::PunchOn { from: own, call: SOME_CALL });
        assert_eq!(server.events(), [DhtEvent::CalleeAt { nonce: call.nonce, at: address(1) }]);
    }
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
    assert_eq!(caller.events(), [DhtEvent::CalleeAt { nonce: call.nonce, at: address(5) }]);
    let ping = |nonce| Request::Ping(Some(nonce));
    caller.query(address(6), false, ping(call.nonce));
    assert_eq!(caller.events(), [DhtEvent::CalleeAt { nonce: call.nonce, at: address(6) }]);
    caller.query(address(7), false, ping(Nonce([9; 16])));
    caller.now += Duration::from_secs(10);
    caller.query(address(8), false, ping(call.nonce));
    assert!(!caller.events().iter().any(|event| matches!(event, DhtEvent::CalleeAt { .. })));
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
    let client = |number: u32, ip: std::net::IpAddr| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        Contact::new(NodeKey(key), SocketAddr::new(ip, 5000)).unwrap()
    };
    let mut taken = |now, number, ip| {
        let contact = client(number, ip);
        let room = registry.has_room(now, &contact);
        registry.proven(now, contact);
        assert_eq!(registry.find(now, &contact.key()) == Some(contact), room);
        (room, registry.len())
    };
    let neighbour = |number: u32| [9, 9, 9, number.to_be_bytes()[3]].into();
    for number in 0..2000 {
        assert_eq!(taken(now, number, neighbour(number)).0, (number as usize) < REGISTERED_OF_PREFIX);
    }
    assert!(taken(now, 0, neighbour(77)).0, "whoever is there may move within it");
    // A /48 of IPv6 is one neighbourhood too.
    for number in 2000..2500_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let ip = [0x2a00, 1, 2, u16::from_be_bytes([high, low]), 0, 0, 0, 1].into();
        assert_eq!(taken(now, number, ip).0, (number as usize) < 2000 + REGISTERED_OF_PREFIX);
    }
    let mut most = 0;
    for number in 3000..5000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        most = taken(now, number, [20, high, low, 1].into()).1;
    }
    assert_eq!(most, MAX_REGISTERED);
    // Whoever moves where there is no room stays where they were.
    assert!(!taken(now, 3000, neighbour(1)).0);
    let [_, _, high, low] = 3000_u32.to_be_bytes();
    assert_eq!(taken(now, 3000, [20, high, low, 1].into()), (true, MAX_REGISTERED));
    assert_eq!(taken(now + REGISTERED_FOR, 1, [1, 2, 3, 4].into()), (true, 1), "all others are gone");
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
    let sent = |from: &mut Side, to: &Side, server, request| {
        from.edge.ask(start(), &to.contact(), None, &Query { server, request }).unwrap().1
    };
    let passed_on = Request::PunchOn { from: super::v6(1), call: SOME_CALL };
    let passed_on = sent(&mut introducer, &client, Some(KEY), passed_on);
    let (_, _, slot) = client.open_query(introducer.at, &passed_on);
    let done = super::datagram::response(Answer::Done);
    let reply = client.edge.reply(slot, &done).unwrap();
    let ping = sent(&mut client, &introducer, Some(KEY), Request::Ping(Some(Nonce([1; 16]))));
    assert!(reply.len() + 2 * ping.len() <= 3 * passed_on.len());
    let punch = sent(&mut introducer, &client, None, Request::Punch { to: KEY, call: SOME_CALL });
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
