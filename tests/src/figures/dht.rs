//! What the table of nodes stands, at full scale, and how long real nodes take to find each other.

use std::path::Path;
use std::time::{Duration, Instant};

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::{Config, Event, WideConfig};
use hither_runtime_smol::{Options, Runtime, has_aes, max_datagram};

use super::usage::process_time;
use super::{Failure, Report, Row, Table, percentile, temporary};
use crate::swarm::Wire;
use crate::swarm::cases::{self, Searches};

/// One case.
type Case = fn() -> Result<Vec<Row>, Failure>;

const SEED: u64 = 1;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Nodes with real sockets, and how often two of them find each other.
const REAL: usize = 50;
const FOUND: usize = 100;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const INTERFACE: &str = "lo";

pub(super) const HELP: &str = "\
usage: figures dht [CASE...]

Runs the table's cases in the simulator, and nodes with real sockets on this machine's loopback, and prints a table in
Markdown. Cases: quiet, sealed, churn, liars, partition, join, networks, calls, idle, real; all of them where none is named.";

pub(super) fn measure(arguments: impl Iterator<Item = String>) -> Result<Report, Failure> {
    let chosen: Vec<String> = arguments.collect();
    let all: [(&str, Case); 10] = [
        ("quiet", quiet),
        ("sealed", sealed),
        ("churn", churn),
        ("liars", liars),
        ("partition", partition),
        ("join", join),
        ("networks", networks),
        ("calls", calls),
        ("idle", idle),
        ("real", real),
    ];
    if let Some(wrong) = chosen.iter().find(|name| !all.iter().any(|(known, _)| known == name)) {
        return Err(format!("there is no case {wrong}\n\n{HELP}").into());
    }
    let mut rows = Vec::new();
    for (name, case) in all {
        if chosen.is_empty() || chosen.iter().any(|it| it == name) {
            eprintln!("{name} ...");
            rows.extend(case()?);
        }
    }
    Ok(Report { text: Table(&rows).to_string(), reached: rows.iter().all(|row| row.reached) })
}

/// What is asked of a network without trouble.
fn searched(case: &str, searches: &Searches, took: Duration) -> Vec<Row> {
    let Searches { of, rounds, asked, after, bytes, .. } = searches;
    let mut rows = vec![
        found(format!("{case}, {of} searches of random people"), searches, 99.9),
        Row::plain("- rounds to the first record", format!("p50 {}, p95 {}", rounds.p50, rounds.p95))
            .bound("p95 at most 5", rounds.p95 <= 5),
        Row::plain("- requests of a search", format!("p50 {}, p95 {}", asked.p50, asked.p95))
            .bound("p50 at most 30", asked.p50 <= 30),
        Row::plain(
            "- time to the first record, the world being 150 ms wide",
            format!("p50 {} ms, p95 {} ms, p99 {} ms", after.p50, after.p95, after.p99),
        ),
        Row::plain("- processor time of it all", format!("{:.0} s", took.as_secs_f64()))
            .bound("within 120 s", took <= Duration::from_secs(120)),
    ];
    if *bytes > 0 {
        rows.push(Row::plain("- bytes for each search, all that nodes send meanwhile", format!("{bytes}")));
    }
    rows
}

fn found(case: String, searches: &Searches, percent: f64) -> Row {
    let measured = format!("{:.2} % of {} found", searches.percent(), searches.of);
    let reached = searches.percent() >= percent;
    Row::plain(case, measured).seed(SEED).bound(format!("at least {percent} %"), reached)
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begun = process_time();
    let result = run();
    (result, process_time().saturating_sub(begun))
}

fn quiet() -> Result<Vec<Row>, Failure> {
    let (searches, took) = timed(|| cases::some_of_many(SEED, Wire::Messages, 10_000, 2000));
    Ok(searched("10,000 nodes", &searches, took))
}

fn sealed() -> Result<Vec<Row>, Failure> {
    let (searches, took) = timed(|| cases::some_of_many(SEED, Wire::Datagrams, 2000, 1000));
    Ok(searched("2,000 nodes, sealed datagrams", &searches, took))
}

fn churn() -> Result<Vec<Row>, Failure> {
    let searches = cases::churn(SEED, 300, 0.3, DAY, 3);
    let case = "300 nodes, 30 % leave each hour (Weibull), 24 virtual hours: records of those who are there";
    Ok(vec![found(case.to_owned(), &searches, 99.5)])
}

fn liars() -> Result<Vec<Row>, Failure> {
    // How many are told of liars only is luck, of which one network has too little to go by.
    let (mut all, mut led) = (Searches::default(), Searches::default());
    for seed in SEED..SEED + 4 {
        let (all_of_one, led_of_one) = cases::liars(seed, 2000, 1000);
        all.add(&all_of_one);
        led.add(&led_of_one);
    }
    let case =
        "2,000 nodes, a fifth of which lie, withhold and answer with each other, four times (seeds 1 to 4)";
    let among = "- among those of them who were told of somebody honest when they joined";
    Ok(vec![found(case.to_owned(), &all, 99.0), found(among.to_owned(), &led, 99.9)])
}

