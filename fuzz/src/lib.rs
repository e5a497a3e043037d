//! Anyone's bytes, to the entry of the table's datagrams. The fuzzer runs this, and a test on the stable toolchain.
//!
//! Raw bytes would never get past the encryption. So the first byte of an input says what the others are: a datagram, or
//! what whoever keeps to the encryption and to nothing else has put into one, or changes to one that is true.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hither_protocol::dht::{
    Answer, BlindedIdentity, Contact, Content, Cookie, Datagrams, Gate, Item, NodeKey, Nonce, Opened, Period,
    Query, Record, RecordKind, Refusal, Request, Response, SEALED_CALL, SealedCall, Statistics, Target,
};
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::noise::handshake::Handshake;
use hither_protocol::noise::quic::NetworkId;
use x25519_dalek::{PublicKey, StaticSecret};

/// Bytes of a request that are not encrypted.
const HEADER: usize = 1 + 8 + 32 + 16;
/// What a request is filled up to inside, so that it is long enough.
const REQUEST: usize = 400 - HEADER - 48;

/// Feeds one input.
///
/// # Panics
///
/// Where a datagram is neither taken nor counted, what was taken does not arrive the same when it is sent on, or an
/// answer is too long.
#[allow(unreachable_pub)]
pub fn datagram(input: &[u8]) {
    let Some((what, rest)) = input.split_first() else { return };
    let (mut alice, mut bob) = (Node::new(1), Node::new(2));
    match what % 10 {
        0 => bob.take(&alice, rest),
        1 => bob.take(&alice, &[&header(&bob.contact()), rest].concat()),
        2 => bob.take(&alice, &sealed(&bob.contact(), rest)),
        3 => bob.take(&alice, &sealed(&bob.contact(), &framed(rest))),
        4 => bob.take(&alice, &sealed(&bob.contact(), &changed(query_payload(rest), rest))),
        5 => alice.take_reply(&bob, rest),
        6 => alice.take_reply(&bob, &framed(rest)),
        7 => alice.take_reply(&bob, &changed(response_payload(rest), rest)),
        8 => {
            let (_, request) =
                alice.edge.ask(alice.now, &bob.contact(), None, &query(rest)).expect("a query");
            bob.take(&alice, &changed(request.clone(), rest));
            let Some(Opened::Query { reply, .. }) = bob.open(alice.at, &request) else { panic!("not taken") };
            let reply = bob.edge.reply(reply, &response(rest)).expect("a reply");
            alice.take(&bob, &changed(reply, rest));
        }
        _ => {
            let (_, hello) = alice.edge.hello(alice.now, bob.at);
            bob.take(&alice, &changed(hello.clone(), rest));
            let Some(Opened::Hello { reply }) = bob.open(alice.at, &hello) else { panic!("not taken") };
            alice.take(&bob, &changed(reply, rest));
        }
    }
}

struct Node {
    secret: StaticSecret,
    edge: Datagrams,
    gate: Gate,
    statistics: Statistics,
    at: SocketAddr,
    now: Instant,
}

impl Node {
    #[allow(clippy::disallowed_methods)]
    fn new(number: u8) -> Self {
        let mut entropy = Entropy::new(Seed::new([number; 32]));
        let secret = StaticSecret::from([number; 32]);
        let now = Instant::now();
        Self {
            edge: Datagrams::new(NetworkId::default(), secret.clone(), entropy.stream("datagrams")),
            secret,
            gate: Gate::new(now, &mut entropy.stream("gate")),
            statistics: Statistics::default(),
            at: SocketAddr::from(([100, 1, 2, number], 4242)),
            now,
        }
    }

    fn contact(&self) -> Contact {
        Contact::new(self.edge.key(), self.at).expect("a global address")
    }

    fn refused(&self) -> u64 {
        self.statistics.refused().map(|(_, count)| count).sum()
    }

