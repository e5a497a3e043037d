//! Datagrams between nodes that keep to the rules.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use x25519_dalek::StaticSecret;

use crate::dht::{
    Answer, Contact, Cookie, Datagrams, Gate, Hour, Item, MAX_DATAGRAM, MAX_NODES, MAX_NOTE, MAX_RECORD,
    MIN_REQUEST, MIN_WORK, MeetAt, Meeting, NodeKey, Nonce, Opened, Query, Reason, Refusal, ReplySlot,
    Request, Response, SEALED_CALL, SealedCall, Statistics, Target, Transaction, is_ours,
};
use crate::entropy::{Entropy, Seed, Stream};
use crate::noise::quic::NetworkId;

/// Some moment, always the same.
pub(super) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

pub(super) fn stream(number: u8) -> Stream {
    Entropy::new(Seed::new([number; 32])).stream("test")
}

/// One node, and what it counts.
pub(super) struct Side {
    pub(super) edge: Datagrams,
    pub(super) gate: Gate,
    pub(super) statistics: Statistics,
    pub(super) at: SocketAddr,
}

impl Side {
    pub(super) fn new(number: u8) -> Self {
        Self::of(number, NetworkId::default())
    }

    pub(super) fn of(number: u8, network: NetworkId) -> Self {
        let mut random = stream(number);
        let gate = Gate::new(start(), &mut random);
        let key = StaticSecret::from(random.bytes::<32>());
        let at = SocketAddr::from(([100 + number, 20, 30, number], 4000 + u16::from(number)));
        let edge = Datagrams::new(network, key, random);
        Self { edge, gate, statistics: Statistics::default(), at }
    }

    pub(super) fn contact(&self) -> Contact {
        Contact::new(self.edge.key(), self.at).unwrap()
    }

    pub(super) fn ask(&mut self, to: &Self, request: Request) -> (Transaction, Vec<u8>) {
        self.edge.ask(start(), &to.contact(), None, &Query { server: None, request }).unwrap()
    }

