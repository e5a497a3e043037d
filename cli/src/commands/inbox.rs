//! What becomes of offers and messages that arrive, for the commands that wait for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hither_protocol::identity::PeerId;
use hither_protocol::storage::Examined;
use hither_protocol::transfer::{Manifest, TransferId};
use hither_protocol::{
    Acceptance, Conflict, Decision, Event, Refusal, Rules, Standing, Strangers, TransferFailure,
};

use super::course;
use super::failure::{self, End, Left, Side};
use super::meter::{Meter, road_of};
use super::offer;
use super::session::{Session, is_interrupted};
use crate::args::{Existing, Global};
use crate::exit::{Exit, Failure};
use crate::inert::inert;
use crate::screen::{self, Screen, size};

/// Links that could not be made and are named; the rest are counted.
const NAMED: usize = 5;

/// How offers are taken.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// The folder that they go into.
    pub(super) into: PathBuf,
    /// The name for the only file of an offer.
    pub(super) name: Option<String>,
    /// Offers of anyone are accepted.
    pub(super) yes: bool,
    /// What to do where names are taken; the default refuses.
    pub(super) conflict: Conflict,
    /// What is received goes to standard output as it comes, and messages to standard error.
    pub(super) output: bool,
    /// The command that goes on with what was interrupted; `None` where it goes on by itself.
    pub(super) again: Option<String>,
}

impl Manner {
    pub(super) fn new(global: &Global, into: PathBuf) -> Self {
        let conflict = match global.existing {
            None => Conflict::Refuse,
            Some(Existing::Overwrite) => Conflict::Overwrite,
            Some(Existing::Rename) => Conflict::Rename,
            Some(Existing::Skip) => Conflict::Skip,
        };
        Self { into, name: None, yes: global.yes, conflict, output: false, again: None }
    }

    /// The rules of consent that go with it, where `can_ask` says whether there is someone to ask.
    pub(super) fn rules(&self, can_ask: bool) -> Rules {
        let strangers = match (self.yes, can_ask) {
            (true, _) => Strangers::Accept,
            (false, true) => Strangers::Ask,
            (false, false) => Strangers::Refuse,
        };
        Rules {
            into: Some(self.into.clone()),
            conflict: self.conflict,
            strangers,
            // Another name can only be given with an answer.
            ask_always: self.name.is_some(),
            output: self.output,
            ask_conflicts: can_ask,
            forgetful: self.output,
            ..Rules::default()
        }
    }
}

/// What an event meant for the transfers.
pub(super) enum Outcome {
    /// Nothing that ends one.
    Open,
    /// One is complete.
    Finished,
    /// Someone who may send tried, and it came to nothing.
    Failed(Failure),
}

/// The offers that are known, and what is done with them.
pub(super) struct Inbox {
    manner: Manner,
    known: BTreeMap<TransferId, Known>,
}

struct Known {
    from: PeerId,
    standing: Standing,
    /// Met by a code, and not known otherwise: what they offer is shown before it is taken.
    by_code: bool,
    name: String,
    /// Bytes of the offer that need not travel.
    here: u64,
    bytes: u64,
    meter: Option<Meter>,
    /// How often, one after the other, the node knew nothing of it.
    missed: u8,
}

impl Inbox {
    pub(super) fn new(manner: Manner) -> Self {
        Self { manner, known: BTreeMap::new() }
    }

    /// The command that goes on with what is interrupted from now on.
    pub(super) fn goes_on_with(&mut self, again: String) {
        self.manner.again = Some(again);
    }

