//! The cases that the table must stand, each at any scale: small ones are tests, large ones figures.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Outcome, PeerIndex, Sessions, Setup, Swarm, Wire};

/// How long a search may take before it counts as lost.
pub(super) const SEARCH: Duration = Duration::from_secs(20);
/// Between two searches.
pub(super) const BETWEEN: Duration = Duration::from_millis(50);
/// How often people publish where they are.
const PUBLISHED: Duration = Duration::from_secs(20 * 60);

/// What came of many searches.
#[derive(Debug, Clone, Default)]
pub struct Searches {
    /// How many there were.
    pub of: usize,
    /// How many found whom they looked for.
    pub found: usize,
    /// Rounds to the first record.
    pub rounds: Percentiles,
    /// Nodes that each asked.
    pub asked: Percentiles,
    /// Milliseconds to the first record.
    pub after: Percentiles,
    /// Bytes of each, both ways, where they are datagrams.
    pub bytes: u64,
}

/// Of a list of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Half are no more than this.
    pub p50: u64,
    /// All but a twentieth.
    pub p95: u64,
    /// All but a hundredth.
    pub p99: u64,
}

impl Percentiles {
    fn of(mut numbers: Vec<u64>) -> Self {
        numbers.sort_unstable();
        let at = |part: usize| numbers.get(numbers.len() * part / 100).or(numbers.last()).copied();
        let [p50, p95, p99] = [50, 95, 99].map(|part| at(part).unwrap_or_default());
        Self { p50, p95, p99 }
    }
}

impl Searches {
    /// What part found whom they looked for, in per cent.
    pub fn percent(&self) -> f64 {
        100.0 * self.found as f64 / self.of.max(1) as f64
    }

    /// Counts one more; without an outcome it is not over, and has found nothing.
    fn count(&mut self, outcome: Option<Outcome>) {
        self.of += 1;
        self.found += usize::from(outcome.is_some_and(|it| it.found_in.is_some()));
    }

    /// Takes in how many others there were, and how many of them found.
    pub fn add(&mut self, other: &Self) {
        self.of += other.of;
        self.found += other.found;
    }
}

/// So many searches of random people for each other, all of whom have published where they are.
pub fn searches(swarm: &mut Swarm, count: usize) -> Searches {
    let people = (0..count).map(|_| swarm.somebody()).collect();
    searches_for(swarm, people)
}

fn searches_for(swarm: &mut Swarm, people: Vec<PeerIndex>) -> Searches {
    let mut under_way = Vec::new();
    let (before, count) = (swarm.counts().bytes, people.len());
    for whom in people {
        let who = swarm.somebody();
        under_way.push((who, whom, swarm.look_for(who, whom)));
        swarm.run_for(BETWEEN);
    }
    let bytes = (swarm.counts().bytes - before) / count.max(1) as u64;
    swarm.run_for(SEARCH);
    let outcomes = under_way.into_iter().map(|(who, whom, lookup)| {
        // Whoever left meanwhile can say nothing.
        swarm.looked(who, lookup, whom)
    });
    let outcomes: Vec<Outcome> = outcomes.flatten().collect();
    let found: Vec<&Outcome> = outcomes.iter().filter(|it| it.found_in.is_some()).collect();
    Searches {
        of: outcomes.len(),
        found: found.len(),
        rounds: Percentiles::of(found.iter().filter_map(|it| it.found_in).map(u64::from).collect()),
        asked: Percentiles::of(outcomes.iter().map(|it| it.asked.into()).collect()),
        after: Percentiles::of(
            found.iter().filter_map(|it| it.after).map(|it| it.as_millis() as u64).collect(),
        ),
        bytes,
    }
}

/// A quiet network in which everyone has published where they are.
pub fn quiet(seed: u64, wire: Wire, nodes: usize, count: usize) -> Searches {
    let mut swarm = Swarm::grown(seed, wire, nodes, |_| Setup::default());
    publish(&mut swarm);
    searches(&mut swarm, count)
}