    /// `None` only if something was counted, and nothing else is.
    pub(super) fn open(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Opened> {
        self.edge.open(start(), from, datagram, &mut self.gate, &mut self.statistics)
    }

    pub(super) fn open_query(&mut self, from: SocketAddr, datagram: &[u8]) -> (Query, bool, ReplySlot) {
        match self.open(from, datagram) {
            Some(Opened::Query { query, proven, reply }) => (query, proven, reply),
            other => panic!("{other:?}, {:?}", self.statistics),
        }
    }

    pub(super) fn open_response(&mut self, from: SocketAddr, datagram: &[u8]) -> (Transaction, Response) {
        match self.open(from, datagram) {
            Some(Opened::Response { transaction, response }) => (transaction, response),
            other => panic!("{other:?}, {:?}", self.statistics),
        }
    }

    pub(super) fn count(&self, why: Reason) -> u64 {
        self.statistics.count(why)
    }
}

pub(super) fn response(answer: Answer) -> Response {
    Response { observed: SocketAddr::from(([203, 0, 113, 9], 9)), cookie: Cookie([5; 16]), answer }
}

pub(super) fn contacts(count: u8) -> Vec<Contact> {
    let contact = |n: u8| Contact::new(NodeKey([n; 32]), SocketAddr::from(([50, n, 3, 4], 5000))).unwrap();
    (0..count).map(contact).collect()
}

fn contacts_v6(count: u8) -> Vec<Contact> {
    let address = |n: u8| SocketAddr::from(([0x2a00, 1, u16::from(n), 0, 0, 0, 0, 1], 5000));
    (0..count).map(|n| Contact::new(NodeKey([n; 32]), address(n)).unwrap()).collect()
}

/// A record; all are as long as any can be. The numbers begin anew at eight.
pub(super) fn record(number: u8) -> Item {
    items()[usize::from(number % 8) * 2].clone()
}

/// The same of notes.
pub(super) fn note(number: u8) -> Item {
    items()[usize::from(number % 8) * 2 + 1].clone()
}

/// Eight of each. They take work to make.
fn items() -> &'static [Item] {
    static ITEMS: OnceLock<Vec<Item>> = OnceLock::new();
    ITEMS.get_or_init(|| {
        let make = |number: u8| {
            let meeting = Meeting::new([number; 16], Hour(500_000), &NetworkId::default());
            let key = super::identity(number);
            let work = meeting.search(&key.peer_id(), MIN_WORK).advance(u32::MAX).unwrap();
            let note = meeting
                .seal(&key, work, 1, &MeetAt::Addresses(vec![super::v4(number)]), &mut stream(number))
                .unwrap();
            [Item::Record(super::record(number, 1)), Item::Note(note)]
        };
        (0..8).flat_map(make).collect()
    })
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    let ip = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
    (ip, any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
}

fn any_contact() -> impl Strategy<Value = Contact> {
    let parts = (any::<[u8; 32]>(), any_address());
    parts.prop_filter_map("an address that can be asked", |(key, at)| Contact::new(NodeKey(key), at))
}

fn any_item() -> impl Strategy<Value = Item> {
    prop_oneof![any::<u8>().prop_map(record), any::<u8>().prop_map(note)]
}

fn any_request() -> impl Strategy<Value = Request> {
    let nonce = || any::<[u8; 16]>().prop_map(Nonce);
    let target = || any::<[u8; 32]>().prop_map(Target);
    let key = || any::<[u8; 32]>().prop_map(NodeKey);
    let call = || {
        any::<[u8; 32]>().prop_map(|bytes| {
            let mut call = [0; SEALED_CALL];
            call.iter_mut().zip(bytes.into_iter().cycle()).for_each(|(to, byte)| *to = byte);
            SealedCall(call)
        })
    };
    prop_oneof![
        proptest::option::of(nonce()).prop_map(Request::Ping),
        target().prop_map(Request::FindNode),
        (target(), any::<u8>()).prop_map(|(target, page)| Request::Get { target, page }),
        any_item().prop_map(Request::Put),
        nonce().prop_map(Request::DialBack),
        (any_contact(), nonce()).prop_map(|(to, nonce)| Request::DialOn { to, nonce }),
        key().prop_map(Request::Register),
        (key(), call()).prop_map(|(to, call)| Request::Punch { to, call }),
        (any_address(), call()).prop_map(|(from, call)| Request::PunchOn { from, call }),
    ]
}

fn any_query() -> impl Strategy<Value = Query> {
    let server = proptest::option::of(any::<[u8; 32]>().prop_map(NodeKey));
    (server, any_request()).prop_map(|(server, request)| Query { server, request })
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let nodes = || proptest::collection::vec(any_contact(), 0..=MAX_NODES);
    let items = proptest::collection::vec(any_item(), 0..=3);
    let refusals = [
        Refusal::Cookie,
        Refusal::Older,
        Refusal::Expired,
        Refusal::Full,
        Refusal::Nobody,
        Refusal::Unproven,
    ]
    .as_slice();
    prop_oneof![
        Just(Answer::Done),
        nodes().prop_map(Answer::Nodes),
        (items, any::<bool>(), nodes()).prop_map(|(items, more, nodes)| Answer::Found { items, more, nodes }),
        Just(Answer::Stored),
        proptest::sample::select(refusals).prop_map(Answer::Refused),
        any_address().prop_map(Answer::At),
    ]
}

fn any_response() -> impl Strategy<Value = Response> {
    let parts = (any_address(), any::<[u8; 16]>(), any_answer());
    parts.prop_map(|(observed, cookie, answer)| Response { observed, cookie: Cookie(cookie), answer })
}

/// The nodes, those of IPv4 first, as they travel.
fn as_they_travel(nodes: &[Contact]) -> Vec<Contact> {
    let (v4, v6): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| node.address().is_ipv4());
    v4.into_iter().chain(v6).collect()
}

/// Asks, answers, and returns what the asker reads.
fn answered(said: &Response) -> (usize, Response) {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let (transaction, request) = alice.ask(&bob, Request::FindNode(Target([1; 32])));
    let (_, _, slot) = bob.open_query(alice.at, &request);
    let reply = bob.edge.reply(slot, said).unwrap();
    assert!(reply.len() <= MAX_DATAGRAM && reply.len() <= 3 * request.len());
    let (of, read) = alice.open_response(bob.at, &reply);
    assert_eq!(of, transaction);
    assert_eq!(alice.statistics.refused().count() + bob.statistics.refused().count(), 0);
    (reply.len(), read)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_query_arrives_as_it_was_sent(query in any_query(), give in any::<bool>()) {
        let (mut alice, mut bob) = (Side::new(1), Side::new(2));
        let cookie = give.then(|| bob.gate.cookie(start(), alice.at));
        let (_, request) = alice.edge.ask(start(), &bob.contact(), cookie, &query).unwrap();
        prop_assert!((MIN_REQUEST..=MAX_DATAGRAM).contains(&request.len()));
        prop_assert!(is_ours(request[0]));
        let (read, proven, _) = bob.open_query(alice.at, &request);
        prop_assert_eq!(read, query);
        prop_assert_eq!(proven, give);
    }

    #[test]
    fn every_response_arrives_as_it_was_sent_as_far_as_there_is_room(said in any_response()) {
        let (_, read) = answered(&said);
        prop_assert_eq!((read.observed, read.cookie), (said.observed, said.cookie));
        match (&said.answer, &read.answer) {
            (Answer::Nodes(sent), Answer::Nodes(read)) => prop_assert_eq!(&as_they_travel(sent), read),
            (
                Answer::Found { items: sent, more, nodes: sent_nodes },
                Answer::Found { items: read, more: read_more, nodes },
            ) => {
                prop_assert_eq!(&sent[..read.len()], read.as_slice());
                let left_out = read.len() < sent.len();
                prop_assert_eq!(*read_more, *more || left_out);
                prop_assert!(!left_out || nodes.is_empty(), "nodes are left out before items");
                // The nearest are there.
                prop_assert_eq!(&as_they_travel(&sent_nodes[..nodes.len()]), nodes);
            }
            (sent, read) => prop_assert_eq!(sent, read),
        }
    }
}

