//! `hither doctor`: what this network lets through, and what to do about it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hither_protocol::dht::{Mode, Scope};
use hither_protocol::{Event, NetworkView, PeerView, Rules};
use serde_json::Value;

use super::desk::{self, Answer, Holder, Request};
use super::session::{Next, PORT, Part, Session, Told};
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::screen::{self, Check, CheckState, Screen, count};

/// How long neighbours have to be heard after the start.
const LISTEN: Duration = Duration::from_millis(1500);
/// How long this node has to join, and to be found; then it looks for itself, whatever came of that.
const SETTLE: Duration = Duration::from_millis(4000);
/// How long all of it may take.
const MOST: Duration = Duration::from_millis(6500);

pub(super) fn run(global: &Global, home: &Home, screen: &mut Screen) -> Result<(), Failure> {
    let checks = match desk::ask(home, "doctor", Request::Doctor)? {
        // Whoever has the home is what is to be looked at.
        Holder::Theirs(Answer::Checks(checks)) => checks,
        Holder::Theirs(Answer::Failed(failure)) => return Err(failure),
        Holder::Theirs(_) => {
            let text = "the running hither gave another answer than was asked for";
            return Err(Failure::new(Exit::Fault, text));
        }
        Holder::Ours(lock) => {
            screen.note("Looking at what this network lets through, for some seconds.")?;
            let session = Session::open_locked(lock, global, home, Part::Offering, Rules::default(), screen)?;
            let checks = examine(&session);
            session.close();
            checks?
        }
    };
    checks.into_iter().try_for_each(|check| screen.event(&screen::Event::Check(check)))
}

fn examine(session: &Session) -> Result<Vec<Check>, Failure> {
    loop {
        if let Some(checks) = session.examine() {
            return Ok(checks);
        }
        if let Next::Interrupted = session.next()? {
            return Err(session.interrupted("Nothing was changed."));
        }
    }
}

/// What is being found out.
#[derive(Debug)]
pub(super) struct Examination {
    since: Instant,
    /// Whether this node was looked for.
    looked: bool,
    found: Option<Found>,
}

/// What came of looking for this node as others would.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// In which round; `None` if it was not found.
    round: Option<u8>,
    asked: u32,
    after: Duration,
}

impl Examination {
    pub(super) fn begin() -> Self {
        Self { since: Instant::now(), looked: false, found: None }
    }

    /// The search for oneself is over.
    pub(super) fn found(&mut self, event: &Event) {
        if let Event::FoundOneself { found_in, asked, after, .. } = event {
            self.found = Some(Found { round: *found_in, asked: *asked, after: *after });
        }
    }

    /// Does what can be done by now. Gives what came of everything at the end.
    pub(super) fn carry_on(&mut self, session: &Session) -> Option<Vec<Check>> {
        let network = session.ask(|node, _| node.network());
        let (elapsed, listened) = (self.since.elapsed(), session.age() >= LISTEN);
        let over = match &network {
            None => listened,
            Some(view) => {
                let settled = self.since.elapsed() >= SETTLE;
                let joined = !view.nodes.is_empty() && !view.joining;
                let published = view.copies > 0 || !session.told().publishes;
                if !self.looked && !view.nodes.is_empty() && (settled || (joined && published)) {
                    self.looked = true;
                    session.ask(|node, now| node.find_oneself(now));
                }
                let nobody = view.nodes.is_empty() && !view.joining && view.mainline.is_none();
                listened && (self.found.is_some() || nobody)
            }
        };
        if !over && elapsed < MOST {
            return None;
        }
        let peers = session.ask(|node, _| node.peers());
        let (addresses, told) = (session.addresses(), session.told());
        let mut checks = vec![
            interfaces(&addresses),
            port(&addresses, told),
            neighbours(&peers, &addresses),
            joined(network.as_ref(), told),
        ];
        if let Some(view) = &network {
            checks.extend([
                observed(view),
                mode(view),
                lookup(view, self.found, told),
                mainline(view, told),
                refused(view),
            ]);
        }
        Some(checks)
    }
}

