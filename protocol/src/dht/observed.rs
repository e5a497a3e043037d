//! What others see of this node: its address, and whether it can be reached there.
//!
//! One observer may lie, and those behind one prefix may be one. So an address counts when observers in different
//! prefixes agree on it, and it counts as reachable when strangers, to whom nothing was sent, were heard there: a NAT or
//! a firewall would have kept them out. Until then a node is a client: it asks, and is in nobody's table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::address::{Prefix, Scope};

/// Observers remembered; the oldest makes room.
const MOST_OBSERVERS: usize = 64;
/// How long an observation counts: longer than a router keeps what nobody uses, shorter than a lease.
const OBSERVED_FOR: Duration = Duration::from_secs(30 * 60);
/// Between two looks for observations that do not count any more.
const SWEEP: Duration = Duration::from_secs(60);
/// How long somebody counts as spoken to: the longest that common NATs keep a mapping (RFC 4787, REQ-5, is five
/// minutes).
const SPOKEN_FOR: Duration = Duration::from_secs(10 * 60);
/// Addresses remembered as spoken to.
const MOST_SPOKEN: usize = 4096;
/// Observers that must agree, and strangers that must have been heard, where there are so many.
const ENOUGH: usize = 2;

/// Who observes: a prefix, or, where neighbours are no crowd, an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Observer {
    Prefix(Prefix),
    Address(SocketAddr),
}

impl Observer {
    fn of(address: SocketAddr) -> Self {
        Prefix::counted(address.ip()).map_or(Self::Address(address), Self::Prefix)
    }
}

/// What others see of this node.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The owner says that this node can be reached by everyone.
    public: bool,
    own: Vec<SocketAddr>,
    votes: BTreeMap<Observer, (SocketAddr, Instant)>,
    /// When those were last thrown out that are too old.
    swept: Option<Instant>,
    spoken: BTreeMap<SocketAddr, Instant>,
    /// Strangers who were heard, for IPv4 and for IPv6.
    strangers: [BTreeSet<Prefix>; 2],
    /// What others agree on, for IPv4 and for IPv6.
    agreed: [Option<SocketAddr>; 2],
    /// What they agreed on last of the world's addresses, and whether it was another before.
    last: [Option<IpAddr>; 2],
    elsewhere: bool,
}

impl Observed {
    pub(super) fn new(public: bool) -> Self {
        Self { public, ..Self::default() }
    }

    /// The addresses of this node's sockets. Where they have changed, nothing that was seen of the old ones counts.
    pub(super) fn set_own(&mut self, own: Vec<SocketAddr>) -> bool {
        let changed = own != self.own;
        if changed {
            *self = Self { public: self.public, own, ..Self::default() };
        }
        changed
    }

    pub(super) fn own(&self) -> &[SocketAddr] {
        &self.own
    }

    /// Someone was sent a request.
    pub(super) fn spoke(&mut self, now: Instant, to: SocketAddr) {
        if self.spoken.len() >= MOST_SPOKEN && !self.spoken.contains_key(&to) {
            self.spoken.retain(|_, at| now.saturating_duration_since(*at) < SPOKEN_FOR);
            if self.spoken.len() >= MOST_SPOKEN {
                self.spoken.pop_first();
            }
        }
        self.spoken.insert(to, now);
    }

    /// A request came from an address: where nothing was sent there of late, this node can be reached by strangers.
    pub(super) fn heard(&mut self, now: Instant, from: SocketAddr) {
        let spoken = self.spoken.get(&from).is_some_and(|at| now.saturating_duration_since(*at) < SPOKEN_FOR);
        let Some(prefix) = Prefix::counted(from.ip()).filter(|_| !spoken) else { return };
        if let Some(strangers) = self.strangers.get_mut(family(from.ip()))
            && strangers.len() < ENOUGH
        {
            strangers.insert(prefix);
        }
    }

