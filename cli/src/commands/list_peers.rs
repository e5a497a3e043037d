//! `hither list-peers`: who is near, who is known, how each would be reached.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hither_protocol::dht::{NodeView, Scope};
use hither_protocol::{Contact, Event, OpenName, PeerView, Rules};

use super::desk::{self, Answer, Holder, Request};
use super::session::{Next, Part, Session};
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::inert::is_hostile;
use crate::screen::{self, NodeRow, PeerRow, PeerState, Road, Screen, count};

/// How long the network is listened to: at least so long and until it has been quiet for a while; longer where
/// someone who could be near is not seen, as a record that was just sent to others is not sent again for a second
/// (RFC 6762, section 6), but not for ever.
const LEAST: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_millis(400);
const MOST: Duration = Duration::from_millis(2500);

/// Nodes that are shown to a person who did not ask for all.
const SHOWN: usize = 3;

/// Who is near or known, and whether this node shows itself to everyone near.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Around {
    pub(super) peers: Vec<PeerRow>,
    /// Nodes of the network, the quickest to answer first; `None` where this one takes no part.
    pub(super) nodes: Option<Vec<NodeRow>>,
    pub(super) visible: Option<(OpenName, Duration)>,
}

pub(super) fn run(global: &Global, home: &Home, all_nodes: bool, screen: &mut Screen) -> Result<(), Failure> {
    let around = match desk::ask(home, "list-peers", Request::Peers)? {
        // Whoever has the home listens already.
        Holder::Theirs(Answer::Around(around)) => around,
        Holder::Theirs(Answer::Failed(failure)) => return Err(failure),
        Holder::Theirs(_) => {
            let text = "the running hither gave another answer than was asked for";
            return Err(Failure::new(Exit::Fault, text));
        }
        Holder::Ours(lock) => {
            let rules = Rules::default();
            let session = Session::open_locked(lock, global, home, Part::Reaching, rules, screen)?;
            let listened = listen(&session);
            let around = around(&session);
            session.close();
            listened.map(|()| around)?
        }
    };
    screen.event(&screen::Event::Visible(around.visible))?;
    if around.peers.is_empty() {
        screen.note("nobody is near, and there are no contacts yet: `hither contacts add NAME ID`")?;
    }
    around.peers.into_iter().try_for_each(|peer| screen.event(&screen::Event::Peer(peer)))?;
    show_nodes(around.nodes, all_nodes, screen)
}

/// For a script, or where that was asked for, every one; else how many there are, and the nearest few.
fn show_nodes(nodes: Option<Vec<NodeRow>>, all: bool, screen: &mut Screen) -> Result<(), Failure> {
    let Some(nodes) = nodes else {
        return screen.note("This machine takes no part in the network beyond the local one.");
    };
    if nodes.is_empty() {
        screen.note("No node of the network beyond this one is known; `hither doctor` says what to do.")?;
    } else {
        let good = nodes.iter().filter(|node| node.good).count();
        let known = count(u64::try_from(nodes.len()).unwrap_or(u64::MAX), "node");
        screen.note(&format!("{known} of the network known, {good} of them good."))?;
    }
    if all || screen.is_json() {
        return nodes.into_iter().try_for_each(|node| screen.event(&screen::Event::Node(node)));
    }
    nodes.iter().take(SHOWN).try_for_each(|node| screen.note(&format!("    {}", node.human())))?;
    if nodes.len() > SHOWN {
        screen.note("`hither list-peers --nodes` lists them all.")?;
    }
    Ok(())
}

fn listen(session: &Session) -> Result<(), Failure> {
    let started = Instant::now();
    let mut changed = started;
    let all_seen = || {
        let (peers, network) = session.ask(|node, _| (node.peers(), node.network()));
        let joining = network.is_some_and(|network| network.joining);
        !joining && !peers.is_empty() && peers.iter().all(|peer| peer.near)
    };
    while started.elapsed() < LEAST
        || (started.elapsed() < MOST && (changed.elapsed() < QUIET || !all_seen()))
    {
        match session.next()? {
            Next::Event(Event::NearbyChanged) => changed = Instant::now(),
            Next::Event(_) | Next::Told(..) | Next::Tick => {}
            Next::Interrupted => return Err(session.interrupted("Nothing was changed.")),
        }
    }
    Ok(())
}

/// What a session knows.
pub(super) fn around(session: &Session) -> Around {
    let (peers, contacts, visible, network) =
        session.ask(|node, now| (node.peers(), node.contacts(), node.shown_openly(now), node.network()));
    let peers = peers.into_iter().map(|peer| row(peer, &contacts, session)).collect();
    let nodes = network.map(|network| {
        let mut nodes = network.nodes;
        nodes.sort_by_key(|node| (!node.good, node.round_trip));
        nodes.iter().map(node).collect()
    });
    Around { peers, nodes, visible }
}

fn node(view: &NodeView) -> NodeRow {
    let id = view.contact.id().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let seen = SystemTime::now().checked_sub(view.answered.elapsed());
    let seen = seen.and_then(|seen| seen.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    NodeRow {
        id,
        address: view.contact.address(),
        rtt: view.round_trip,
        seen: u64::try_from(seen.as_millis()).unwrap_or(u64::MAX),
        good: view.good,
    }
}

fn row(view: PeerView, contacts: &[Contact], session: &Session) -> PeerRow {
    let PeerView { peer, name, calls_itself, connected, near, addresses, round_trip } = view;
    let state = match (connected, near) {
        (true, _) => PeerState::Connected,
        (false, true) => PeerState::Near,
        (false, false) => PeerState::Known,
    };
    let contact = contacts.iter().find(|contact| Some(contact.peer) == peer);
    let calls_itself = calls_itself.map(|name| name.as_str().to_owned());
    let namesake = calls_itself.as_deref().and_then(|name| namesake(name, contacts));
    let road = peer.filter(|_| connected).and_then(|peer| session.road(peer));
    PeerRow {
        rtt: round_trip,
        road: road.or_else(|| addresses.first().map(would_go)),
        addresses,
        verified: contact.is_some_and(|contact| contact.verified),
        trust: contact.and_then(|contact| contact.trust.clone()),
        namesake: namesake.filter(|_| contact.is_none()).map(|contact| contact.name.clone()),
        calls_itself,
        ..PeerRow::new(peer, name, state)
    }
}

/// The road to an address, as far as the address tells.
fn would_go(address: &SocketAddr) -> Road {
    if Scope::of(address.ip()) == Scope::Global { Road::Direct } else { Road::Lan }
}

/// The contact whose name this is, whatever its case and whatever is not seen in it.
fn namesake<'a>(name: &str, contacts: &'a [Contact]) -> Option<&'a Contact> {
    let bare = |name: &str| -> String {
        let seen = name.chars().filter(|character| !character.is_whitespace() && !is_hostile(*character));
        seen.flat_map(char::to_lowercase).collect()
    };
    contacts.iter().find(|contact| bare(&contact.name) == bare(name))
}