fn interfaces(addresses: &[SocketAddr]) -> Check {
    let check = match addresses {
        [] => Check::new(
            "addresses",
            CheckState::Bad,
            "this machine has no address: it is on no network. Connect it to one, or name another with --interface.",
        ),
        all if all.iter().all(|at| at.ip().is_loopback()) => Check::new(
            "addresses",
            CheckState::Warn,
            format!(
                "only this machine itself can be reached, at {}. Leave out --interface, or name another one.",
                list(all)
            ),
        ),
        all => Check::new("addresses", CheckState::Ok, format!("listening at {}.", list(all))),
    };
    check.with("addresses", texts(addresses))
}

fn port(addresses: &[SocketAddr], told: &Told) -> Check {
    let Some(port) = addresses.first().map(SocketAddr::port) else {
        return Check::new("port", CheckState::Bad, "no UDP port is open, as there is no address.");
    };
    let check = if port == PORT {
        let text = format!("UDP port {PORT}, which a firewall or a router can let through by a rule.");
        Check::new("port", CheckState::Ok, text)
    } else if told.port.is_some() {
        Check::new("port", CheckState::Ok, format!("UDP port {port}, as it was said."))
    } else if told.publishes {
        let text = format!(
            "UDP port {port}, another one after each start, as another program has {PORT}: a rule of a firewall or a \
             router does not fit it. End that program, or choose one with --port."
        );
        Check::new("port", CheckState::Warn, text)
    } else {
        let text = format!("UDP port {port}, any that was free: the command that runs here reaches others.");
        Check::new("port", CheckState::Ok, text)
    };
    check.with("port", port).with("known_port", port == PORT)
}

fn neighbours(peers: &[PeerView], addresses: &[SocketAddr]) -> Check {
    let near = peers.iter().filter(|peer| peer.near).count();
    let text = match near {
        0 if addresses.is_empty() => "nobody can be heard without a network.".to_owned(),
        0 => "nobody else is heard on this network by multicast. If Hither runs on another machine here, a firewall keeps \
              out UDP port 5353, or the Wi-Fi keeps its guests apart."
            .to_owned(),
        near => format!("{} heard on this network by multicast (`hither list-peers`).", count_of(near, "other")),
    };
    Check::new("neighbours", CheckState::Ok, text).with("neighbours", near)
}

fn joined(network: Option<&NetworkView>, told: &Told) -> Check {
    let Some(view) = network else {
        let text = if told.apart {
            "the command that runs on this home only looks at its records: ask again when it has ended."
        } else {
            "this machine takes no part in the network beyond the local one: --no-network, or `network = false` in \
                    the configuration. It is found here, and at addresses that are said, and not by its id."
        };
        return Check::new("network", CheckState::Warn, text).with("joined", false).with("nodes", 0);
    };
    let (nodes, good) = (view.nodes.len(), view.nodes.iter().filter(|node| node.good).count());
    let begins = [(told.bootstrap, "configured"), (view.remembered.len(), "remembered")];
    let begins: Vec<_> = begins
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, how)| format!("{count} {how}"))
        .collect();
    let (state, text) = match (nodes, view.joining, begins.is_empty()) {
        (1.., ..) if good == 0 => {
            let known = count_of(nodes, "node");
            let text = format!(
                "cut off: {known} of the network known, and none answers now; they are tried again. Does this network let UDP \
                 through? Another node is named with --bootstrap ADDRESS:PORT."
            );
            (CheckState::Warn, text)
        }
        (1.., joining, _) => {
            let more = if joining { "; more are being met" } else { "" };
            let known = count_of(nodes, "node");
            (CheckState::Ok, format!("joined: {known} of the network known, {good} of them good{more}."))
        }
        (0, _, false) => {
            let text = format!(
                "not joined: none of the nodes to begin with ({}) has answered. Does this network let UDP through, and \
                 are they up? Another one is named with --bootstrap ADDRESS:PORT; `hither up --public` makes one.",
                begins.join(", ")
            );
            (CheckState::Bad, text)
        }
        (0, _, true) if view.mainline.is_some() => {
            let text = "not joined: no node is known yet. Mainline is asked for some; if it knows none, name one with \
                        --bootstrap ADDRESS:PORT; `hither up --public` makes one.";
            (CheckState::Warn, text.to_owned())
        }
        (0, _, true) => {
            let text = "not joined: no node is known, and Mainline is off. Name one with --bootstrap ADDRESS:PORT or in \
                        the configuration; `hither up --public` makes one.";
            (CheckState::Warn, text.to_owned())
        }
    };
    Check::new("network", state, text)
        .with("joined", good > 0)
        .with("joining", view.joining)
        .with("nodes", nodes)
        .with("good", good)
        .with("configured", told.bootstrap)
        .with("remembered", view.remembered.len())
        .with("stored", view.stored)
}