    fn open(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Opened> {
        let before = self.refused();
        let opened = self.edge.open(self.now, from, datagram, &mut self.gate, &mut self.statistics);
        assert!(opened.is_some() || self.refused() > before, "what is dropped is counted");
        opened
    }

    /// Takes a datagram of `from`, and does what one does with it.
    fn take(&mut self, from: &Node, datagram: &[u8]) {
        match self.open(from.at, datagram) {
            Some(Opened::Query { query, reply, .. }) => {
                let again = asked_again(&query);
                assert_eq!(again, query, "what was taken can be sent on");
                let reply = self.edge.reply(reply, &response(datagram)).expect("a reply fits");
                assert!(reply.len() <= (3 * datagram.len()).min(1200), "{} bytes", reply.len());
            }
            Some(Opened::Response { response, .. }) => answered_again(&response),
            Some(Opened::Hello { reply }) => assert!(reply.len() < datagram.len()),
            Some(Opened::Greeted { .. }) | None => {}
        }
    }

    /// Asks `of` something, and takes a reply of theirs with such a payload.
    fn take_reply(&mut self, of: &Node, payload: &[u8]) {
        let (_, request) = self.edge.ask(self.now, &of.contact(), None, &query(&[])).expect("a query");
        let (header, message) = request.split_at(HEADER);
        let mut handshake = Handshake::nk_responder(
            &prologue(header),
            of.secret.clone(),
            &PublicKey::from(&of.secret),
            StaticSecret::from([8; 32]),
        );
        handshake.read(message).expect("a true request");
        let mut reply = [&[0x11], header.get(1..9).expect("a transaction")].concat();
        handshake.write(payload, &mut reply).expect("not too long for Noise");
        self.take(of, &reply);
    }
}

/// The query, as it arrives when it is asked anew.
fn asked_again(query: &Query) -> Query {
    let (mut alice, mut bob) = (Node::new(3), Node::new(4));
    let (_, request) =
        alice.edge.ask(alice.now, &bob.contact(), None, query).expect("it has come in a request");
    match bob.open(alice.at, &request) {
        Some(Opened::Query { query, .. }) => query,
        other => panic!("{other:?}"),
    }
}

/// The response arrives when it is given anew, if perhaps with fewer nodes: a forger packs more densely.
fn answered_again(response: &Response) {
    let (mut alice, mut bob) = (Node::new(3), Node::new(4));
    let (_, request) = alice.edge.ask(alice.now, &bob.contact(), None, &query(&[])).expect("a query");
    let Some(Opened::Query { reply, .. }) = bob.open(alice.at, &request) else { panic!("not taken") };
    let reply = bob.edge.reply(reply, response).expect("a reply fits");
    assert!(reply.len() <= 1200);
    let Some(Opened::Response { response: again, .. }) = alice.open(bob.at, &reply) else {
        panic!("not taken")
    };
    assert_eq!((again.observed, again.cookie), (response.observed, response.cookie));
}

/// The payload of a true query.
fn query_payload(choice: &[u8]) -> Vec<u8> {
    let (mut alice, bob) = (Node::new(5), Node::new(6));
    let (_, request) = alice.edge.ask(alice.now, &bob.contact(), None, &query(choice)).expect("a query");
    let (header, message) = request.split_at(HEADER);
    Handshake::nk_responder(
        &prologue(header),
        bob.secret.clone(),
        &PublicKey::from(&bob.secret),
        StaticSecret::from([8; 32]),
    )
    .read(message)
    .expect("a true request")
}

/// The payload of a true response.
fn response_payload(choice: &[u8]) -> Vec<u8> {
    let mut bob = Node::new(6);
    let mut request = header(&bob.contact());
    let mut handshake = Handshake::nk_initiator(
        &prologue(&request),
        PublicKey::from(bob.edge.key().0),
        StaticSecret::from([9; 32]),
    );
    handshake.write(&query_payload(&[]), &mut request).expect("a request");
    let Some(Opened::Query { reply, .. }) = bob.open(Node::new(5).at, &request) else { panic!("not taken") };
    let reply = bob.edge.reply(reply, &response(choice)).expect("a reply");
    handshake.read(reply.get(9..).expect("a message")).expect("a true reply")
}

/// A request with any payload.
fn sealed(to: &Contact, payload: &[u8]) -> Vec<u8> {
    let mut datagram = header(to);
    let mut handshake = Handshake::nk_initiator(
        &prologue(&datagram),
        PublicKey::from(to.key().0),
        StaticSecret::from([9; 32]),
    );
    let mut payload = payload.to_vec();
    payload.resize(payload.len().max(REQUEST), 0);
    handshake.write(&payload, &mut datagram).expect("not too long for Noise");
    datagram
}

fn header(to: &Contact) -> Vec<u8> {
    [&[0x10], [7; 8].as_slice(), to.id().as_bytes(), &[0; 16]].concat()
}

fn prologue(header: &[u8]) -> Vec<u8> {
    [b"hither v1 dht".as_slice(), &[1], &NetworkId::default().0, header].concat()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes(), message].concat()
}

