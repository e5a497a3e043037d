//! `hither list-peers`: who is near, who is known, how each would be reached.

use std::time::{Duration, Instant};

use hither_protocol::{Event, PeerView, Rules};

use super::session::{Next, Part, Session};
use crate::args::Global;
use crate::exit::Failure;
use crate::home::Home;
use crate::screen::{self, PeerState, Screen};

/// How long the network is listened to: at least so long and until it has been quiet for a while; longer where
/// someone who could be near is not seen, as a record that was just sent to others is not sent again for a second
/// (RFC 6762, section 6), but not for ever.
const LEAST: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_millis(400);
const MOST: Duration = Duration::from_millis(2500);

pub(super) fn run(global: &Global, home: &Home, screen: &mut Screen) -> Result<(), Failure> {
    let session = Session::open(global, home, "list-peers", Part::Reaching, Rules::default(), screen)?;
    let outcome = list(&session, screen);
    session.close();
    outcome
}

fn list(session: &Session, screen: &mut Screen) -> Result<(), Failure> {
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
    let peers = session.ask(|node, _| node.peers());
    if peers.is_empty() {
        screen.note("nobody is near, and there are no contacts yet: `hither contacts add NAME ID`")?;
    }
    for PeerView { peer, name, connected, near, addresses, round_trip } in peers {
        let state = match (connected, near) {
            (true, _) => PeerState::Connected,
            (false, true) => PeerState::Near,
            (false, false) => PeerState::Known,
        };
        let contact = session.contacts().iter().find(|contact| Some(contact.peer) == peer);
        let event = screen::Event::Peer {
            id: peer,
            name,
            state,
            road: None,
            rtt: round_trip,
            seen: None,
            addresses,
            verified: contact.is_some_and(|contact| contact.verified),
            trust: contact.and_then(|contact| contact.trust.clone()),
            calls_itself: None,
            namesake: None,
        };
        screen.event(&event)?;
    }
    Ok(())
}
