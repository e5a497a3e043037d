//! Who is near: what is announced on the local network, and who is recognised in what others announce.
//!
//! An announcement carries a random salt and, for each address, a MAC that only someone who knows the announcer's
//! id can check. It is bound to the address and to five minutes, so it cannot be followed from network to network,
//! nor said again elsewhere or later. All of it is a hint: whoever is dialled because of it must still prove itself.
//!
//! For as long as the owner says so, the announcement shows id and name to everyone. Under other random names, before
//! and after: what was announced in secret is not told to be the same.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::entropy::Stream;
use crate::identity::PeerId;
use crate::{Announcement, OpenName, Sighting};

/// How long a MAC is good: Unix milliseconds.
const EPOCH: u64 = 5 * 60_000;
/// Clocks may differ by so many epochs.
const TOLERANCE: u64 = 1;
/// Instances kept in mind; more are not.
const MAX_SEEN: usize = 256;
/// Addresses of one instance that are looked at.
const MAX_ADDRESSES: usize = 8;
/// Bytes of a MAC.
const MAC: usize = 8;

/// Who is near.
pub(crate) struct Nearby {
    me: PeerId,
    random: Stream,
    own: Vec<SocketAddr>,
    instance: String,
    host: String,
    salt: [u8; 8],
    epoch: u64,
    /// As whom the node shows itself to everyone, and until when.
    open: Option<(OpenName, Instant)>,
    announcement: Option<Announcement>,
    seen: BTreeMap<String, Seen>,
    sightings: u64,
}

/// An instance that was seen.
#[derive(Debug)]
struct Seen {
    /// Who it is, where that is known.
    peer: Option<PeerId>,
    /// Whether that was recognised, rather than said.
    recognised: bool,
    /// The name by which it shows itself to everyone.
    name: Option<OpenName>,
    addresses: Vec<SocketAddr>,
    salt: [u8; 8],
    macs: Vec<[u8; MAC]>,
    /// When it was last seen, in epochs.
    epoch: u64,
    /// When it was last seen, among all.
    order: u64,
}

impl Nearby {
    pub(crate) fn new(me: PeerId, random: Stream) -> Self {
        Self {
            me,
            random,
            own: Vec::new(),
            instance: String::new(),
            host: String::new(),
            salt: [0; 8],
            epoch: 0,
            open: None,
            announcement: None,
            seen: BTreeMap::new(),
            sightings: 0,
        }
    }

    /// This node's own addresses. On a network of its own it goes by other random names. Whether they are others than
    /// before.
    pub(crate) fn set_addresses(&mut self, unix_time: u64, mut addresses: Vec<SocketAddr>) -> bool {
        addresses.sort_unstable();
        if addresses == self.own {
            return false;
        }
        self.own = addresses;
        if self.own.is_empty() {
            self.announcement = None;
            return true;
        }
        self.rename(unix_time);
        true
    }

    /// Shows the node to everyone near under this name until then, or no more.
    pub(crate) fn show(&mut self, unix_time: u64, open: Option<(OpenName, Instant)>) {
        let before = self.open.as_ref().map(|(name, _)| name);
        // More time alone is nothing that anyone near could see.
        let same = before == open.as_ref().map(|(name, _)| name);
        self.open = open;
        if !same && !self.own.is_empty() {
            self.rename(unix_time);
        }
    }

    /// As whom the node shows itself to everyone, and until when.
    pub(crate) fn open(&self) -> Option<&(OpenName, Instant)> {
        self.open.as_ref()
    }

    fn rename(&mut self, unix_time: u64) {
        self.instance = hex(&self.random.bytes::<8>());
        self.host = format!("h{}", hex(&self.random.bytes::<8>()));
        self.salt = self.random.bytes();
        self.announce(unix_time);
    }

    /// Time went on: a new epoch has new MACs, and showing oneself has an end, of which it tells.
    pub(crate) fn tick(&mut self, now: Instant, unix_time: u64) -> bool {
        let over = self.open.as_ref().is_some_and(|(_, until)| *until <= now);
        if over {
            self.show(unix_time, None);
        } else if unix_time / EPOCH != self.epoch && !self.own.is_empty() {
            self.announce(unix_time);
        }
        over
    }

    /// Unix milliseconds from which [`Nearby::tick`] has something to do.
    pub(crate) fn next_epoch(&self) -> Option<u64> {
        (!self.own.is_empty()).then(|| self.epoch.saturating_add(1).saturating_mul(EPOCH))
    }

    pub(crate) fn take_announcement(&mut self) -> Option<Announcement> {
        self.announcement.take()
    }

    fn announce(&mut self, unix_time: u64) {
        self.epoch = unix_time / EPOCH;
        let macs = self.own.iter().take(MAX_ADDRESSES);
        let macs: Vec<_> = macs.map(|at| hex(&mac(&self.me, &self.salt, self.epoch, at))).collect();
        let mut text =
            vec![("v".into(), "1".into()), ("s".into(), hex(&self.salt)), ("m".into(), macs.join(","))];
        if let Some((name, _)) = &self.open {
            text.push(("i".into(), self.me.to_string()));
            text.push(("n".into(), name.as_str().to_owned()));
        }
        let (instance, host) = (self.instance.clone(), self.host.clone());
        self.announcement = Some(Announcement { instance, host, text });
    }

