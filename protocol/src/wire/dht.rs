//! What nodes of the table say to each other.
//!
//! Contacts are packed one behind the other: a list of structs would take half as much again, and how many fit into a
//! reply is what a lookup lives on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hither_schema::dht_capnp::{self as schema, item, query, response};

use super::{Malformed, encode_within, exact, read};
use crate::dht::{
    Answer, Contact, Cookie, Item, MAX_NODES, NOTES_OF_PAGE, NodeKey, Nonce, Note, Query, Record, Refusal,
    Request, Response, SealedCall, Target,
};

/// Words that a datagram of 1200 bytes cannot hold more of.
const WORDS: u32 = 160;
/// Items in one response at most: a page of notes and a record of each kind.
const MAX_ITEMS: usize = NOTES_OF_PAGE + 2;

/// Why a query is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadQuery {
    /// It is none.
    Malformed,
    /// It is one, and the record or note in it is not right.
    Item,
}

impl<E: Into<Malformed>> From<E> for BadQuery {
    fn from(_: E) -> Self {
        Self::Malformed
    }
}

/// Encodes a query.
pub(crate) fn encode_query(said: &Query) -> Vec<u8> {
    encode_within::<query::Owned>(WORDS, |mut root| {
        if let Some(NodeKey(key)) = &said.server {
            root.set_server(key);
        }
        match &said.request {
            Request::Ping(nonce) => root.set_ping(nonce.as_ref().map_or(&[], |Nonce(nonce)| nonce)),
            Request::FindNode(Target(target)) => root.set_find_node(target),
            Request::Get { target: Target(target), page } => {
                let mut get = root.init_get();
                get.set_target(target);
                get.set_page(*page);
            }
            Request::Put(item) => fill_item(item, root.init_put()),
            Request::DialBack(Nonce(nonce)) => root.set_dial_back(nonce),
            Request::DialOn { to, nonce: Nonce(nonce) } => {
                let mut dial_on = root.init_dial_on();
                dial_on.set_to(&pack(to));
                dial_on.set_nonce(nonce);
            }
            Request::Register(NodeKey(key)) => root.set_register(key),
            Request::Punch { to: NodeKey(to), call: SealedCall(call) } => {
                let mut punch = root.init_punch();
                punch.set_to(to);
                punch.set_call(call);
            }
            Request::PunchOn { from, call: SealedCall(call) } => {
                let mut punch_on = root.init_punch_on();
                punch_on.set_from(&pack_address(*from));
                punch_on.set_call(call);
            }
        }
    })
}

/// Parses a query.
pub(crate) fn parse_query(bytes: &[u8]) -> Result<Query, BadQuery> {
    let message = read::<query::Owned>(bytes)?;
    let root = message.get()?;
    let server = optional(root.get_server()?)?.map(NodeKey);
    let request = match root.which()? {
        query::Ping(nonce) => Request::Ping(optional(nonce?)?.map(Nonce)),
        query::FindNode(target) => Request::FindNode(Target(exact(target?)?)),
        query::Get(get) => Request::Get { target: Target(exact(get.get_target()?)?), page: get.get_page() },
        query::Put(item) => Request::Put(parse_item(item?)?),
        query::DialBack(nonce) => Request::DialBack(Nonce(exact(nonce?)?)),
        query::DialOn(dial_on) => {
            Request::DialOn { to: unpack(dial_on.get_to()?)?, nonce: Nonce(exact(dial_on.get_nonce()?)?) }
        }
        query::Register(key) => Request::Register(NodeKey(exact(key?)?)),
        query::Punch(punch) => {
            let to = NodeKey(exact(punch.get_to()?)?);
            Request::Punch { to, call: SealedCall(exact(punch.get_call()?)?) }
        }
        query::PunchOn(punch_on) => {
            let from = unpack_address(punch_on.get_from()?)?;
            Request::PunchOn { from, call: SealedCall(exact(punch_on.get_call()?)?) }
        }
    };
    Ok(Query { server, request })
}

/// Encodes a response.
pub(crate) fn encode_response(said: &Response) -> Vec<u8> {
    encode_within::<response::Owned>(WORDS, |mut root| {
        root.set_observed(&pack_address(said.observed));
        root.set_cookie(&said.cookie.0);
        match &said.answer {
            Answer::Done => root.set_done(()),
            Answer::Nodes(contacts) => {
                let mut nodes = root.init_nodes();
                let (v4, v6) = pack_all(contacts);
                nodes.set_v4(&v4);
                nodes.set_v6(&v6);
            }
            Answer::Found { items, more, nodes } => {
                let mut found = root.init_found();
                let (v4, v6) = pack_all(nodes);
                found.set_v4(&v4);
                found.set_v6(&v6);
                found.set_more(*more);
                let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
                let mut list = found.init_items(count);
                for (index, item) in (0..count).zip(items) {
                    fill_item(item, list.reborrow().get(index));
                }
            }
            Answer::Stored => root.set_stored(()),
            Answer::Refused(why) => root.set_refused(match why {
                Refusal::Cookie => schema::Refusal::Cookie,
                Refusal::Older => schema::Refusal::Older,
                Refusal::Expired => schema::Refusal::Expired,
                Refusal::Full => schema::Refusal::Full,
                Refusal::Nobody => schema::Refusal::Nobody,
                Refusal::Unproven => schema::Refusal::Unproven,
            }),
            Answer::At(address) => root.set_at(&pack_address(*address)),
        }
    })
}

