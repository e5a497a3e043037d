//! What is let in before anything costly is done for it: token buckets, and the cookies that prove an address.
//!
//! One request costs its responder two Diffie-Hellman operations and a fresh key, 0.1 to 0.3 ms by the machine, and sends
//! up to 1200 bytes to an address that may be forged. So there are buckets for each address, for each prefix, and for
//! all, and who finds one empty is dropped without a word. Whoever shows a cookie has proven to receive at its address
//! and has buckets of its own kind: a flood from forged addresses takes nothing from those.
//!
//! The rates are for a network of ten thousand honest nodes.
//!
//! - In all, 500 a second. At rest a node asks 5 times a minute, so all of them together ask 830 times a second, of all
//!   servers. A node that everybody starts from sees, when ten thousand come back within a minute, 170 of them a second,
//!   and three requests of each. 500 and 500 a second, without and with cookies, keep a core busy for a tenth to a
//!   third.
//! - An address, 20 a second and 100 at once. A lookup asks each node once or twice, so that is enough for hundreds of
//!   users behind one carrier's address, and for one that does many things at once. Whoever forges the address of a
//!   victim has us send it 24 kB a second at most, and cookies do not wait behind that.
//! - A prefix, three times as much: an owner of a whole /24 or /56 is worth three addresses.
//! - Addresses that count on this machine or in its own networks only are a kind of their own, with generous buckets: many
//!   nodes may run on one machine, and their owners know each other. The bucket of all of them is for networks that let
//!   datagrams with such addresses in from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use super::address::Prefix;
use super::datagram::mapped;
use super::message::Cookie;
use super::statistics::Reason;
use crate::entropy::Stream;

/// For global addresses, those with cookies and those without.
const GLOBAL: Rates =
    Rates { address: Rate::new(20, 100), prefix: Rate::new(60, 300), total: Rate::new(500, 1000) };
/// For addresses on this machine or in its networks. Their prefixes say nothing.
const LOCAL: Rates =
    Rates { address: Rate::new(500, 1000), prefix: Rate::new(1000, 2000), total: Rate::new(1000, 2000) };
/// For what others cause here that goes to somebody else, by whoever causes it: calls that are passed on, keys that are to
/// be shown.
const CAUSED: Rates =
    Rates { address: Rate::new(1, 10), prefix: Rate::new(3, 30), total: Rate::new(100, 300) };
/// For calls to one client: each may lead to two pings.
const CALLS: Rate = Rate::new(2, 20);
/// Buckets of a kind that are kept at most. A full one is not kept, and where all together may take 500 tokens a second
/// and 1000 at once, no more than 1100 are ever less than full: this is the bound if the rates change.
const MAX_BUCKETS: usize = 4096;
/// A cookie is good for this long at least, and for less than twice as long.
const EPOCH: Duration = Duration::from_secs(30 * 60);

/// Lets requests in, or not.
pub struct Gate {
    start: Instant,
    secret: Secret,
    unproven: Lane,
    proven: Lane,
    local: Lane,
}

#[derive(ZeroizeOnDrop)]
struct Secret([u8; 32]);

impl Secret {
    fn new(random: &mut Stream) -> Self {
        Self(blake3::derive_key("hither v1 dht cookie", random.bytes::<32>().as_slice()))
    }
}

/// The buckets of one kind of request.
#[derive(Debug)]
pub(super) struct Lane {
    total: Rate,
    addresses: Buckets<IpAddr>,
    prefixes: Buckets<Prefix>,
    /// When the bucket of all is full.
    all: Instant,
}

/// Buckets, each known by when it will be full if nothing more is taken (the virtual scheduling algorithm of ITU-T
/// I.371). One that is full is not kept. Where there are too many, the one nearest to being full makes room: nobody
/// gets rid of an empty one by bringing many others.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    full: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

#[derive(Clone, Copy)]
struct Rates {
    address: Rate,
    prefix: Rate,
    total: Rate,
}

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy)]
struct Rate {
    /// The time in which one token flows in.
    each: Duration,
    /// The time in which an empty bucket becomes full.
    whole: Duration,
}

impl Gate {
    /// A gate with all buckets full. The secret of its cookies comes from `random`.
    pub fn new(now: Instant, random: &mut Stream) -> Self {
        Self {
            start: now,
            secret: Secret::new(random),
            unproven: Lane::new(now, GLOBAL),
            proven: Lane::new(now, GLOBAL),
            local: Lane::new(now, LOCAL),
        }
    }

    /// Cookies that were given are good no more: with them somebody could be followed to another key.
    pub fn renew(&mut self, random: &mut Stream) {
        self.secret = Secret::new(random);
    }

