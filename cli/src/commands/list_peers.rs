//! `hither list-peers`: who is near, who is known, how each would be reached.

use std::time::{Duration, Instant};

use hither_protocol::{Contact, Event, OpenName, PeerView, Rules};

use super::desk::{self, Answer, Holder, Request};
use super::session::{Next, Part, Session};
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::inert::is_hostile;
use crate::screen::{self, PeerRow, PeerState, Screen};

/// How long the network is listened to: at least so long and until it has been quiet for a while; longer where
/// someone who could be near is not seen, as a record that was just sent to others is not sent again for a second
/// (RFC 6762, section 6), but not for ever.
const LEAST: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_millis(400);
const MOST: Duration = Duration::from_millis(2500);

/// Who is near or known, and whether this node shows itself to everyone near.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Around {
    pub(super) peers: Vec<PeerRow>,
    pub(super) visible: Option<(OpenName, Duration)>,
}

pub(super) fn run(global: &Global, home: &Home, screen: &mut Screen) -> Result<(), Failure> {
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
    around.peers.into_iter().try_for_each(|peer| screen.event(&screen::Event::Peer(peer)))
}

fn listen(session: &Session) -> Result<(), Failure> {
    let started = Instant::now();
    let mut changed = started;
    let all_seen = || {
        let peers = session.ask(|node, _| node.peers());
        !peers.is_empty() && peers.iter().all(|peer| peer.near)
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
    let (peers, contacts, visible) =
        session.ask(|node, now| (node.peers(), node.contacts(), node.shown_openly(now)));
    Around { peers: peers.into_iter().map(|peer| row(peer, &contacts)).collect(), visible }
}

fn row(view: PeerView, contacts: &[Contact]) -> PeerRow {
    let PeerView { peer, name, calls_itself, connected, near, addresses, round_trip } = view;
    let state = match (connected, near) {
        (true, _) => PeerState::Connected,
        (false, true) => PeerState::Near,
        (false, false) => PeerState::Known,
    };
    let contact = contacts.iter().find(|contact| Some(contact.peer) == peer);
    let calls_itself = calls_itself.map(|name| name.as_str().to_owned());
    let namesake = calls_itself.as_deref().and_then(|name| namesake(name, contacts));
    PeerRow {
        rtt: round_trip,
        addresses,
        verified: contact.is_some_and(|contact| contact.verified),
        trust: contact.and_then(|contact| contact.trust.clone()),
        namesake: namesake.filter(|_| contact.is_none()).map(|contact| contact.name.clone()),
        calls_itself,
        ..PeerRow::new(peer, name, state)
    }
}

/// The contact whose name this is, whatever its case and whatever is not seen in it.
fn namesake<'a>(name: &str, contacts: &'a [Contact]) -> Option<&'a Contact> {
    let bare = |name: &str| -> String {
        let seen = name.chars().filter(|character| !character.is_whitespace() && !is_hostile(*character));
        seen.flat_map(char::to_lowercase).collect()
    };
    contacts.iter().find(|contact| bare(&contact.name) == bare(name))
}