/// The same for so many of the people, each looked for by someone else.
pub fn some_of_many(seed: u64, wire: Wire, nodes: usize, count: usize) -> Searches {
    let mut swarm = Swarm::grown(seed, wire, nodes, |_| Setup::default());
    let people: Vec<PeerIndex> = (0..count).map(|_| swarm.somebody()).collect();
    for index in &people {
        swarm.publish(*index);
        swarm.run_for(BETWEEN);
    }
    swarm.run_for(Duration::from_secs(10));
    searches_for(&mut swarm, people)
}

/// The same where a fifth of the nodes lie, withhold and answer with each other: what came of all searches, and of those
/// by and for people whose nodes were told of somebody honest when they joined. Told of liars only, a node is in their
/// network and no other.
pub fn liars(seed: u64, nodes: usize, count: usize) -> (Searches, Searches) {
    let liar = |number| Setup { liar: number >= 5 && number % 5 == 0, ..Setup::default() };
    let mut swarm = Swarm::grown(seed, Wire::Messages, nodes, liar);
    publish(&mut swarm);
    let (mut all, mut led) = (Searches::default(), Searches::default());
    let mut under_way = Vec::new();
    for _ in 0..count {
        let (who, whom) = (swarm.somebody(), swarm.somebody());
        under_way.push((who, whom, swarm.look_for(who, whom)));
        swarm.run_for(BETWEEN);
    }
    swarm.run_for(SEARCH);
    for (who, whom, lookup) in under_way {
        let outcome = swarm.looked(who, lookup, whom);
        all.count(outcome);
        if !swarm.is_misled(who) && !swarm.is_misled(whom) {
            led.count(outcome);
        }
    }
    (all, led)
}

/// Nodes come and go for so long; people who are there publish where they are every twenty minutes, and look for
/// others who have had the time to.
pub fn churn(seed: u64, nodes: usize, hourly: f64, time: Duration, each_minute: usize) -> Searches {
    let mut swarm = Swarm::grown(seed, Wire::Messages, nodes, |_| Setup::default());
    publish(&mut swarm);
    let mut published: Vec<Option<Duration>> = vec![Some(swarm.now()); nodes];
    let mut total = Searches::default();
    swarm.churn(Sessions { hourly }, time, |swarm| {
        for index in swarm.up() {
            if published.len() <= index.0 {
                published.resize(index.0 + 1, None);
            }
            let due = match published[index.0] {
                Some(at) => swarm.now() - at >= PUBLISHED,
                None => swarm.joined(index).is_some(),
            };
            if due {
                published[index.0] = Some(swarm.now());
                swarm.publish(index);
            }
        }
        let mut under_way = Vec::new();
        for _ in 0..each_minute {
            let (who, whom) = (swarm.somebody(), swarm.somebody());
            let settled = |index: PeerIndex| {
                let at = published.get(index.0).copied().flatten();
                at.is_some_and(|at| swarm.now() - at >= Duration::from_secs(1))
            };
            if settled(who) && settled(whom) {
                under_way.push((who, whom));
            }
        }
        let begun: Vec<_> =
            under_way.into_iter().map(|(who, whom)| (who, whom, swarm.look_for(who, whom))).collect();
        swarm.run_for(SEARCH);
        let mut minute = Searches::default();
        for (who, whom, lookup) in begun {
            // Whoever left meanwhile can say nothing.
            if let Some(outcome) = swarm.looked(who, lookup, whom) {
                minute.count(Some(outcome));
            }
        }
        total.add(&minute);
    });
    total
}