    /// Whether transfers are under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.known.is_empty()
    }

    /// Shows the progress that is due.
    pub(super) fn tick(&mut self, session: &Session, screen: &mut Screen) -> Result<(), Failure> {
        self.known
            .values_mut()
            .filter_map(|known| known.meter.as_mut())
            .try_for_each(|meter| meter.show(session, screen))
    }

    /// Nothing happened for a moment: what the node no longer knows of is over.
    pub(super) fn idle(&mut self, session: &Session) {
        self.known.retain(|transfer, known| {
            let transfer = *transfer;
            let there = session.ask(move |node, _| node.progress(transfer)).is_some();
            // A first miss may be an event that is on its way.
            known.missed = if there { 0 } else { known.missed.saturating_add(1) };
            known.missed < 3
        });
    }

    /// What Ctrl-C leaves: how much is kept, and how to go on.
    pub(super) fn left_behind(&self, session: &Session) -> String {
        let left: Vec<_> =
            self.known.keys().filter_map(|transfer| course::left(session, *transfer)).collect();
        let parts: Vec<String> = left.iter().map(|left| format!("{} are kept here.", left.part())).collect();
        let next = match (left.as_slice(), self.manner.again.as_deref()) {
            ([], _) | (_, None) => return parts.join(" "),
            ([left], Some(again)) => left.next(again),
            (_, Some(again)) => {
                format!(
                    "To go on: `{again}`; the other sides are asked for the rest, or send the same again."
                )
            }
        };
        format!("{} {next}", parts.join(" "))
    }

    /// Deals with an event.
    pub(super) fn handle(
        &mut self,
        event: Event,
        session: &Session,
        screen: &mut Screen,
    ) -> Result<Outcome, Failure> {
        match event {
            Event::Offered { transfer, from, standing, manifest, examined, decision, code } => {
                let (name, bytes) = (manifest.name().to_owned(), manifest.bytes());
                let by_code = code.is_some() && standing == Standing::Expected;
                let known = Known { from, standing, by_code, name, here: 0, bytes, meter: None, missed: 0 };
                self.offered(transfer, known, &manifest, &examined, decision, session, screen)
            }
            Event::Started { transfer, bytes, .. } => {
                if let Some(known) = self.known.get_mut(&transfer) {
                    known.here = known.bytes.saturating_sub(bytes);
                    known.meter = Some(Meter::new(transfer, known.name.clone()));
                    let what = if bytes > 0 { size(bytes) } else { inert(&known.name) };
                    screen.note(&format!("receiving {what} from {}", session.who(known.from)))?;
                }
                self.tick(session, screen)?;
                Ok(Outcome::Open)
            }
            Event::Finished { transfer, bytes, took, road, root, paths, .. } => {
                let Some(known) = self.known.remove(&transfer) else { return Ok(Outcome::Open) };
                let paths = if self.manner.output { Vec::new() } else { paths };
                screen.event(&screen::Event::Done {
                    transfer: transfer.to_string(),
                    bytes,
                    took,
                    root: root.to_string(),
                    paths,
                    resumed: known.here,
                    road: road_of(road),
                })?;
                Ok(Outcome::Finished)
            }
            Event::TurnedAway { transfer, from, name, files, bytes } => {
                screen.event(&screen::Event::Offer {
                    transfer: transfer.to_string(),
                    from,
                    contact: None,
                    name,
                    files: u64::from(files),
                    bytes,
                })?;
                let (_, text) = failure::refused_here(Refusal::Stranger, &session.who(from));
                screen.note(&text)?;
                Ok(Outcome::Open)
            }
            Event::Failed { transfer, why, kept, resumable } => {
                let left = if resumable { course::left(session, transfer) } else { None };
                self.failed(transfer, &why, kept, left, session, screen)
            }
            Event::Resuming { transfer, from, .. } | Event::StartsOver { transfer, from, .. } => {
                // Its offer is not shown a second time; whoever was allowed to send it is no stranger.
                let course::Known { name, bytes } = course::known(session, transfer);
                let (standing, by_code) = (Standing::Expected, false);
                let known = Known { from, standing, by_code, name, here: 0, bytes, meter: None, missed: 0 };
                self.known.entry(transfer).or_insert(known);
                course::tell(&event, Side::Receiving, &session.who(from), session, screen)?;
                Ok(Outcome::Open)
            }
            Event::LinksLeftOut { links, .. } => {
                let shown = links.iter().take(NAMED).map(|path| inert(&path.to_string_lossy()));
                let shown = shown.collect::<Vec<_>>().join(", ");
                let more = match links.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                screen.note(&format!(
                    "links that this disk, or your rights on it, do not allow were left out: {shown}{more}"
                ))?;
                Ok(Outcome::Open)
            }
            Event::Suspended { transfer, .. } | Event::Paused { transfer, .. } => {
                if let Some(known) = self.known.get_mut(&transfer) {
                    if matches!(event, Event::Suspended { .. }) {
                        known.meter = None;
                    }
                    let who = session.who(known.from);
                    course::tell(&event, Side::Receiving, &who, session, screen)?;
                }
                Ok(Outcome::Open)
            }
            Event::Message { id, from, text, .. } => {
                let contact = session.contact(from);
                let message = screen::Event::Message { id: id.to_string(), from, contact, text, topic: None };
                if self.manner.output {
                    screen.note(&message.human())?;
                } else {
                    screen.event(&message)?;
                }
                Ok(Outcome::Open)
            }
            _ => Ok(Outcome::Open),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one event and where it is dealt with")]
    fn offered(
        &mut self,
        transfer: TransferId,
        known: Known,
        manifest: &Arc<Manifest>,
        examined: &Examined,
        decision: Decision,
        session: &Session,
        screen: &mut Screen,
    ) -> Result<Outcome, Failure> {
        let (from, standing) = (known.from, known.standing);
        let strange = standing == Standing::Stranger || known.by_code;
        let who = session.who(from);
        screen.event(&screen::Event::Offer {
            transfer: transfer.to_string(),
            from,
            contact: session.contact(from),
            name: manifest.name().to_owned(),
            files: offer::files(manifest),
            bytes: manifest.bytes(),
        })?;
        if let Decision::Refused(why) = decision {
            if self.manner.output && why == Refusal::Declined {
                let text = "the offer is not a single file, so -o - does not fit and it was refused. Receive with --into \
                            DIR.";
                return Ok(Outcome::Failed(Failure::new(Exit::Usage, text)));
            }
            let (exit, text) = failure::refused_here(why, &who);
            // Whoever is not meant to send does not end the wait for those who are.
            if why == Refusal::Stranger {
                screen.note(&text)?;
                return Ok(Outcome::Open);
            }
            return Ok(Outcome::Failed(Failure::new(exit, text)));
        }
        let road = session.ask(move |node, _| node.progress(transfer)).and_then(|progress| progress.road);
        let road = road.map(|road| format!(" over {}", road_of(road).name())).unwrap_or_default();
        let relation = if strange { " (not a contact)" } else { "" };
        screen.note(&format!("    from {who}{relation}{road}"))?;
        let examined_here = (!self.manner.output).then_some(examined);
        for line in offer::lines(manifest, examined_here, &self.manner.into) {
            screen.note(&line)?;
        }
        self.known.insert(transfer, known);
        if decision == Decision::Accepted {
            return Ok(Outcome::Open);
        }
        let answer = self.answer(transfer, strange, manifest, examined, session, screen)?;
        let failure = match answer {
            Answer::Accept(conflict) => {
                let how =
                    Acceptance { into: self.manner.into.clone(), name: self.manner.name.clone(), conflict };
                match session.ask(move |node, now| node.accept(now, transfer, how)) {
                    Ok(()) => return Ok(Outcome::Open),
                    Err(error) => failure::answer(error),
                }
            }
            Answer::Refuse(why, failure) => {
                match session.ask(move |node, now| node.refuse(now, transfer, why)) {
                    Ok(()) => failure,
                    Err(error) => failure::answer(error),
                }
            }
            // What became of it comes as an event, or Ctrl-C is seen to.
            Answer::Gone => return Ok(Outcome::Open),
        };
        self.known.remove(&transfer);
        if standing == Standing::Stranger && failure.exit == Exit::Refused {
            screen.note(&failure.text)?;
            return Ok(Outcome::Open);
        }
        Ok(Outcome::Failed(failure))
    }

    /// The answer to an offer that was put to the user.
    fn answer(
        &self,
        transfer: TransferId,
        strange: bool,
        manifest: &Manifest,
        examined: &Examined,
        session: &Session,
        screen: &mut Screen,
    ) -> Result<Answer, Failure> {
        let wanted = || {
            // Whoever asks this process for something is not kept waiting by a question.
            session.serve();
            !is_interrupted() && session.ask(move |node, _| node.progress(transfer)).is_some()
        };
        let entries = manifest.entries();
        if self.manner.name.is_some() && !(entries.len() == 1 && entries.iter().all(|entry| entry.is_file()))
        {
            let text = "the offer is not a single file, so -o does not fit and it was refused. Receive with --into \
                        DIR.";
            return Ok(Answer::Refuse(Refusal::Declined, Failure::new(Exit::Usage, text)));
        }
        if strange && !self.manner.yes {
            match screen.ask("Take it?", true, "--yes", wanted)? {
                Some(true) => {}
                Some(false) => {
                    let failure = Failure::new(Exit::Refused, "refused; nothing was received.");
                    return Ok(Answer::Refuse(Refusal::Declined, failure));
                }
                None => return Ok(Answer::Gone),
            }
        }
        let taken: Vec<String> = match &self.manner.name {
            None => offer::existing(manifest, examined),
            Some(name) => {
                let path = self.manner.into.join(name);
                let exists = path.symlink_metadata().is_ok();
                exists
                    .then(|| format!("    exists here: {}", inert(&path.to_string_lossy())))
                    .into_iter()
                    .collect()
            }
        };
        if taken.is_empty() || self.manner.conflict != Conflict::Refuse {
            return Ok(Answer::Accept(self.manner.conflict));
        }
        if screen.can_ask() {
            for line in taken {
                screen.note(&line)?;
            }
            match screen.ask("Replace what exists?", false, "--overwrite", wanted)? {
                Some(true) => return Ok(Answer::Accept(Conflict::Overwrite)),
                Some(false) => {}
                None => return Ok(Answer::Gone),
            }
        }
        let (exit, text) = failure::refused_here(Refusal::WouldOverwrite, "");
        Ok(Answer::Refuse(Refusal::WouldOverwrite, Failure::new(exit, text)))
    }

    fn failed(
        &mut self,
        transfer: TransferId,
        why: &TransferFailure,
        kept: u32,
        left: Option<Left>,
        session: &Session,
        screen: &mut Screen,
    ) -> Result<Outcome, Failure> {
        let Some(known) = self.known.remove(&transfer) else {
            // Offers that went before they were whole are no news; a disk of ours that fails is.
            return Ok(match why {
                TransferFailure::Disk(Some(_)) | TransferFailure::DiskFull => {
                    let who = "the sender";
                    let again = self.manner.again.as_deref();
                    let end = End { side: Side::Receiving, who, kept, left, again };
                    Outcome::Failed(failure::transfer(why, &end))
                }
                _ => Outcome::Open,
            });
        };
        let (who, again) = (session.who(known.from), self.manner.again.as_deref());
        let end = End { side: Side::Receiving, who: &who, kept, left, again };
        let mut failure = failure::transfer(why, &end);
        if self.manner.output && known.meter.is_some() {
            failure = failure::output(why, failure);
        }
        // A stranger who takes an offer back before it moved does not end the wait.
        if known.standing == Standing::Stranger && known.meter.is_none() && failure.exit == Exit::Refused {
            screen.note(&failure.text)?;
            return Ok(Outcome::Open);
        }
        Ok(Outcome::Failed(failure))
    }
}

enum Answer {
    Accept(Conflict),
    Refuse(Refusal, Failure),
    /// The question has lost its point.
    Gone,
}
