//! What happens to a transfer between its start and its end, told on either side; and what is left of one that ends
//! before it is whole.

use hither_protocol::Event;
use hither_protocol::storage::RecoverError;
use hither_protocol::transfer::TransferId;
use hither_protocol::transfer::journal::BadJournal;

use super::failure::{Left, Side};
use super::session::Session;
use crate::exit::Failure;
use crate::screen::{self, Course, Pauser, Screen};

/// What a transfer is called and how large it is, as far as that is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// The transfer as the node's records have it.
pub(super) fn known(session: &Session, transfer: TransferId) -> Known {
    let view = session.transfer(transfer);
    view.map(|view| Known { name: view.name, bytes: view.bytes }).unwrap_or_default()
}

/// Tells what an event means for a transfer that is of interest here. Other events mean nothing.
pub(super) fn tell(
    event: &Event,
    side: Side,
    who: &str,
    session: &Session,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let course = match event {
        Event::Suspended { transfer, done, total } => {
            // The record knows what came before this attempt; small transfers have none.
            let view = session.transfer(*transfer).filter(|view| !view.paths.is_empty());
            let (name, done, total) =
                view.map_or((String::new(), *done, *total), |view| (view.name, view.done, view.bytes));
            let (transfer, sending) = (transfer.to_string(), side == Side::Sending);
            Course::Suspended { transfer, name, sending, done, total }
        }
        Event::Resuming { transfer, into, held, bytes, lost, changed, .. } => Course::Resuming {
            transfer: transfer.to_string(),
            name: known(session, *transfer).name,
            into: Some(into.clone()),
            done: *held,
            total: *bytes,
            lost: *lost,
            changed: *changed,
        },
        Event::StartsOver { transfer, problem, .. } => Course::Restarting {
            transfer: transfer.to_string(),
            name: known(session, *transfer).name,
            why: why_from_the_start(problem).to_owned(),
        },
        Event::Paused { transfer, paused } => {
            let (transfer, by) = (transfer.to_string(), Pauser::Peer(who.to_owned()));
            Course::Paused { transfer, paused: *paused, by }
        }
        _ => return Ok(()),
    };
    screen.event(&screen::Event::Course(course))
}

/// Tells that another command here let a transfer stand still, or go on.
pub(super) fn told(transfer: TransferId, paused: bool, screen: &mut Screen) -> Result<(), Failure> {
    let course = Course::Paused { transfer: transfer.to_string(), paused, by: Pauser::Here };
    screen.event(&screen::Event::Course(course))
}

/// Tells the sender that the receiver has some of it already.
pub(super) fn goes_on(
    transfer: TransferId,
    known: &Known,
    resumed: u64,
    screen: &mut Screen,
) -> Result<(), Failure> {
    screen.event(&screen::Event::Course(Course::Resuming {
        transfer: transfer.to_string(),
        name: known.name.clone(),
        into: None,
        done: resumed,
        total: known.bytes,
        lost: 0,
        changed: 0,
    }))
}

/// What is left of a transfer that can be gone on with.
pub(super) fn left(session: &Session, transfer: TransferId) -> Option<Left> {
    let view = session.transfer(transfer).filter(|view| !view.paths.is_empty())?;
    Some(Left { transfer, name: view.name, done: view.done, total: view.bytes })
}

fn why_from_the_start(problem: &RecoverError) -> &'static str {
    match problem {
        RecoverError::Missing => "its folder, or the journal in it, is gone",
        RecoverError::Journal(BadJournal::Damaged) => "its journal in the folder is damaged",
        RecoverError::Journal(BadJournal::OtherVersion) => "its journal is of another version of hither",
        RecoverError::Journal(BadJournal::Foreign) => "its journal in the folder belongs to another transfer",
        RecoverError::InUse => "another program receives it into the same folder",
        RecoverError::Disk(_) => "what is there of it cannot be read",
    }
}