fn observed(view: &NetworkView) -> Check {
    let (state, text) = match (view.observed.as_slice(), view.nodes.is_empty()) {
        ([], true) => (CheckState::Ok, "nobody has said yet from where this machine is heard.".to_owned()),
        ([], false) => (
            CheckState::Warn,
            "others do not agree on the address of this machine: the router gives it another port towards each of them. \
             Those reach it whose own router lets strangers in, or who have none. A rule that forwards a UDP port to it, \
             and --port, mend that."
                .to_owned(),
        ),
        (all, _) => (CheckState::Ok, format!("others hear this machine at {}.", list(all))),
    };
    Check::new("observed", state, text)
        .with("observed", texts(&view.observed))
        .with("reachable", texts(&view.reachable))
}

fn mode(view: &NetworkView) -> Check {
    let global = |at: &SocketAddr| Scope::of(at.ip()) == Scope::Global;
    let (name, state, text) = match view.mode {
        Mode::Server if view.reachable.iter().any(global) => {
            let at = list(&view.reachable);
            let text = format!("server: everyone can reach this machine, at {at}, and others ask it.");
            ("server", CheckState::Ok, text)
        }
        Mode::Server => {
            let text = format!(
                "server on this network only: it can be reached at {}, which means nothing elsewhere.",
                list(&view.reachable)
            );
            ("server", CheckState::Ok, text)
        }
        Mode::Client if view.nodes.is_empty() => {
            ("client", CheckState::Ok, "client, until other nodes are known.".to_owned())
        }
        Mode::Client if !view.introducers.is_empty() => {
            let text = format!(
                "client: a router or firewall keeps out whoever this machine has not asked. {} calls on to it, and so it is \
                 reached by its id from most other networks.",
                match view.introducers.len() {
                    1 => "One node passes".to_owned(),
                    more => format!("{more} nodes pass"),
                }
            );
            ("client", CheckState::Ok, text)
        }
        Mode::Client => {
            let text = format!(
                "client: this machine asks others, and a router or firewall keeps out whoever it has not asked, so it is \
                 not found by its id from elsewhere. Let UDP port {PORT} through (and forward it, on the router); \
                 `hither up --public` says that you did."
            );
            ("client", CheckState::Warn, text)
        }
    };
    Check::new("mode", state, text)
        .with("mode", name)
        .with("introducers", texts(&view.introducers))
        .with("introduces", view.introduces)
}