    /// An instance was seen. Gives who it is, if it is one of `known`, and where.
    pub(crate) fn sighted(
        &mut self,
        unix_time: u64,
        sighting: &Sighting,
        known: impl Iterator<Item = PeerId>,
    ) -> Option<(PeerId, Vec<SocketAddr>)> {
        if sighting.instance == self.instance {
            return None;
        }
        let value = |key: &str| sighting.text.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let salt = unhex(value("s")?)?;
        let macs = value("m")?.split(',').take(MAX_ADDRESSES).filter_map(unhex).collect();
        let mut addresses = sighting.addresses.clone();
        addresses.truncate(MAX_ADDRESSES);
        let epoch = unix_time / EPOCH;
        self.sightings = self.sightings.saturating_add(1);
        let order = self.sightings;
        let mut seen =
            Seen { peer: None, recognised: false, name: None, addresses, salt, macs, epoch, order };
        let found = known.into_iter().find_map(|peer| Some((peer, seen.of(&peer)?)));
        seen.peer = found.as_ref().map(|(peer, _)| *peer);
        seen.recognised = found.is_some();
        // An id that is said openly is believed where it fits the MACs, as any other: it was not copied from elsewhere.
        let said = value("i").and_then(|id| id.parse::<PeerId>().ok());
        let said = said.filter(|id| *id != self.me && seen.of(id).is_some());
        if let Some(said) = said.filter(|said| seen.peer.is_none_or(|peer| peer == *said)) {
            seen.name = value("n").and_then(|name| OpenName::new(name).ok());
            seen.peer = seen.peer.or(seen.name.as_ref().map(|_| said));
        }
        if self.seen.len() >= MAX_SEEN && !self.seen.contains_key(&sighting.instance) {
            // Whoever fills the network with instances pushes out their own, not those who are recognised. Ids cost
            // nothing, so who is known only by their own open word is none of them.
            let unknown = self.seen.iter().filter(|(_, seen)| !seen.recognised);
            let oldest = unknown.min_by_key(|(_, seen)| seen.order).map(|(instance, _)| instance.clone());
            self.seen.remove(&oldest?);
        }
        self.seen.insert(sighting.instance.clone(), seen);
        found
    }

    /// Looks for a peer among all that was seen. Gives where it is.
    pub(crate) fn look_for(&mut self, peer: PeerId) -> Vec<SocketAddr> {
        let mut found = Vec::new();
        for seen in self.seen.values_mut() {
            if let Some(addresses) = seen.of(&peer) {
                seen.peer = Some(peer);
                seen.recognised = true;
                found.extend(addresses);
            }
        }
        found
    }

    /// Whether someone was seen at an address on the local network.
    pub(crate) fn is_near(&self, address: SocketAddr) -> bool {
        self.seen.values().any(|seen| seen.addresses.contains(&address))
    }

    /// An instance is gone. Gives who it was, where that was recognised, and where it had been.
    pub(crate) fn vanished(&mut self, instance: &str) -> Option<(Option<PeerId>, Vec<SocketAddr>)> {
        self.seen.remove(instance).map(|seen| (seen.peer.filter(|_| seen.recognised), seen.addresses))
    }

    /// All that was seen: who, where that is known, and where.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (Option<PeerId>, &[SocketAddr])> {
        self.seen.values().map(|seen| (seen.peer, seen.addresses.as_slice()))
    }

    /// The name by which someone shows themselves to everyone near.
    pub(crate) fn name_of(&self, peer: PeerId) -> Option<&OpenName> {
        self.seen.values().filter(|seen| seen.peer == Some(peer)).find_map(|seen| seen.name.as_ref())
    }
}

impl Seen {
    /// The addresses at which this is `peer`, if it is.
    fn of(&self, peer: &PeerId) -> Option<Vec<SocketAddr>> {
        let epochs = self.epoch.saturating_sub(TOLERANCE)..=self.epoch.saturating_add(TOLERANCE);
        let proven = |at: &&SocketAddr| {
            epochs.clone().any(|epoch| self.macs.contains(&mac(peer, &self.salt, epoch, at)))
        };
        let addresses: Vec<_> = self.addresses.iter().filter(proven).copied().collect();
        (!addresses.is_empty()).then_some(addresses)
    }
}

fn mac(peer: &PeerId, salt: &[u8; 8], epoch: u64, at: &SocketAddr) -> [u8; MAC] {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 nearby");
    hasher.update(peer.as_bytes()).update(salt).update(&epoch.to_le_bytes());
    match at.ip() {
        IpAddr::V4(ip) => hasher.update(&ip.to_ipv6_mapped().octets()),
        IpAddr::V6(ip) => hasher.update(&ip.octets()),
    };
    hasher.update(&at.port().to_be_bytes());
    let mut out = [0; MAC];
    hasher.finalize_xof().fill(&mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 8]> {
    let plain = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(u64::to_be_bytes)
}