    /// Somebody says from which address they hear this node. Gives whether others agree on another address now.
    pub(super) fn observed(&mut self, now: Instant, by: SocketAddr, seen: SocketAddr) -> bool {
        // What is seen over a road of one scope is an address of that scope.
        if Scope::of(seen.ip()) != Scope::of(by.ip()) || seen.is_ipv4() != by.is_ipv4() || seen.port() == 0 {
            return false;
        }
        let by = Observer::of(by);
        if let Some((before, at)) = self.votes.get_mut(&by)
            && *before == seen
        {
            *at = now;
            return false;
        }
        let before = self.votes.len();
        if self.swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP) {
            self.swept = Some(now);
            self.votes.retain(|_, (_, at)| now.saturating_duration_since(*at) < OBSERVED_FOR);
        }
        if self.votes.len() >= MOST_OBSERVERS && !self.votes.contains_key(&by) {
            let oldest = self.votes.iter().min_by_key(|(_, (_, at))| *at).map(|(observer, _)| *observer);
            oldest.and_then(|oldest| self.votes.remove(&oldest));
        }
        self.votes.insert(by, (seen, now));
        let family = family(seen.ip());
        // One more for what is agreed on changes nothing, unless others have left.
        let settled = self.agreed.get(family).copied().flatten() == Some(seen);
        let changed = if settled && self.votes.len() > before { false } else { self.count(family) };
        self.remember(family);
        changed
    }

    fn count(&mut self, family: usize) -> bool {
        let mut by_address: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        let mut all = 0_usize;
        // The widest scope that anyone sees is the one that counts: neighbours see a private address.
        let seen = || self.votes.values().map(|(seen, _)| *seen).filter(|seen| is_of(family, seen.ip()));
        let Some(widest) = seen().map(|seen| Scope::of(seen.ip())).max() else { return false };
        for seen in seen().filter(|seen| Scope::of(seen.ip()) == widest) {
            all = all.saturating_add(1);
            let votes = by_address.entry(seen).or_default();
            *votes = votes.saturating_add(1);
        }
        // What the machine knows itself and others confirm needs no majority, which liars may have.
        let own =
            self.own.iter().find(|own| by_address.get(own).is_some_and(|votes| *votes >= ENOUGH.min(all)));
        let own = own.copied();
        let most = by_address.into_iter().max_by_key(|(_, votes)| *votes);
        // Behind a NAT that takes another port for everyone no two agree, and there is no address to tell.
        let agreed = most.filter(|(_, votes)| *votes >= ENOUGH.min(all) && votes.saturating_mul(2) > all);
        let agreed = own.or_else(|| agreed.map(|(address, _)| address));
        let Some(before) = self.agreed.get_mut(family) else { return false };
        if *before == agreed {
            return false;
        }
        let moved = before.is_some();
        *before = agreed;
        if moved && let Some(strangers) = self.strangers.get_mut(family) {
            strangers.clear();
        }
        true
    }

    /// The addresses that others agree on. As long as nobody has said anything, it is what the machine itself knows:
    /// the first nodes of a network have nobody else to ask.
    pub(super) fn agreed(&self) -> impl Iterator<Item = SocketAddr> {
        let alone = |family: usize| {
            let heard = || self.votes.values().any(|(seen, _)| is_of(family, seen.ip()));
            let own = self.own.iter().copied().filter(|own| is_of(family, own.ip()));
            own.max_by_key(|own| Scope::of(own.ip())).filter(|_| !heard())
        };
        self.agreed.iter().enumerate().filter_map(move |(family, agreed)| agreed.or_else(|| alone(family)))
    }

    /// Those at which everyone can reach this node; `few` says that too few nodes are known to have strangers among
    /// them.
    pub(super) fn reachable(&self, few: bool) -> impl Iterator<Item = SocketAddr> {
        self.agreed().filter(move |address| self.is_reachable(*address, few))
    }

    fn is_reachable(&self, address: SocketAddr, few: bool) -> bool {
        // What others see is what this machine has: there is no NAT in between.
        let direct = self.own.contains(&address);
        match Scope::of(address.ip()) {
            Scope::None => false,
            Scope::Loopback | Scope::Private => direct,
            Scope::Global => {
                let strangers = self.strangers.get(family(address.ip())).map_or(0, BTreeSet::len);
                self.public || strangers >= ENOUGH || (few && direct)
            }
        }
    }

    /// Whether something may close the way to this node: in IPv4 or in IPv6 others see it at an address that is not the
    /// machine's own, or that not everyone can reach, or each at another. `None` as long as nobody in the world has said.
    pub(super) fn is_behind_nat(&self, few: bool) -> Option<bool> {
        if self.public {
            return Some(false);
        }
        let is_global = |seen: &SocketAddr| Scope::of(seen.ip()) == Scope::Global;
        let mut behind = None;
        for (family, agreed) in self.agreed.iter().enumerate() {
            if self.votes.values().any(|(seen, _)| is_of(family, seen.ip()) && is_global(seen)) {
                let open = agreed.is_some_and(|it| self.own.contains(&it) && self.is_reachable(it, few));
                behind = Some(behind == Some(true) || !open);
            }
        }
        behind
    }

    /// Whether others have come to see this node at another IP, since this was asked last: that may be in another network,
    /// where another port is another whim of one router.
    pub(super) fn was_elsewhere(&mut self) -> bool {
        std::mem::take(&mut self.elsewhere)
    }

    /// Remembers what others agree on. One alone has nobody to agree with.
    fn remember(&mut self, family: usize) {
        let agreed = self.agreed.get(family).copied().flatten();
        let Some(agreed) = agreed.filter(|it| Scope::of(it.ip()) == Scope::Global) else { return };
        if let Some(last) = self.last.get_mut(family).filter(|last| **last != Some(agreed.ip()))
            && self.votes.values().filter(|(seen, _)| *seen == agreed).count() >= ENOUGH
        {
            self.elsewhere |= last.replace(agreed.ip()).is_some();
        }
    }

    /// Those of the addresses that others agree on which mean something everywhere.
    pub(super) fn agreed_globally(&self) -> impl Iterator<Item = SocketAddr> {
        self.agreed().filter(|it| Scope::of(it.ip()) == Scope::Global)
    }

    /// Whether someone at `to` can be told that this node can be asked in turn.
    pub(super) fn serves(&self, to: SocketAddr, few: bool) -> bool {
        let scope = Scope::of(to.ip());
        let fits = |own: SocketAddr| own.is_ipv4() == to.is_ipv4() && Scope::of(own.ip()) >= scope;
        if scope == Scope::Global {
            return self.reachable(few).any(fits);
        }
        // On one's own network or machine there is no NAT in between, whatever the world beyond can see.
        let own = |own: &&SocketAddr| own.is_ipv4() == to.is_ipv4() && Scope::of(own.ip()) == scope;
        self.reachable(few).any(fits) || self.own.iter().any(|it| own(&it))
    }

    /// Addresses that others agree on and nobody has shown to be reachable: a dial-back is worth asking for.
    pub(super) fn unproven(&self, few: bool) -> Option<SocketAddr> {
        let global = |address: &SocketAddr| Scope::of(address.ip()) == Scope::Global;
        self.agreed().filter(global).find(|address| !self.is_reachable(*address, few))
    }

    /// All that is known of one's addresses is to be seen anew.
    pub(super) fn forget(&mut self) {
        *self = Self { public: self.public, own: std::mem::take(&mut self.own), ..Self::default() };
    }
}

fn family(address: IpAddr) -> usize {
    usize::from(!address.is_ipv4())
}

fn is_of(family: usize, address: IpAddr) -> bool {
    self::family(address) == family
}
