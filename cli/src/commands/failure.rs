//! How everything that goes wrong ends: its exit code, and in words what happened, what is safe, what to do next.

use std::path::Path;

use hither_protocol::storage::{ScanError, StorageError};
use hither_protocol::transfer::MAX_PIECES;
use hither_protocol::{
    AnswerError, ContactError, LinkLoss, OfferError, Refusal, SendError, TransferFailure, Unreachable,
};
use hither_runtime_smol::StartError;

use crate::exit::{Exit, Failure};
use crate::inert::inert;
use crate::screen::count;

/// Which side of a transfer this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Sending,
    Receiving,
}

/// The node does not start.
pub(super) fn start(error: &StartError) -> Failure {
    let exit = match error {
        StartError::PortTaken(_) | StartError::NoInterface(_) => Exit::Usage,
        StartError::Network(_) | StartError::NoEntropy | StartError::NoThread(_) => Exit::Fault,
    };
    Failure::new(exit, format!("{}. Nothing was sent.", inert(&error.to_string())))
}

/// The records cannot be read or written.
pub(super) fn records(error: &StorageError, home: &Path) -> Failure {
    let home = inert(&home.to_string_lossy());
    Failure::new(
        Exit::NotWritable,
        format!(
            "contacts and messages in {home} cannot be kept: {}. Nothing that was there is lost by this; make room \
             or make it writable, or take another home with --home DIR.",
            storage(error)
        ),
    )
}

/// A message cannot be sent.
pub(super) fn send(error: SendError) -> Failure {
    let (exit, text) = match error {
        SendError::Empty => (Exit::Usage, "there is no message: hither msg PEER TEXT"),
        SendError::TooLong => {
            (Exit::Usage, "a message has at most 32 KiB; send longer ones as a file with `hither send`")
        }
        SendError::OutboxFull => (
            Exit::Unreachable,
            "1000 messages wait for this peer already; this one was not kept. They are delivered when the peer is \
             reached.",
        ),
        SendError::Oneself => (Exit::Usage, "this id is your own; nothing was sent"),
        SendError::Blocked => (
            Exit::Usage,
            "this contact is blocked; nothing was sent. `hither contacts unblock NAME` lets them back in",
        ),
        SendError::NotReady => (Exit::Fault, "the records are not loaded; nothing was sent"),
    };
    Failure::new(exit, text)
}

/// Nothing can be offered.
pub(super) fn offer(error: OfferError) -> Failure {
    let (exit, text) = match error {
        OfferError::Nothing => (Exit::Usage, "say what to send: paths, - for standard input, or --text TEXT"),
        OfferError::Oneself => (Exit::Usage, "this id is your own; nothing was sent"),
        OfferError::Blocked => (
            Exit::Usage,
            "this contact is blocked; nothing was sent. `hither contacts unblock NAME` lets them back in",
        ),
        OfferError::TooMany => (Exit::Fault, "too many transfers at once; nothing was sent"),
    };
    Failure::new(exit, text)
}

/// The contacts stay as they are.
pub(super) fn contact(error: ContactError, name: &str) -> Failure {
    let name = inert(name);
    let text = match error {
        ContactError::NameTaken => format!("{name} is another contact already: choose another name"),
        ContactError::BadName => format!("{name} cannot be a contact's name"),
        ContactError::Unknown => format!("there is no contact {name}; `hither contacts` lists them"),
        ContactError::Oneself => "this id is your own".to_owned(),
        ContactError::TooMany => "there are as many contacts as can be kept; remove some".to_owned(),
        ContactError::NotReady => return Failure::new(Exit::Fault, "the records are not loaded"),
    };
    Failure::new(Exit::Usage, format!("{text}. Nothing was changed."))
}

/// An answer does not apply.
pub(super) fn answer(error: AnswerError) -> Failure {
    match error {
        AnswerError::Unknown => Failure::new(Exit::TimedOut, "the offer is gone; nothing was received"),
        AnswerError::BadName => Failure::new(
            Exit::Usage,
            "the offer cannot be saved under that name: -o takes one file or folder, and a plain name. Nothing was \
             received",
        ),
    }
}

