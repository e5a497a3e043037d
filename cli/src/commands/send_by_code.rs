//! `hither send` by a code: offers to whoever proves it, to several of them if it was made for several.

use hither_protocol::{CodeFor, EnterFor};

use super::code::{How, Meeting, Step};
use super::keep;
use super::outgoing::{Kind, Outgoing};
use super::send::{Sending, offer};
use super::session::{Next, Session};
use super::{Typed, course};
use crate::args::ByCode;
use crate::exit::Failure;
use crate::screen::{Event, Screen};

/// `passing`: what is sent is gone with this process.
pub(super) fn run(
    session: &Session,
    by: ByCode,
    what: Sending,
    passing: bool,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let kind = what.kind();
    // Paths are what the same code is known by when the command is run again. The rest is offered from here.
    let (paths, rest) = match what {
        Sending::Paths { paths, links: false } => (paths, None),
        other => (Vec::new(), Some(other)),
    };
    let repeatable = !passing && rest.is_none();
    let meeting = match by {
        ByCode::New(new) => {
            let how = How { aside: false, repeatable };
            Meeting::make(session, CodeFor::Send { paths }, new, how)?
        }
        ByCode::Typed(code) => Meeting::enter(session, code.code(), EnterFor::Send { paths }, screen)?,
    };
    let (under_way, failure) = (Vec::new(), None);
    let mut sender = Sender { meeting, kind, rest, under_way, met: false, closed: false, failure };
    let outcome = sender.run(session, typed, screen);
    if !repeatable {
        sender.meeting.withdraw(session);
    }
    outcome
}

struct Sender {
    meeting: Meeting,
    kind: Kind,
    /// What the node does not offer by itself.
    rest: Option<Sending>,
    under_way: Vec<Outgoing>,
    met: bool,
    /// Nobody else will come.
    closed: bool,
    /// What ends the command once those who came are done.
    failure: Option<Failure>,
}

impl Sender {
    fn run(&mut self, session: &Session, typed: &Typed, screen: &mut Screen) -> Result<(), Failure> {
        loop {
            match session.next()? {
                Next::Event(event) => self.event(&event, session, typed, screen)?,
                Next::Told(transfer, paused) => course::told(transfer, paused, screen)?,
                Next::Tick => {}
                Next::Interrupted => return Err(session.interrupted(&self.left_behind(session))),
            }
            self.meeting.idle(session, screen)?;
            for outgoing in &mut self.under_way {
                outgoing.tick(session, screen)?;
            }
            if self.closed && self.under_way.is_empty() {
                return self.failure.take().map_or(Ok(()), Err);
            }
        }
    }

    fn event(
        &mut self,
        event: &hither_protocol::Event,
        session: &Session,
        typed: &Typed,
        screen: &mut Screen,
    ) -> Result<(), Failure> {
        match self.meeting.handle(event, session, screen)? {
            Step::None => {}
            Step::Proven { peer, transfer } => {
                self.met = true;
                // One that was typed is proven once.
                self.closed |= !self.meeting.is_made_here();
                let again = typed.with_peer_for_code("--to", peer);
                let transfer = match &self.rest {
                    Some(rest) => Some(offer(session, peer, rest.clone())?),
                    None => transfer,
                };
                let kind = self.kind;
                self.under_way.extend(transfer.map(|it| Outgoing::new(it, peer, kind, true, again, session)));
            }
            Step::Used => self.closed = true,
            Step::Failed(why) => {
                self.closed = true;
                self.failure.get_or_insert(why);
            }
        }
        let mut index = 0;
        while let Some(outgoing) = self.under_way.get_mut(index) {
            match outgoing.handle(event, session, screen)? {
                None => index += 1,
                Some(end) => {
                    let outgoing = self.under_way.remove(index);
                    self.ended(&outgoing, end, session, screen)?;
                }
            }
        }
        Ok(())
    }

    fn ended(
        &mut self,
        outgoing: &Outgoing,
        end: Result<(), Failure>,
        session: &Session,
        screen: &mut Screen,
    ) -> Result<(), Failure> {
        match end {
            // Whoever else comes is not kept waiting by a question.
            Ok(()) if self.meeting.is_for_many() => Ok(()),
            Ok(()) => keep::offer(outgoing.peer(), session, screen),
            Err(failure) if self.meeting.is_for_many() => {
                screen.event(&Event::Error(failure.clone()))?;
                self.failure.get_or_insert(failure);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    fn left_behind(&self, session: &Session) -> String {
        let left: Vec<_> = self.under_way.iter().map(|outgoing| outgoing.left_behind(session)).collect();
        match (left.is_empty(), self.met, self.meeting.is_made_here()) {
            (false, ..) => left.join(" "),
            (true, true, _) => "Those who came have it.".to_owned(),
            (true, false, true) if self.meeting.is_repeatable() => {
                "Nothing was sent. The same command gives the same code for as long as it is good.".to_owned()
            }
            (true, false, _) => "Nothing was sent.".to_owned(),
        }
    }
}
