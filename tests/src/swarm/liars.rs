//! Nodes that lie, withhold and answer with their like.

use std::net::SocketAddr;

use hither_protocol::dht::{Answer, Contact, Cookie, Query, Request, Response};

use super::Swarm;

/// Nodes that a liar names at once.
const NAMED: usize = 20;

impl Swarm {
    /// What a liar answers: nearest to everything are its like, there is nothing stored anywhere, whatever is to be
    /// stored is "stored", and whoever asks is at somebody else's address.
    pub(super) fn lie(&self, query: &Query) -> Response {
        let liars: Vec<Contact> = self.liars().collect();
        let nearest = |target| {
            let mut sorted: Vec<_> = liars.iter().map(|liar| (liar.distance(target), *liar)).collect();
            if sorted.len() > NAMED {
                sorted.select_nth_unstable(NAMED);
                sorted.truncate(NAMED);
            }
            sorted.sort_unstable();
            sorted.into_iter().map(|(_, liar)| liar).collect::<Vec<Contact>>()
        };
        let answer = match &query.request {
            Request::FindNode(target) => Answer::Nodes(nearest(target)),
            Request::Get { target, .. } => {
                Answer::Found { items: Vec::new(), more: false, nodes: nearest(target) }
            }
            Request::Put(_) => Answer::Stored,
            Request::Ping(_)
            | Request::DialBack(_)
            | Request::DialOn { .. }
            | Request::Register(_)
            | Request::PunchOn { .. } => Answer::Done,
            Request::Punch { .. } => Answer::At(SocketAddr::from(([66, 6, 6, 6], 666))),
        };
        Response { observed: SocketAddr::from(([66, 6, 6, 6], 666)), cookie: Cookie([6; 16]), answer }
    }

    fn liars(&self) -> impl Iterator<Item = Contact> {
        let up = self.peers.iter().filter(|peer| peer.liar);
        up.filter_map(|peer| Contact::new(peer.dht.as_ref()?.key(), peer.address))
    }
}