#[test]
fn the_items_here_are_of_the_greatest_length() {
    let length = |item: Item| match item {
        Item::Record(record) => record.encode().len(),
        Item::Note(note) => note.encode().len(),
    };
    assert_eq!(length(record(1)), MAX_RECORD);
    assert!(MAX_NOTE - length(note(1)) < 16, "{}", length(note(1)));
}

#[test]
fn a_reply_without_items_holds_twenty_contacts_of_either_kind() {
    for nodes in [contacts(20), contacts_v6(20)] {
        let (_, read) = answered(&Response {
            observed: SocketAddr::from(([0x2a00, 1, 2, 3, 4, 5, 6, 7], 9)),
            ..response(Answer::Nodes(nodes.clone()))
        });
        assert_eq!(read.answer, Answer::Nodes(nodes));
    }
}

#[test]
fn beside_the_longest_record_there_is_room_for_eight_contacts_at_least() {
    let items = vec![record(7)];
    for (nodes, at_least) in [(contacts(20), 12), (contacts_v6(20), 8)] {
        let said = response(Answer::Found { items: items.clone(), more: false, nodes: nodes.clone() });
        let (length, read) = answered(&said);
        let Answer::Found { items: read, nodes: some, .. } = read.answer else { panic!() };
        assert_eq!(read, items);
        assert_eq!(some, nodes[..some.len()], "the nearest");
        assert!(some.len() >= at_least, "{} of {}", some.len(), nodes.len());
        assert!(length > MAX_DATAGRAM - 2 * 50, "no more was left out than had to be: {length}");
    }
}

#[test]
fn a_reply_is_never_longer_than_three_times_a_request_of_any_length() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let queries = [Request::Ping(None), Request::Put(record(1)), Request::Put(note(1))];
    for request in queries {
        let (_, request) = alice.ask(&bob, request);
        let (_, _, slot) = bob.open_query(alice.at, &request);
        let items = (0..4).map(note).collect();
        let answer = Answer::Found { items, more: false, nodes: contacts_v6(20) };
        let reply = bob.edge.reply(slot, &response(answer)).unwrap();
        assert!(reply.len() <= (3 * request.len()).min(MAX_DATAGRAM), "{} to {}", reply.len(), request.len());
    }
}

#[test]
fn a_request_that_comes_twice_is_answered_under_another_key() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let (_, request) = alice.ask(&bob, Request::Ping(None));
    let replies: Vec<_> = (0..2)
        .map(|_| {
            let (_, _, slot) = bob.open_query(alice.at, &request);
            bob.edge.reply(slot, &response(Answer::Done)).unwrap()
        })
        .collect();
    assert_eq!(replies[0][..9], replies[1][..9]);
    assert_ne!(replies[0][9..41], replies[1][9..41], "a fresh ephemeral key");
    assert_ne!(replies[0][41..], replies[1][41..]);
    // The first is taken, whichever that is; the second is the answer to nothing any more.
    alice.open_response(bob.at, &replies[1]);
    assert!(alice.open(bob.at, &replies[0]).is_none());
    assert_eq!(alice.count(Reason::NothingAsked), 1);
}

#[test]
fn ipv4_in_ipv6_clothes_is_undressed_at_the_door() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let dressed = |at: SocketAddr| match at.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), at.port()),
        IpAddr::V6(_) => panic!("{at}"),
    };
    let (_, request) = alice.ask(&bob, Request::Ping(None));
    let cookie = bob.gate.cookie(start(), alice.at);
    assert!(bob.gate.is_proven(start(), dressed(alice.at), &cookie));
    let (_, _, slot) = bob.open_query(dressed(alice.at), &request);
    let said = Response { observed: dressed(alice.at), ..response(Answer::Done) };
    let reply = bob.edge.reply(slot, &said).unwrap();
    let (_, read) = alice.open_response(dressed(bob.at), &reply);
    assert_eq!(read.observed, alice.at);
    assert_eq!(alice.at.ip(), IpAddr::V4(Ipv4Addr::new(101, 20, 30, 1)));
}