fn partition() -> Result<Vec<Row>, Failure> {
    let (parted, healed) = cases::partition(SEED, 500, 1000, Duration::from_secs(15 * 60));
    let during = format!("{:.2} % of {} found", parted.percent(), parted.of);
    Ok(vec![
        Row::plain("500 nodes, halves parted for an hour: while they are", during).seed(SEED),
        found("- 15 virtual minutes after they are together again".to_owned(), &healed, 99.9),
    ])
}

fn join() -> Result<Vec<Row>, Failure> {
    let joined = cases::join(SEED, 1000, 64);
    let measured = joined.map_or("not joined".to_owned(), |it| format!("{:.1} s", it.as_secs_f64()));
    let reached = joined.is_some_and(|it| it <= Duration::from_secs(30));
    let row = Row::plain("joining by 64 remembered nodes, three fifths of which are gone", measured);
    Ok(vec![row.seed(SEED).bound("within 30 virtual s", reached)])
}

fn networks() -> Result<Vec<Row>, Failure> {
    let (mixed, searches) = cases::two_networks(SEED, Wire::Datagrams, 300, 300);
    let case = "two networks of 150 nodes each, all of which are told of nodes of both: nodes that know one of the other";
    Ok(vec![
        Row::plain(case, format!("{mixed}")).seed(SEED).bound("none", mixed == 0),
        found("- within each".to_owned(), &searches, 99.9),
    ])
}

fn calls() -> Result<Vec<Row>, Failure> {
    let searches = crate::swarm::calls::calls(SEED, Wire::Messages, 1000, 1000);
    let case = "1,000 nodes, a third of them behind NATs: searches and calls of those for each other, who learn where to go and are let in";
    Ok(vec![found(case.to_owned(), &searches, 99.9)])
}

fn idle() -> Result<Vec<Row>, Failure> {
    let a_minute = cases::idle(SEED, 300, DAY);
    let case = "an idle client behind a NAT, kept in reach by two others, over 24 virtual hours, 30 % of 300 nodes leaving each hour: datagrams sent";
    let row = Row::plain(case, format!("{a_minute:.1} a minute"));
    Ok(vec![row.seed(SEED).bound("at most 10 a minute", a_minute <= 10.0)])
}

/// Nodes with real sockets, disks and clocks, each told of the first only.
fn real() -> Result<Vec<Row>, Failure> {
    let (_directory, path) = temporary()?;
    let mut nodes = vec![start(&path.join("0"), Vec::new())?];
    let first = nodes[0].bound_addresses().first().copied().ok_or("loopback has no address")?;
    for number in 1..REAL {
        nodes.push(start(&path.join(number.to_string()), vec![first])?);
    }
    let begun = Instant::now();
    let published = |node: &Runtime| node.ask(|node, _| node.network().is_some_and(|it| it.copies >= 10));
    while !nodes.iter().all(published) {
        if begun.elapsed() > PATIENCE {
            return Err("the nodes did not join".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut times = Vec::with_capacity(FOUND);
    for number in 0..FOUND {
        let (from, to) = (number % REAL, (number * 7 + 1 + number / REAL) % REAL);
        let peer = nodes[to].ask(|node, _| node.peer_id());
        if from == to {
            continue;
        }
        let begun = Instant::now();
        nodes[from].ask(move |node, now| node.connect(now, peer));
        loop {
            match nodes[from].next_event(PATIENCE.checked_sub(begun.elapsed())) {
                Some(Event::Connected { peer: found, .. }) if found == peer => break,
                Some(Event::Unreachable { .. }) | None => return Err("a node was not found".into()),
                Some(_) => {}
            }
        }
        times.push(begun.elapsed());
    }
    times.sort();
    for node in nodes {
        node.close(Duration::from_millis(200));
    }
    let millis = |percent| percentile(&times, percent).unwrap_or_default().as_secs_f64() * 1e3;
    let case = format!(
        "{REAL} nodes with real sockets on loopback: from an id to a proven link, search and handshake ({} times)",
        times.len()
    );
    Ok(vec![Row::plain(case, format!("p50 {:.1} ms, p99 {:.1} ms", millis(50), millis(99)))])
}

fn start(home: &Path, bootstrap: Vec<std::net::SocketAddr>) -> Result<Runtime, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let identity = Identity::generate(&mut Entropy::new(Seed::new(seed)).stream("identity"));
    let config = Config {
        aes: has_aes(),
        max_datagram: max_datagram(Some(INTERFACE)),
        wide: Some(WideConfig { publish: true, public: false, mainline: false, bootstrap }),
        ..Config::default()
    };
    let interface = Some(INTERFACE.into());
    let options = Options { home: home.into(), interface, port: 0, discovery: None, mainline: None, config };
    Ok(Runtime::start(options, identity)?)
}