fn lookup(view: &NetworkView, found: Option<Found>, told: &Told) -> Check {
    let copies = view.copies;
    let (state, text) = match found {
        _ if !told.publishes => {
            (CheckState::Ok, "the command that runs here does not want to be found.".to_owned())
        }
        Some(Found { round: Some(round), after, .. }) => {
            let (ms, copies) = (after.as_secs_f64() * 1e3, copies_of(copies));
            let text = format!(
                "looked for by its id, this machine is found in round {round}, {ms:.0} ms; {copies}."
            );
            (CheckState::Ok, text)
        }
        _ if view.nodes.is_empty() => {
            (CheckState::Warn, "nobody can find this machine by its id while no node is known.".to_owned())
        }
        _ if view.nodes.iter().all(|node| !node.good) => {
            let text = "nobody can find this machine by its id while no node answers: see network.";
            (CheckState::Warn, text.to_owned())
        }
        _ if view.reachable.is_empty() && view.introducers.is_empty() => {
            let text = "this machine is not found by its id, as it cannot be reached: see mode.";
            (CheckState::Warn, text.to_owned())
        }
        Some(_) => {
            let copies = copies_of(copies);
            let text = format!(
                "looked for by its id, this machine is not found; {copies}. Just after the start that takes a moment: \
                 ask again; see also whether its clock is right."
            );
            (CheckState::Warn, text)
        }
        None => {
            (CheckState::Warn, "the search for this machine by its id took too long; ask again.".to_owned())
        }
    };
    let found = |value: fn(Found) -> Value| found.map_or(Value::Null, value);
    Check::new("lookup", state, text)
        .with("round", found(|it| it.round.map_or(Value::Null, Value::from)))
        .with("seconds", found(|it| it.after.as_secs_f64().into()))
        .with("asked", found(|it| it.asked.into()))
        .with("copies", copies)
}

fn mainline(view: &NetworkView, told: &Told) -> Check {
    let (state, text) = match view.mainline {
        None if told.kept => {
            (CheckState::Ok, "off: it cannot be kept to the one interface that was chosen.".to_owned())
        }
        None => (CheckState::Ok, "off, as you said.".to_owned()),
        Some(None) => {
            (CheckState::Ok, "on; nothing was asked of it yet, or it is about to answer.".to_owned())
        }
        Some(Some(true)) => (CheckState::Ok, "on, and it answers.".to_owned()),
        Some(Some(false)) => {
            let text = "on, and nobody there answers: this machine may be offline, or its network keep out UDP. Try another \
                        network, or --no-mainline where it is unwanted.";
            (CheckState::Warn, text.to_owned())
        }
    };
    Check::new("mainline", state, text)
        .with("on", view.mainline.is_some())
        .with("answers", view.mainline.flatten().map_or(Value::Null, Value::from))
}

fn refused(view: &NetworkView) -> Check {
    let it = &view.statistics;
    let refused: Vec<(&str, u64)> = it.refused().collect();
    let all = refused.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    let mut most = refused.clone();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let most: Vec<_> = most.into_iter().take(3).map(|(why, count)| format!("{why}: {count}")).collect();
    let traffic = format!("{} in, {} out", count(it.datagrams_in, "datagram"), it.datagrams_out);
    let text = if all == 0 {
        format!("{traffic}; nothing was refused.")
    } else {
        format!("{traffic}; {all} refused ({}).", most.join(", "))
    };
    let reasons: serde_json::Map<String, Value> =
        refused.into_iter().map(|(why, count)| (why.to_owned(), count.into())).collect();
    Check::new("refused", CheckState::Ok, text)
        .with("datagrams_in", it.datagrams_in)
        .with("datagrams_out", it.datagrams_out)
        .with("bytes_in", it.bytes_in)
        .with("bytes_out", it.bytes_out)
        .with("refused", all)
        .with("reasons", reasons)
}

fn copies_of(copies: usize) -> String {
    match copies {
        0 => "nobody has taken its record yet".to_owned(),
        1 => "1 node keeps its record".to_owned(),
        copies => format!("{copies} nodes keep its record"),
    }
}

fn count_of(number: usize, what: &str) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX), what)
}

fn texts(addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(SocketAddr::to_string).collect()
}

fn list(addresses: &[SocketAddr]) -> String {
    texts(addresses).join(", ")
}

/// Of the addresses of a node those that mean the most: where others would begin with it.
pub(super) fn widest(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let scope = |at: &SocketAddr| Scope::of(at.ip());
    let widest = addresses.iter().map(scope).max();
    let link_local = |at: &SocketAddr| match at.ip() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    addresses.iter().filter(|at| Some(scope(at)) == widest && !link_local(at)).copied().collect()
}