/// A message to `who` is kept: why, and when it will be delivered.
pub(super) fn kept(why: Option<Unreachable>, who: &str) -> Failure {
    let (exit, what) = match why {
        Some(why) => (unreachable_exit(why), unreachable_words(why, who)),
        None => (Exit::Unreachable, format!("{who} could not be reached")),
    };
    Failure::new(
        exit,
        format!(
            "{what}. Kept: it will be delivered when {who} can be reached while hither runs here (`hither up`)."
        ),
    )
}

/// A peer that answers does not say that it has the message.
pub(super) fn unconfirmed(who: &str) -> Failure {
    Failure::new(
        Exit::TimedOut,
        format!(
            "{who} is there but did not confirm the message. Kept: it is sent again when hither runs here, and is \
             never shown twice."
        ),
    )
}

/// A message to `who` was refused.
pub(super) fn message_refused(who: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        format!(
            "{who} does not take this message: you are not among their contacts. It is not kept. Ask them to run \
             `hither contacts add NAME ID` with your id (`hither id`)."
        ),
    )
}

/// A transfer with `who` came to nothing. `kept` files had been put in place before.
pub(super) fn transfer(why: &TransferFailure, side: Side, who: &str, kept: u32) -> Failure {
    let (exit, text) = transfer_words(why, side, who);
    Failure::new(exit, text + &safe(side, kept))
}

/// What is safe after a transfer that came to nothing.
fn safe(side: Side, kept: u32) -> String {
    match (side, kept) {
        (Side::Sending, _) => String::new(),
        (Side::Receiving, 0) => " Nothing partial was left.".to_owned(),
        (Side::Receiving, kept) => {
            format!(" {} arrived whole and stay; nothing partial was left.", count(kept.into(), "file"))
        }
    }
}

/// A fetch of what `who` shares came to nothing. `kept` files had been put in place before.
pub(super) fn get(why: &TransferFailure, who: &str, kept: u32) -> Failure {
    match why {
        TransferFailure::Unreachable(why) => {
            let next = match why {
                Unreachable::OtherVersion => "Bring both sides to the same version.",
                Unreachable::NotFound | Unreachable::NoAnswer => {
                    "Is `hither share` still running there, on this network, and does a firewall let its UDP port \
                     through? Its address may have changed: ask for a new ticket."
                }
            };
            let text = format!("{}. Nothing was received. {next}", unreachable_words(*why, who));
            Failure::new(unreachable_exit(*why), text)
        }
        TransferFailure::Mismatch => {
            let text = "what was sent is not what the ticket names, and nobody else who was reached has it.";
            Failure::new(Exit::NotVerified, text.to_owned() + &safe(Side::Receiving, kept))
        }
        why => transfer(why, Side::Receiving, who, kept),
    }
}

