//! A transfer that goes out from here, from the offer to the receipt.

use hither_protocol::identity::PeerId;
use hither_protocol::transfer::TransferId;
use hither_protocol::{Event, TransferFailure};

use super::course::{self, Known};
use super::failure::{self, End, Side};
use super::meter::{Meter, road_of};
use super::offer;
use super::send::tell_left_out;
use super::session::Session;
use crate::exit::Failure;
use crate::inert::inert;
use crate::screen::{self, Screen, count, size};

/// What there is to say of what is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Symbolic links go as such.
    pub(super) links: bool,
    /// It goes as it comes, and nobody knows how much there will be.
    pub(super) stream: bool,
}

/// One of them.
pub(super) struct Outgoing {
    transfer: TransferId,
    peer: PeerId,
    who: String,
    kind: Kind,
    /// The command that goes on with it.
    again: String,
    connected: bool,
    /// The receiver was told to be waited for, or has answered.
    waiting: bool,
    /// What it is called and how large it is, once that is known.
    offered: Option<Known>,
    meter: Option<Meter>,
}

impl Outgoing {
    /// One that was offered just now. `connected`: its receiver was reached already.
    pub(super) fn new(
        transfer: TransferId,
        peer: PeerId,
        kind: Kind,
        connected: bool,
        again: String,
        session: &Session,
    ) -> Self {
        let who = session.who(peer);
        Self { transfer, peer, who, kind, again, connected, waiting: false, offered: None, meter: None }
    }

    /// To whom.
    pub(super) fn peer(&self) -> PeerId {
        self.peer
    }

    /// Deals with an event, which may be about something else. `Some` once it has ended, for good or not.
    pub(super) fn handle(
        &mut self,
        event: &Event,
        session: &Session,
        screen: &mut Screen,
    ) -> Result<Option<Result<(), Failure>>, Failure> {
        let ours = self.transfer;
        match event {
            Event::Offering { transfer, manifest, left_out } if *transfer == ours => {
                let (files, bytes) = (offer::files(manifest), manifest.bytes());
                self.offered = Some(Known { name: manifest.name().to_owned(), bytes });
                if screen.is_json() {
                    screen.event(&screen::Event::Offer {
                        transfer: transfer.to_string(),
                        from: session.me(),
                        contact: None,
                        name: manifest.name().to_owned(),
                        files,
                        bytes,
                    })?;
                }
                let name = inert(manifest.name());
                let what = match self.kind.stream {
                    true => "a stream, sent as it comes".to_owned(),
                    false => format!("{}, {}", count(files, "file"), size(bytes)),
                };
                screen.note(&format!("offering {name} to {}: {what}", self.who))?;
                tell_left_out(left_out, self.kind.links, screen)?;
            }
            Event::Connected { peer, address, road } if *peer == self.peer => {
                self.connected = true;
                screen.note(&format!("reached {} at {address} ({})", self.who, road_of(*road).name()))?;
            }
            Event::Started { transfer, resumed, .. } if *transfer == ours => {
                let known = self.offered.clone().unwrap_or_default();
                if *resumed > 0 {
                    course::goes_on(ours, &known, *resumed, screen)?;
                }
                self.waiting = true;
                self.meter = Some(Meter::new(ours, known.name));
            }
            Event::Finished { transfer, bytes, took, road, root, paths, .. } if *transfer == ours => {
                // What the receiver skipped did not travel either.
                let resumed = self.offered.as_ref().map_or(0, |known| known.bytes.saturating_sub(*bytes));
                screen.event(&screen::Event::Done {
                    transfer: transfer.to_string(),
                    bytes: *bytes,
                    took: *took,
                    root: root.to_string(),
                    paths: paths.clone(),
                    resumed,
                    road: road_of(*road),
                })?;
                return Ok(Some(Ok(())));
            }
            Event::Failed { transfer, why, kept, resumable } if *transfer == ours => {
                let left = if *resumable { course::left(session, ours) } else { None };
                let (kept, again) = (*kept, Some(self.again.as_str()));
                let end = End { side: Side::Sending, who: &self.who, kept, left, again };
                let mut failure = failure::transfer(why, &end);
                if self.kind.stream && matches!(why, TransferFailure::LinkLost(_)) {
                    failure.text += " What comes from a pipe cannot be gone on with.";
                }
                return Ok(Some(Err(failure)));
            }
            Event::Suspended { transfer, .. } if *transfer == ours => {
                self.meter = None;
                course::tell(event, Side::Sending, &self.who, session, screen)?;
            }
            Event::Paused { transfer, .. } if *transfer == ours => {
                course::tell(event, Side::Sending, &self.who, session, screen)?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Shows what is due.
    pub(super) fn tick(&mut self, session: &Session, screen: &mut Screen) -> Result<(), Failure> {
        if self.connected && self.offered.is_some() && !self.waiting {
            self.waiting = true;
            screen.note(&format!("waiting for {} to accept", self.who))?;
        }
        self.meter.as_mut().map_or(Ok(()), |meter| meter.show(session, screen))
    }

    /// What Ctrl-C leaves, and how to go on.
    pub(super) fn left_behind(&self, session: &Session) -> String {
        let (who, again) = (&self.who, &self.again);
        match course::left(session, self.transfer) {
            Some(left) => format!("{} were sent and {who} keeps them. To go on: `{again}`", left.part()),
            None => format!("{who} keeps what arrived whole. To send again: `{again}`"),
        }
    }
}