/// The bytes with some of them changed: three bytes of `changes` say which one and by what.
fn changed(mut bytes: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.get(1..).unwrap_or_default().chunks_exact(3).take(16) {
        let &[high, low, by] = change else { continue };
        let length = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(usize::from(u16::from_be_bytes([high, low])) % length) {
            *byte ^= by;
        }
    }
    bytes
}

fn query(choice: &[u8]) -> Query {
    let choice = choice.first().copied().unwrap_or_default();
    let to = Contact::new(NodeKey([3; 32]), SocketAddr::from(([50, 1, 2, 3], 9))).expect("a global address");
    let call = SealedCall([6; SEALED_CALL]);
    let request = match choice % 10 {
        0 => Request::Ping(None),
        1 => Request::Ping(Some(Nonce([1; 16]))),
        2 => Request::FindNode(Target([2; 32])),
        3 => Request::Get { target: Target([2; 32]), page: choice },
        4 => Request::Put(Item::Record(record())),
        5 => Request::DialBack(Nonce([3; 16])),
        6 => Request::DialOn { to, nonce: Nonce([4; 16]) },
        7 => Request::Register(NodeKey([3; 32])),
        8 => Request::Punch { to: NodeKey([3; 32]), call },
        _ => Request::PunchOn { from: to.address(), call },
    };
    Query { server: (choice & 0x80 != 0).then_some(NodeKey([5; 32])), request }
}

fn response(choice: &[u8]) -> Response {
    let choice = choice.first().copied().unwrap_or_default();
    let contact = |number: u8| {
        let ip = if number.is_multiple_of(3) {
            [0x2a00, 1, 2, 3, 4, 5, 6, number.into()].into()
        } else {
            [9, 9, 9, number].into()
        };
        Contact::new(NodeKey([number; 32]), SocketAddr::new(ip, 4242)).expect("a global address")
    };
    let nodes = (0..20).map(contact).collect();
    let answer = match choice % 6 {
        0 => Answer::Nodes(nodes),
        1 => {
            let items = if choice & 0x40 == 0 { Vec::new() } else { vec![Item::Record(record())] };
            Answer::Found { items, more: choice & 0x80 != 0, nodes }
        }
        2 => Answer::Done,
        3 => Answer::Stored,
        4 => Answer::At(SocketAddr::from(([203, 0, 113, 1], 1))),
        _ => Answer::Refused(Refusal::Older),
    };
    Response { observed: SocketAddr::from(([203, 0, 113, 1], 1)), cookie: Cookie([6; 16]), answer }
}

fn record() -> Record {
    static RECORD: OnceLock<Record> = OnceLock::new();
    let make = || {
        let mut random = Entropy::new(Seed::new([1; 32])).stream("record");
        let owner = Identity::generate(&mut random);
        let signer =
            BlindedIdentity::new(&owner, RecordKind::Addresses, Period(20_000), &NetworkId::default());
        let content = Content::addresses(&[SocketAddr::from(([203, 0, 113, 1], 1))], None);
        signer.sign(1, Duration::from_secs(3600), &content, &mut random).expect("a record")
    };
    RECORD.get_or_init(make).clone()
}