/// What a network that was parted for an hour finds: before, and so many minutes after it is whole again.
pub fn partition(seed: u64, nodes: usize, count: usize, healed_for: Duration) -> (Searches, Searches) {
    let mut swarm = Swarm::grown(seed, Wire::Messages, nodes, |_| Setup::default());
    publish(&mut swarm);
    swarm.part(Some(|index| index.0 % 2 == 0));
    for _ in 0..3 {
        let published = swarm.now();
        swarm.publish_all(Duration::from_secs(300));
        swarm.run_for(published + PUBLISHED - swarm.now());
    }
    let parted = searches(&mut swarm, count);
    swarm.part(None);
    swarm.run_for(healed_for);
    (parted, searches(&mut swarm, count))
}

/// A node that remembers so many others, three fifths of whom are gone, joins: how long that takes.
pub fn join(seed: u64, nodes: usize, remembered: usize) -> Option<Duration> {
    let mut swarm = Swarm::grown(seed, Wire::Messages, nodes, |_| Setup::default());
    let known: Vec<SocketAddr> = swarm.some_addresses(remembered);
    let dead = known.len() * 3 / 5;
    for index in swarm.up() {
        if known.iter().take(dead).any(|address| *address == swarm.address(index)) {
            swarm.kill(index);
        }
    }
    let begun = swarm.now();
    let new = swarm.add(Setup::default(), &known);
    swarm.run_for(Duration::from_secs(60));
    swarm.joined(new).map(|at| at - begun)
}

/// Two networks of different names that a stray node of the one tells of the other: how many nodes know one of the
/// other, and what is found within each.
pub fn two_networks(seed: u64, wire: Wire, nodes: usize, count: usize) -> (usize, Searches) {
    let mut swarm = Swarm::new(seed, wire);
    for number in 0..nodes {
        // Everyone is told of nodes of both: whoever is told of none of its own belongs to no network at all.
        let known = [0, 1].map(|network| swarm.some_addresses_of(Some(network), 4)).concat();
        swarm.add(Setup { network: (number % 2) as u8, ..Setup::default() }, &known);
        swarm.run_for(Duration::from_millis(20));
    }
    swarm.run_for(Duration::from_secs(120));
    publish(&mut swarm);
    let mixed = |swarm: &Swarm, index: PeerIndex| {
        let known = swarm.dht(index).nodes();
        known.iter().any(|node| swarm.network_at(node.contact.address()) != Some(swarm.network_of(index)))
    };
    let mixed = swarm.up().into_iter().filter(|index| mixed(&swarm, *index)).count();
    let mut total = Searches::default();
    let mut begun = Vec::new();
    while begun.len() < count {
        let (who, whom) = (swarm.somebody(), swarm.somebody());
        if swarm.network_of(who) == swarm.network_of(whom) {
            begun.push((who, whom, swarm.look_for(who, whom)));
            swarm.run_for(BETWEEN);
        }
    }
    swarm.run_for(SEARCH);
    for (who, whom, lookup) in begun {
        total.count(swarm.looked(who, lookup, whom));
    }
    (mixed, total)
}

/// What an idle client behind a NAT sends in a minute, on average over a time, in a network in which nodes come and go.
pub fn idle(seed: u64, nodes: usize, time: Duration) -> f64 {
    let mut swarm = Swarm::grown(seed, Wire::Messages, nodes, |_| Setup::default());
    let known = swarm.some_addresses(3);
    let client = swarm.add(Setup { behind_nat: true, ..Setup::default() }, &known);
    swarm.ask(client, |dht, now| dht.be_introduced(now, true));
    swarm.run_for(Duration::from_secs(60));
    assert_eq!(swarm.dht(client).introducers().len(), 2, "it can be called");
    let before = swarm.sent(client);
    swarm.churn_but(Sessions { hourly: 0.3 }, time, Some(client), |_| {});
    (swarm.sent(client) - before) as f64 / (time.as_secs_f64() / 60.0)
}

/// Has everyone publish where they are.
pub(super) fn publish(swarm: &mut Swarm) {
    let count = swarm.up().len() as u32;
    swarm.publish_all(Duration::from_millis(20) * count);
    swarm.run_for(Duration::from_secs(10));
}