    /// The cookie for an address: 16 bytes of a MAC over it and the half hour.
    pub fn cookie(&self, now: Instant, from: SocketAddr) -> Cookie {
        self.cookie_of(self.epoch(now), from)
    }

    /// Whether the cookie is one that this address was given in this half hour or the one before.
    pub fn is_proven(&self, now: Instant, from: SocketAddr, cookie: &Cookie) -> bool {
        let epoch = self.epoch(now);
        let this = self.cookie_of(epoch, from).0.ct_eq(&cookie.0);
        let before =
            epoch.checked_sub(1).map_or(Cookie::NONE, |epoch| self.cookie_of(epoch, from)).0.ct_eq(&cookie.0);
        // Of the zeros that stand for none, no MAC is made in practice; that they are no cookie is certain this way.
        bool::from((this | before) & !cookie.0.ct_eq(&Cookie::NONE.0))
    }

    /// Takes a token for a request of this address, or says whose bucket is empty. Then none is taken from any.
    pub(super) fn admit(&mut self, now: Instant, from: IpAddr, proven: bool) -> Result<(), Reason> {
        let from = from.to_canonical();
        let lane = match (Prefix::counted(from), proven) {
            (None, _) => &mut self.local,
            (Some(_), true) => &mut self.proven,
            (Some(_), false) => &mut self.unproven,
        };
        lane.take(now, from)
    }

    /// Buckets that are kept, of all kinds.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let kept = |lane: &Lane| lane.addresses.full.len().saturating_add(lane.prefixes.full.len());
        [&self.unproven, &self.proven, &self.local].map(kept).iter().sum()
    }

    /// Half hours since the start.
    fn epoch(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start).as_secs();
        since.checked_div(EPOCH.as_secs()).unwrap_or_default()
    }

    fn cookie_of(&self, epoch: u64, from: SocketAddr) -> Cookie {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret.0);
        hasher.update(&mapped(from)).update(&epoch.to_be_bytes());
        let mut cookie = [0; 16];
        hasher.finalize_xof().fill(&mut cookie);
        Cookie(cookie)
    }
}

impl Lane {
    fn new(now: Instant, rates: Rates) -> Self {
        let Rates { address, prefix, total } = rates;
        Self { total, addresses: Buckets::new(address), prefixes: Buckets::new(prefix), all: now }
    }

    /// The buckets of those who cause something to go to others.
    pub(super) fn of_caused(now: Instant) -> Self {
        Self::new(now, CAUSED)
    }

    /// Takes a token, or says whose bucket is empty. Then none is taken from any.
    pub(super) fn take(&mut self, now: Instant, from: IpAddr) -> Result<(), Reason> {
        let from = from.to_canonical();
        let prefix = Prefix::of(from);
        let of_address = self.addresses.after(now, from).ok_or(Reason::AddressRate)?;
        let of_prefix = self.prefixes.after(now, prefix).ok_or(Reason::PrefixRate)?;
        self.all = self.total.take(now, self.all).ok_or(Reason::TotalRate)?;
        self.addresses.set(now, from, of_address);
        self.prefixes.set(now, prefix, of_prefix);
        Ok(())
    }
}

impl<K: Ord + Copy> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Self { rate, full: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// For calls, by those who are called or by those who pass them on.
    pub(super) fn of_calls() -> Self {
        Self::new(CALLS)
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant, key: K) -> bool {
        let after = self.after(now, key);
        after.map(|full| self.set(now, key, full)).is_some()
    }

    /// When the bucket will be full after a token more is taken, if there is one.
    fn after(&self, now: Instant, key: K) -> Option<Instant> {
        self.rate.take(now, self.full.get(&key).copied().unwrap_or(now))
    }

    fn set(&mut self, now: Instant, key: K, full: Instant) {
        if let Some(before) = self.full.insert(key, full) {
            self.order.remove(&(before, key));
        }
        self.order.insert((full, key));
        while let Some(first @ (at, key)) = self.order.first().copied()
            && (at <= now || self.full.len() > MAX_BUCKETS)
        {
            self.order.remove(&first);
            self.full.remove(&key);
        }
    }
}

impl Rate {
    /// So many tokens a second, and so many at once after a pause.
    const fn new(tokens: u32, burst: u32) -> Self {
        let each = Duration::from_nanos(1_000_000_000 / tokens as u64);
        Self { each, whole: each.saturating_mul(burst) }
    }

    /// When a bucket will be full after a token more is taken, if there is one.
    fn take(self, now: Instant, full: Instant) -> Option<Instant> {
        let after = full.max(now).checked_add(self.each)?;
        (after.saturating_duration_since(now) <= self.whole).then_some(after)
    }
}
