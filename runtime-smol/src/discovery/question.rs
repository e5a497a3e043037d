//! One question to the local network, answered to whoever asks it alone and at once.
//!
//! What is asked and answered by multicast is delayed, and no record is multicast twice within a second (RFC 6762,
//! sections 5.2 and 6): whoever begins to browse just after an announcement waits for the next. A question from
//! another port than 5353 is answered by unicast, without delay or limit (section 6.7). IPv4 only: the rest, and
//! whatever gets lost, browsing finds.

use std::collections::BTreeMap;
use std::future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use hither_protocol::Sighting;
use smol::Async;
use socket2::{Domain, Protocol, Socket, Type};

use super::SERVICE;
use crate::interfaces::keep_to;

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;
/// Interfaces that are asked on.
const MOST: usize = 8;
/// Records of an answer that are looked at, and steps of a name: labels and pointers.
const MOST_RECORDS: usize = 256;
const MOST_LABELS: usize = 32;
/// The type of records (RFC 1035, 3.2.2; RFC 2782; RFC 3596).
const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// A question that was asked, and whoever answers it.
#[derive(Default)]
pub(super) struct Question {
    id: u16,
    sockets: Vec<Async<UdpSocket>>,
}

impl Question {
    /// Asks on the interfaces that have these addresses. Where that cannot be done, nothing is asked.
    pub(super) fn ask(interface: Option<&str>, addresses: &[SocketAddr]) -> Self {
        let mut id = [0; 2];
        if getrandom::fill(&mut id).is_err() {
            return Self::default();
        }
        let id = u16::from_be_bytes(id);
        let own = addresses.iter().filter_map(|address| match address.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        });
        let sockets = own.take(MOST).filter_map(|ip| asked(interface, ip, &question(id)).ok()).collect();
        Self { id, sockets }
    }

    /// Waits for an answer. Without anybody to ask it waits for ever.
    pub(super) async fn answer(&self) -> Vec<Sighting> {
        let mut buffer = [0; 9000];
        loop {
            let heard = async {
                let waits: Vec<_> = self.sockets.iter().map(|socket| Box::pin(socket.readable())).collect();
                if waits.is_empty() {
                    return future::pending().await;
                }
                any(waits).await;
            };
            heard.await;
            for socket in &self.sockets {
                if let Ok((length, from)) = socket.get_ref().recv_from(&mut buffer)
                    && from.port() == PORT
                {
                    let answer = buffer.get(..length).unwrap_or_default();
                    let sightings = sightings(self.id, answer).unwrap_or_default();
                    if !sightings.is_empty() {
                        return sightings;
                    }
                }
            }
        }
    }
}

/// Waits for the first of several.
async fn any<F: Future + Unpin>(mut all: Vec<F>) {
    future::poll_fn(|context| {
        let ready = all.iter_mut().any(|it| std::pin::Pin::new(it).poll(context).is_ready());
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn asked(interface: Option<&str>, ip: Ipv4Addr, question: &[u8]) -> std::io::Result<Async<UdpSocket>> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    keep_to(&socket, interface);
    socket.bind(&SocketAddr::new(ip.into(), 0).into())?;
    socket.set_multicast_if_v4(&ip)?;
    // RFC 6762, section 11.
    socket.set_multicast_ttl_v4(255)?;
    let socket = Async::new(UdpSocket::from(socket))?;
    socket.get_ref().send_to(question, (GROUP, PORT))?;
    Ok(socket)
}

/// The question for every instance of the service (RFC 1035, 4.1).
fn question(id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in SERVICE.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or(0));
        message.extend_from_slice(label.as_bytes());
    }
    message.extend(PTR.to_be_bytes());
    message.extend(1_u16.to_be_bytes());
    message
}

/// What is said of an instance: its port and host, and its text.
type Said = (Option<(u16, String)>, Option<Vec<(String, String)>>);

/// The instances that an answer tells of, whole.
fn sightings(id: u16, message: &[u8]) -> Option<Vec<Sighting>> {
    let mut reader = Reader { message, at: 0 };
    let (answers, flags) = (reader.u16()? == id, reader.u16()?);
    if !answers || flags & 0x8000 == 0 {
        return None;
    }
    let questions = reader.u16()?;
    let records = usize::from(reader.u16()?) + usize::from(reader.u16()?) + usize::from(reader.u16()?);
    for _ in 0..questions.min(4) {
        reader.name()?;
        reader.take(4)?;
    }
    let mut said: BTreeMap<String, Said> = BTreeMap::new();
    let mut hosts: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for _ in 0..records.min(MOST_RECORDS) {
        let name = reader.name()?;
        let kind = reader.u16()?;
        reader.take(6)?;
        let length = usize::from(reader.u16()?);
        let from = reader.at;
        let data = reader.take(length)?;
        match kind {
            PTR if name.eq_ignore_ascii_case(SERVICE) => {
                said.entry(Reader { message, at: from }.name()?).or_default();
            }
            SRV => {
                let mut inside = Reader { message, at: from };
                inside.take(4)?;
                said.entry(name).or_default().0 = Some((inside.u16()?, inside.name()?));
            }
            TXT => said.entry(name).or_default().1 = Some(text(data)),
            A => hosts.entry(name).or_default().push(<[u8; 4]>::try_from(data).ok()?.into()),
            AAAA => hosts.entry(name).or_default().push(<[u8; 16]>::try_from(data).ok()?.into()),
            _ => {}
        }
    }
    let whole = said.into_iter().filter_map(|(name, (at, text))| {
        let instance = super::instance(&name)?.to_owned();
        let (port, host) = at?;
        let addresses = hosts.get(&host)?.iter();
        // What is local to a link means nothing without the link's number; browsing gives that.
        let addresses = addresses.filter(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
        let mut addresses: Vec<_> = addresses.map(|ip| SocketAddr::new(*ip, port)).collect();
        addresses.sort();
        Some(Sighting { instance, addresses, text: text? })
    });
    Some(whole.collect())
}

/// The keys and values of a TXT record (RFC 6763, 6.3); others than text are left out.
fn text(mut data: &[u8]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    while let Some((length, rest)) = data.split_first() {
        let Some((pair, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
        data = rest;
        if let Ok(pair) = std::str::from_utf8(pair) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((key.to_owned(), value.to_owned()));
        }
    }
    pairs
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.message.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A name with a dot behind each label (RFC 1035, 4.1.4: a pointer goes on elsewhere).
    fn name(&mut self) -> Option<String> {
        let (mut name, mut end) = (String::new(), None);
        for _ in 0..MOST_LABELS {
            let length = *self.take(1)?.first()?;
            match length {
                0 => {
                    self.at = end.unwrap_or(self.at);
                    return Some(name);
                }
                1..=63 => {
                    let label = std::str::from_utf8(self.take(length.into())?).ok()?;
                    if label.contains('.') {
                        return None;
                    }
                    name.push_str(label);
                    name.push('.');
                }
                _ if length & 0xc0 == 0xc0 => {
                    let low = *self.take(1)?.first()?;
                    end = end.or(Some(self.at));
                    self.at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                }
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