fn transfer_words(why: &TransferFailure, side: Side, who: &str) -> (Exit, String) {
    let sending = side == Side::Sending;
    match why {
        TransferFailure::Scan(error) => scan(error),
        TransferFailure::Refused(why) if sending => (Exit::Refused, refused_there(*why, who)),
        TransferFailure::Refused(why) => refused_here(*why, who),
        TransferFailure::Cancelled => (Exit::Interrupted, "stopped here.".to_owned()),
        TransferFailure::CancelledByPeer => (
            Exit::Refused,
            format!("{who} stopped the transfer. Ask them, and run the same command again to go on."),
        ),
        TransferFailure::SourceChanged(Some(path)) => (
            Exit::NotVerified,
            format!(
                "{} changed or vanished while it was sent, so the transfer was given up and {who} kept no part of \
                 it. Send it again when it is at rest.",
                shown(path)
            ),
        ),
        TransferFailure::SourceChanged(None) => (
            Exit::NotVerified,
            format!("a file changed at {who}'s side while it was sent. Ask them to send it again."),
        ),
        TransferFailure::Mismatch => (
            Exit::NotVerified,
            format!("what arrived is not what was offered: the transfer with {who} was given up. Try again."),
        ),
        TransferFailure::DiskFull if sending => (
            Exit::NotWritable,
            format!(
                "the disk at {who}'s side is full. Nothing of yours changed; send again when there is room."
            ),
        ),
        TransferFailure::DiskFull => (
            Exit::NotWritable,
            "the disk here is full. Make room, or receive elsewhere with --into DIR.".into(),
        ),
        TransferFailure::WouldOverwrite if sending => (
            Exit::Refused,
            format!("a file of that name exists at {who}'s side, and it was not overwritten."),
        ),
        TransferFailure::WouldOverwrite => (Exit::WouldOverwrite, would_overwrite()),
        TransferFailure::Disk(Some(error)) if sending => (
            Exit::NotWritable,
            format!(
                "a file could not be read: {}. The transfer was given up; nothing changed here.",
                storage(error)
            ),
        ),
        TransferFailure::Disk(Some(error)) => (Exit::NotWritable, not_writable(&storage(error))),
        TransferFailure::Disk(None) => {
            let what = if sending { "written" } else { "read" };
            (
                Exit::NotWritable,
                format!("a file could not be {what} at {who}'s side. Nothing else was harmed."),
            )
        }
        TransferFailure::LinkLost(why) => (
            Exit::ConnectionLost,
            format!(
                "the connection to {who} was lost ({}). Run the same command again: what arrived whole can be left \
                 out with --skip on the receiving side.",
                link_loss(*why)
            ),
        ),
        TransferFailure::TimedOut => (
            Exit::TimedOut,
            format!(
                "nothing went on with {who} for minutes, though they are connected, so the transfer was given up. \
                 What arrived whole is kept. Run the same command again."
            ),
        ),
        TransferFailure::Unreachable(why) => (
            unreachable_exit(*why),
            format!("{}. Nothing was sent. {}", unreachable_words(*why, who), unreachable_next(*why, who)),
        ),
        TransferFailure::NobodyHasIt => (
            Exit::Unreachable,
            format!(
                "nobody who was reached has it, or the rest of it. Is {who} still sharing it? Ask for a new ticket, or \
                 run the same command again when they are."
            ),
        ),
        TransferFailure::TooLarge => (
            Exit::Usage,
            format!(
                "it is more than can be shared or fetched at once: {MAX_PIECES} pieces of 256 KiB, or as many files, \
                 all together. Share it in parts."
            ),
        ),
        TransferFailure::Violation => (
            Exit::NotVerified,
            format!(
                "{who} broke the rules of the protocol, so the transfer was given up. Are both up to date?"
            ),
        ),
    }
}

/// The peer said no; the words are for the sender.
fn refused_there(why: Refusal, who: &str) -> String {
    match why {
        Refusal::Declined => format!("{who} refused. Nothing was sent."),
        Refusal::Stranger => format!(
            "{who} takes nothing from people who are not contacts. Nothing was sent. Ask them to run `hither receive \
             --from ID` or `hither contacts add NAME ID` with your id (`hither id`)."
        ),
        Refusal::WouldOverwrite => format!(
            "something of that name exists at {who}'s side, so it was refused and nothing was sent. They can receive \
             with --overwrite, --rename or --skip."
        ),
        Refusal::NoSpace => format!("it does not fit on the disk at {who}'s side. Nothing was sent."),
        Refusal::NotWritable => format!("the folder at {who}'s side cannot be written. Nothing was sent."),
        Refusal::BadManifest => {
            format!("{who}'s hither cannot take these names or sizes. Nothing was sent.")
        }
        Refusal::Busy => format!("{who} has too many transfers at once. Nothing was sent; try again later."),
    }
}

/// An offer was refused here, by the person or by a rule.
pub(super) fn refused_here(why: Refusal, who: &str) -> (Exit, String) {
    match why {
        Refusal::Declined => (Exit::Refused, format!("the offer of {who} was refused; nothing was received.")),
        Refusal::Stranger => (
            Exit::Refused,
            format!(
                "refused an offer of {who}: not a contact, and there is no terminal to ask at. --yes takes it, and \
                 --from {who} waits for this peer only."
            ),
        ),
        Refusal::WouldOverwrite => (Exit::WouldOverwrite, would_overwrite()),
        Refusal::NoSpace => (
            Exit::NotWritable,
            "the offer does not fit on the disk here, so it was refused. Make room, or receive elsewhere with --into \
             DIR."
                .to_owned(),
        ),
        Refusal::NotWritable => (Exit::NotWritable, not_writable("no permission")),
        Refusal::BadManifest => {
            (Exit::NotVerified, format!("the offer of {who} contradicts itself; it was refused."))
        }
        Refusal::Busy => (Exit::Refused, "too many offers at once; this one was refused.".to_owned()),
    }
}