/// Parses a response. Items that are not right are left out and counted: what else is in it may still help.
pub(crate) fn parse_response(bytes: &[u8]) -> Result<(Response, u64), Malformed> {
    let message = read::<response::Owned>(bytes)?;
    let root = message.get()?;
    let mut bad = 0_u64;
    let answer = match root.which()? {
        response::Done(()) => Answer::Done,
        response::Nodes(nodes) => Answer::Nodes(unpack_all(nodes.get_v4()?, nodes.get_v6()?)?),
        response::Found(found) => {
            let list = found.get_items()?;
            if usize::try_from(list.len()).map_or(true, |length| length > MAX_ITEMS) {
                return Err(Malformed);
            }
            let mut items = Vec::new();
            for item in list {
                match parse_item(item) {
                    Ok(item) => items.push(item),
                    Err(BadQuery::Item) => bad = bad.saturating_add(1),
                    Err(BadQuery::Malformed) => return Err(Malformed),
                }
            }
            let nodes = unpack_all(found.get_v4()?, found.get_v6()?)?;
            Answer::Found { items, more: found.get_more(), nodes }
        }
        response::Stored(()) => Answer::Stored,
        response::Refused(why) => Answer::Refused(match why? {
            schema::Refusal::Cookie => Refusal::Cookie,
            schema::Refusal::Older => Refusal::Older,
            schema::Refusal::Expired => Refusal::Expired,
            schema::Refusal::Full => Refusal::Full,
            schema::Refusal::Nobody => Refusal::Nobody,
            schema::Refusal::Unproven => Refusal::Unproven,
        }),
        response::At(address) => Answer::At(unpack_address(address?)?),
    };
    let observed = unpack_address(root.get_observed()?)?;
    let cookie = Cookie(exact(root.get_cookie()?)?);
    Ok((Response { observed, cookie, answer }, bad))
}

/// An address: 4 or 16 bytes of IP, 2 of port.
fn pack_address(address: SocketAddr) -> Vec<u8> {
    let mut packed = match address.ip().to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    packed.extend_from_slice(&address.port().to_be_bytes());
    packed
}

/// The same, parsed. IPv4 addresses in IPv6 clothes become what they are.
fn unpack_address(packed: &[u8]) -> Result<SocketAddr, Malformed> {
    let (ip, port) = packed.split_last_chunk::<2>().ok_or(Malformed)?;
    let ip = match ip.len() {
        4 => IpAddr::V4(Ipv4Addr::from(exact::<4>(ip)?)),
        _ => IpAddr::V6(Ipv6Addr::from(exact::<16>(ip)?)),
    };
    Ok(SocketAddr::new(ip.to_canonical(), u16::from_be_bytes(*port)))
}

fn parse_item(item: item::Reader<'_>) -> Result<Item, BadQuery> {
    match item.which()? {
        item::Record(bytes) => Record::parse(bytes?).map(Item::Record).map_err(|_| BadQuery::Item),
        item::Note(bytes) => Note::parse(bytes?).map(Item::Note).map_err(|_| BadQuery::Item),
    }
}

fn fill_item(item: &Item, mut root: item::Builder<'_>) {
    match item {
        Item::Record(record) => root.set_record(&record.encode()),
        Item::Note(note) => root.set_note(&note.encode()),
    }
}

/// Nothing, or exactly `N` bytes.
fn optional<const N: usize>(data: &[u8]) -> Result<Option<[u8; N]>, Malformed> {
    if data.is_empty() { Ok(None) } else { exact(data).map(Some) }
}

fn pack(contact: &Contact) -> Vec<u8> {
    let mut packed = contact.key().0.to_vec();
    packed.extend_from_slice(&pack_address(contact.address()));
    packed
}

fn unpack(packed: &[u8]) -> Result<Contact, Malformed> {
    let (key, address) = packed.split_first_chunk::<32>().ok_or(Malformed)?;
    Contact::new(NodeKey(*key), unpack_address(address)?).ok_or(Malformed)
}

fn pack_all(contacts: &[Contact]) -> (Vec<u8>, Vec<u8>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for contact in contacts {
        match contact.address().ip().to_canonical() {
            IpAddr::V4(_) => v4.extend_from_slice(&pack(contact)),
            IpAddr::V6(_) => v6.extend_from_slice(&pack(contact)),
        }
    }
    (v4, v6)
}

fn unpack_all(v4: &[u8], v6: &[u8]) -> Result<Vec<Contact>, Malformed> {
    let (fours, sixes) = (v4.chunks_exact(38), v6.chunks_exact(50));
    let count = fours.len().saturating_add(sixes.len());
    if !fours.remainder().is_empty() || !sixes.remainder().is_empty() || count > MAX_NODES {
        return Err(Malformed);
    }
    fours.chain(sixes).map(unpack).collect()
}