#[test]
fn a_hello_tells_the_key_and_the_address_it_came_from() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let (transaction, hello) = alice.edge.hello(start(), bob.at);
    let Some(Opened::Hello { reply }) = bob.open(alice.at, &hello) else { panic!() };
    assert_eq!((hello.len(), reply.len()), (400, 75));
    let Some(Opened::Greeted { transaction: of, key, observed }) = alice.open(bob.at, &reply) else {
        panic!()
    };
    assert_eq!((of, key, observed), (transaction, bob.edge.key(), alice.at));
    assert!(alice.open(bob.at, &reply).is_none(), "once");
    assert_eq!(alice.count(Reason::NothingAsked), 1);
}

#[test]
fn what_is_forgotten_is_not_waited_for() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let (transaction, request) = alice.ask(&bob, Request::Ping(None));
    let (_, _, slot) = bob.open_query(alice.at, &request);
    let reply = bob.edge.reply(slot, &response(Answer::Done)).unwrap();
    alice.edge.forget(transaction);
    assert!(alice.open(bob.at, &reply).is_none());
    assert_eq!(alice.count(Reason::NothingAsked), 1);
}

#[test]
fn what_is_waited_for_is_bounded_and_the_oldest_makes_room() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let mut asked = Vec::new();
    for number in 0..1025_u32 {
        let now = start() + Duration::from_millis(1) * number;
        asked.push(alice.edge.hello(now, bob.at));
    }
    for (number, (_, hello)) in asked.iter().enumerate() {
        bob.gate = Gate::new(start(), &mut stream(9));
        let Some(Opened::Hello { reply }) = bob.open(alice.at, hello) else { panic!() };
        assert_eq!(alice.open(bob.at, &reply).is_some(), number > 0, "number {number}");
    }
}

#[test]
fn a_renewed_node_has_another_key_and_reads_what_it_waited_for() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let requests = [(); 2].map(|()| alice.ask(&bob, Request::Ping(None)).1);
    let (_, to_bob) = alice.ask(&bob, Request::Ping(None));
    let [first, second] = requests.map(|request| {
        let (_, _, slot) = bob.open_query(alice.at, &request);
        bob.edge.reply(slot, &response(Answer::Done)).unwrap()
    });
    let before = (alice.edge.key(), bob.edge.key());
    alice.edge.renew();
    bob.edge.renew();
    assert!(alice.edge.key() != before.0 && bob.edge.key() != before.1);
    assert!(bob.open(alice.at, &to_bob).is_none());
    alice.open_response(bob.at, &first);
    alice.edge.forget_all();
    assert!(alice.open(bob.at, &second).is_none());
    assert_eq!((alice.count(Reason::NothingAsked), bob.count(Reason::OtherKey)), (1, 1));
    let (_, request) = alice.ask(&bob, Request::Ping(None));
    bob.open_query(alice.at, &request);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let (mut alice, mut bob) = (Side::new(1), Side::new(2));
        let (_, request) = alice.ask(&bob, Request::Ping(None));
        let (_, _, slot) = bob.open_query(alice.at, &request);
        let reply = bob.edge.reply(slot, &response(Answer::Done)).unwrap();
        (request, reply, alice.edge.hello(start(), bob.at))
    };
    assert_eq!(run(), run());
}

#[test]
fn the_first_byte_is_never_one_of_quics() {
    // RFC 9000, section 17: the second bit of a QUIC packet is set.
    assert_eq!(
        (0..=255).filter(|byte| is_ours(*byte)).collect::<Vec<_>>(),
        (0x10..=0x1f).collect::<Vec<_>>()
    );
    assert!((0..=255_u8).filter(|byte| byte & 0x40 != 0).all(|byte| !is_ours(byte)));
}

#[test]
#[ignore = "prints how much processor time one request and its reply take"]
fn time_of_a_request_and_its_reply() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let said = response(Answer::Nodes(contacts(20)));
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..2000 {
        bob.gate = Gate::new(start(), &mut stream(9));
        let begin = Instant::now();
        let (_, request) = alice.ask(&bob, Request::FindNode(Target([1; 32])));
        let asked = Instant::now();
        let (_, _, slot) = bob.open_query(alice.at, &request);
        let opened = Instant::now();
        let reply = bob.edge.reply(slot, &said).unwrap();
        let replied = Instant::now();
        alice.open_response(bob.at, &reply);
        let took = [asked - begin, opened - asked, replied - opened, replied.elapsed()];
        times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
    }
    // Of each the median: it is not moved by what else the machine does.
    let [ask, open, reply, read] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    println!(
        "ask {ask:?}, open {open:?}, reply {reply:?}, read {read:?}: {:?} in all",
        ask + open + reply + read
    );
}