fn would_overwrite() -> String {
    "something of that name exists here; it was left as it is and the offer refused. Receive again with --overwrite, \
     --rename or --skip."
        .to_owned()
}

fn not_writable(why: &str) -> String {
    format!("the folder to receive into cannot be written: {why}. Receive elsewhere with --into DIR.")
}

fn scan(error: &ScanError) -> (Exit, String) {
    match error {
        ScanError::Unreadable(path, StorageError::Missing) => {
            (Exit::Usage, format!("there is no {}. Nothing was sent.", shown(path)))
        }
        ScanError::Unreadable(path, error) => (
            Exit::NotWritable,
            format!("{} cannot be read: {}. Nothing was sent.", shown(path), storage(error)),
        ),
        ScanError::NotUnicode(path) => (
            Exit::Usage,
            format!("{} has a name that is not Unicode (UTF-8). Nothing was sent; rename it.", shown(path)),
        ),
        ScanError::BadName(path, why) => {
            (Exit::Usage, format!("{} cannot be sent: {why}. Nothing was sent; rename it.", shown(path)))
        }
        ScanError::Duplicate(path) => (
            Exit::Usage,
            format!("two of the paths end in the same name, one is {}. Send them one by one.", shown(path)),
        ),
        ScanError::NotAFile(path) => {
            (Exit::Usage, format!("{} is neither a file nor a directory. Nothing was sent.", shown(path)))
        }
        ScanError::TooMany => (
            Exit::Usage,
            "there are too many files for one offer. Nothing was sent; send them in parts.".into(),
        ),
    }
}

fn unreachable_exit(why: Unreachable) -> Exit {
    match why {
        Unreachable::NotFound | Unreachable::NoAnswer => Exit::Unreachable,
        Unreachable::OtherVersion => Exit::Version,
    }
}

fn unreachable_words(why: Unreachable, who: &str) -> String {
    match why {
        Unreachable::NotFound => format!("{who} was not found on this network, and no address is known"),
        Unreachable::NoAnswer => format!("{who} did not answer where they were last known to be"),
        Unreachable::OtherVersion => format!("{who} speaks another version of the protocol"),
    }
}

fn unreachable_next(why: Unreachable, who: &str) -> String {
    match why {
        Unreachable::NotFound => format!(
            "Is {who} running `hither receive` or `hither up`, on this network? Elsewhere, name the address: --to \
             ID@ADDRESS:PORT, as the other side prints it."
        ),
        Unreachable::NoAnswer => {
            format!(
                "Is {who} running `hither receive` or `hither up`, and does a firewall let its UDP port through?"
            )
        }
        Unreachable::OtherVersion => "Bring both sides to the same version.".to_owned(),
    }
}

fn link_loss(why: LinkLoss) -> &'static str {
    match why {
        LinkLoss::Closed => "the other side closed it",
        LinkLoss::TimedOut => "nothing came any more",
        LinkLoss::Broken => "the other side broke the protocol, or started anew",
        LinkLoss::Ours => "it was closed here",
    }
}

fn storage(error: &StorageError) -> String {
    match error {
        StorageError::Full => "the disk is full".to_owned(),
        StorageError::Denied => "no permission, or the disk is read-only".to_owned(),
        StorageError::Missing => "it is not there any more".to_owned(),
        StorageError::Exists => "the name is taken".to_owned(),
        StorageError::Changed => "the file changed".to_owned(),
        StorageError::Mismatch => "the content is not what it should be".to_owned(),
        StorageError::Unsupported => "this is not supported here".to_owned(),
        StorageError::Other(words) => inert(words),
    }
}

fn shown(path: &Path) -> String {
    inert(&path.to_string_lossy())
}
