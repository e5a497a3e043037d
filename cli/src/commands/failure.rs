//! How everything that goes wrong ends: its exit code, and in words what happened, what is safe, what to do next.

pub(super) mod code;

use std::path::Path;

use hither_protocol::storage::{MAX_ENTRIES, MAX_ENTRIES_OF_STRANGER, ScanError, StorageError};
use hither_protocol::transfer::MAX_PIECES;
use hither_protocol::transfer::TransferId;
use hither_protocol::{
    AnswerError, ContactError, LinkLoss, OfferError, Refusal, SendError, TransferFailure, Unreachable,
};
use hither_runtime_smol::{StartError, interfaces};

use crate::exit::{Exit, Failure};
use crate::inert::inert;
use crate::screen::{count, short, size};

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
    let mut text = inert(&error.to_string());
    if matches!(error, StartError::NoInterface(_)) {
        // Windows' are long and differ: `Wi-Fi 2`, `Loopback Pseudo-Interface 1`.
        let there: Vec<String> = interfaces().iter().map(|name| format!("{:?}", inert(name))).collect();
        text += &format!(" (there is {})", there.join(", "));
    }
    Failure::new(exit, format!("{text}. Nothing was sent."))
}

/// No transfer is meant.
pub(super) fn no_transfer() -> Failure {
    let text =
        "this transfer is over, or not known here; `hither transfers` lists them. Nothing was changed.";
    Failure::new(Exit::Usage, text)
}

/// The sender of an interrupted transfer was not reached.
pub(super) fn sender_not_there(why: Unreachable, who: &str) -> Failure {
    let what = unreachable_words(why, who);
    let text = format!(
        "{what}. Nothing is lost: it goes on by itself when {who} sends the same again while `hither receive` or \
         `hither up` runs here. Where they are can be said with --at ADDRESS:PORT."
    );
    Failure::new(unreachable_exit(why), text)
}

/// The sender of an interrupted transfer is there and offers nothing.
pub(super) fn sender_silent(who: &str) -> Failure {
    let text = format!(
        "{who} is there but does not go on with it. Nothing is lost: ask them to send the same again while `hither \
         receive` or `hither up` runs here."
    );
    Failure::new(Exit::TimedOut, text)
}

/// The running process receives nothing.
pub(super) fn takes_nothing() -> Failure {
    let text = "the hither that is running on this home only sends: wait for its end, or end it, then resume. Nothing \
                was changed.";
    Failure::new(Exit::Usage, text)
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
        ContactError::BadFolder => "the path of this folder is not Unicode, so it cannot be kept".to_owned(),
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

/// How a transfer ended that is not complete.
#[derive(Debug)]
pub(super) struct End<'a> {
    pub(super) side: Side,
    /// The other side.
    pub(super) who: &'a str,
    /// Files that were put in place.
    pub(super) kept: u32,
    /// What is there of it, where it can be gone on with.
    pub(super) left: Option<Left>,
    /// The command that goes on with it; `None` for one that stays and goes on by itself.
    pub(super) again: Option<&'a str>,
}

/// A fetch of what `who` shares came to nothing, for now or for good.
pub(super) fn get(why: &TransferFailure, end: &End<'_>) -> Failure {
    let who = end.who;
    match why {
        TransferFailure::Unreachable(why) => {
            let next = match why {
                Unreachable::OtherVersion => "Bring both sides to the same version.",
                Unreachable::NotFound | Unreachable::NoAnswer => {
                    "Is `hither share` still running there, on this network, and does a firewall let its UDP port \
                     through? Its address may have changed: ask for a new ticket."
                }
            };
            let kept = if end.left.is_some() { safe(end) } else { " Nothing was received.".to_owned() };
            let text = format!("{}.{kept} {next}", unreachable_words(*why, who));
            Failure::new(unreachable_exit(*why), text)
        }
        TransferFailure::Mismatch => {
            let text = "what was sent is not what the ticket names, and nobody else who was reached has it.";
            Failure::new(Exit::NotVerified, text.to_owned() + &safe(end))
        }
        TransferFailure::SourceChanged(_) => {
            let text = format!(
                "what {who} shares is not any more what the ticket names, and nobody else who was reached has the rest. \
                 Ask for a new ticket."
            );
            Failure::new(Exit::NotVerified, text + &safe(end) + &next(end))
        }
        why => transfer(why, end),
    }
}

/// What is there of a transfer that can be gone on with.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) transfer: TransferId,
    pub(super) name: String,
    /// Bytes that the receiver has, as far as is known here.
    pub(super) done: u64,
    pub(super) total: u64,
}

/// A transfer came to nothing, for now or for good.
pub(super) fn transfer(why: &TransferFailure, end: &End<'_>) -> Failure {
    let (exit, text) = transfer_words(why, end);
    Failure::new(exit, format!("{text}{}{}", safe(end), next(end)))
}

fn safe(end: &End<'_>) -> String {
    let place = match (end.kept, end.side) {
        (0, _) | (_, Side::Sending) => None,
        (kept, Side::Receiving) => Some(count(kept.into(), "file")),
    };
    match (&end.left, end.side, place) {
        (Some(left), side, place) => {
            let there = if side == Side::Sending { "were sent" } else { "are kept here" };
            let place = place.map(|files| format!(", {files} of it in place")).unwrap_or_default();
            format!(" {} {there}{place}.", left.part())
        }
        (None, Side::Sending, _) => String::new(),
        (None, Side::Receiving, None) => " Nothing partial was left.".to_owned(),
        (None, Side::Receiving, Some(files)) => {
            format!(" {files} arrived whole and stay; nothing partial was left.")
        }
    }
}

fn next(end: &End<'_>) -> String {
    let Some(left) = &end.left else { return String::new() };
    match (end.again, end.side) {
        (None, _) => format!(" It goes on by itself when {} sends it again.", end.who),
        (Some(again), Side::Sending) => format!(" To go on: `{again}`"),
        (Some(again), Side::Receiving) => format!(" {}", left.next(again)),
    }
}

impl Left {
    /// How much of it is there.
    pub(super) fn part(&self) -> String {
        let of = if self.name.is_empty() { String::new() } else { format!(" of {}", inert(&self.name)) };
        format!("{} of {}{of}", size(self.done), size(self.total))
    }

    /// How its receiver goes on, or does not.
    pub(super) fn next(&self, again: &str) -> String {
        let id = self.transfer.to_string();
        let id = short(&id);
        format!(
            "To go on: `{again}`; the other side is asked for the rest, or sends the same again. `hither transfers \
             cancel {id}` removes what is here instead."
        )
    }
}

/// The same where what arrived went to standard output.
pub(super) fn output(why: &TransferFailure, failure: Failure) -> Failure {
    let broken = "What was written to standard output is not all of it";
    let (exit, text) = match why {
        TransferFailure::Mismatch => (
            failure.exit,
            "what arrived is not what was sent. What was written to standard output must not be used. Try again."
                .to_owned(),
        ),
        TransferFailure::Disk(Some(StorageError::Closed)) => (
            Exit::NotWritable,
            "whoever read standard output went away before the end, so the transfer was given up.".to_owned(),
        ),
        TransferFailure::Disk(Some(error)) => {
            (Exit::NotWritable, format!("standard output cannot be written: {}. {broken}.", storage(error)))
        }
        _ => {
            let text = failure.text.replace(" Nothing partial was left.", "");
            (failure.exit, format!("{text} {broken}, and it cannot be gone on with: begin anew."))
        }
    };
    Failure::new(exit, text)
}

fn transfer_words(why: &TransferFailure, end: &End<'_>) -> (Exit, String) {
    let (who, sending) = (end.who, end.side == Side::Sending);
    match why {
        TransferFailure::Scan(error) => scan(error),
        TransferFailure::Refused(why) if sending => (Exit::Refused, refused_there(*why, end)),
        TransferFailure::Refused(why) => refused_here(*why, who),
        TransferFailure::Cancelled => (Exit::Refused, "the transfer was given up here.".to_owned()),
        TransferFailure::CancelledByPeer => (
            Exit::Refused,
            format!("{who} stopped the transfer for good. Ask them why; sending again begins anew."),
        ),
        TransferFailure::SourceChanged(Some(path)) => (
            Exit::NotVerified,
            format!(
                "{} changed or vanished while it was sent, so the transfer stopped. Send again when it is at rest; {}",
                shown(path),
                if end.left.is_some() { "what did not change does not travel again." } else { "it begins anew." }
            ),
        ),
        TransferFailure::SourceChanged(None) => (
            Exit::NotVerified,
            format!(
                "a file changed at {who}'s side while it was sent, so the transfer stopped. Ask them to send it again \
                 when it is at rest."
            ),
        ),
        TransferFailure::Mismatch => (
            Exit::NotVerified,
            if end.left.is_some() {
                format!("something did not arrive as it was sent, so the transfer with {who} stopped.")
            } else {
                format!("what arrived is not what was offered: the transfer with {who} was given up. Try again.")
            },
        ),
        TransferFailure::DiskFull if sending => (
            Exit::NotWritable,
            format!(
                "the disk at {who}'s side is full. Nothing of yours changed; send again when they have made room."
            ),
        ),
        TransferFailure::DiskFull => (
            Exit::NotWritable,
            if end.left.is_some() {
                "the disk here is full, so the transfer stopped. First make room.".into()
            } else {
                "the disk here is full. Make room, or receive elsewhere with --into DIR.".into()
            },
        ),
        TransferFailure::WouldOverwrite if sending => (
            Exit::Refused,
            format!(
                "a file of that name came to be at {who}'s side, and it was not overwritten. Send again when they have \
                 moved it away."
            ),
        ),
        TransferFailure::WouldOverwrite if end.left.is_some() => (
            Exit::WouldOverwrite,
            "something of that name came to be here meanwhile; it was left as it is, and the transfer stopped. First \
             move it away."
                .to_owned(),
        ),
        TransferFailure::WouldOverwrite => (Exit::WouldOverwrite, would_overwrite()),
        TransferFailure::Disk(Some(error)) if sending => (
            Exit::NotWritable,
            format!(
                "a file could not be read: {}. The transfer stopped; nothing changed here.",
                storage(error)
            ),
        ),
        TransferFailure::Disk(Some(error)) if end.left.is_some() => (
            Exit::NotWritable,
            format!("the folder cannot be used: {}. The transfer stopped.", storage(error)),
        ),
        TransferFailure::Disk(Some(error)) => (Exit::NotWritable, not_writable(&storage(error))),
        TransferFailure::Disk(None) => {
            let what = if sending { "written" } else { "read" };
            (
                Exit::NotWritable,
                format!("a file could not be {what} at {who}'s side. Nothing else was harmed."),
            )
        }
        TransferFailure::LinkLost(why) => (Exit::ConnectionLost, lost(*why, end)),
        TransferFailure::TimedOut => (
            Exit::TimedOut,
            format!(
                "nothing went on with {who} for minutes, though they are connected, so the transfer stopped."
            ),
        ),
        TransferFailure::Unreachable(why) => (
            unreachable_exit(*why),
            format!("{}. {} {}", unreachable_words(*why, who), sent_before(end), unreachable_next(*why, who)),
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
        TransferFailure::PeerTooOld => (
            Exit::Version,
            format!(
                "{who}'s hither is too old to take symbolic links or a stream. Nothing was sent. Send without --links, a \
                 file instead of -, or bring both sides to the same version."
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

/// The link is gone: at once where someone closed it, else after it was sought for a while.
fn lost(why: LinkLoss, end: &End<'_>) -> String {
    let who = end.who;
    match (why, &end.left) {
        (LinkLoss::Closed, Some(_)) => format!("the other side, {who}, stopped; it can be resumed."),
        (LinkLoss::Closed, None) => {
            format!("the other side, {who}, stopped. It is to be sent again from the start.")
        }
        (why, Some(_)) => format!(
            "the connection to {who} was lost ({}) and did not come back in time; it can be resumed.",
            link_loss(why)
        ),
        (why, None) => format!(
            "the connection to {who} was lost ({}). It is to be sent again from the start.",
            link_loss(why)
        ),
    }
}

/// What a transfer that was not even begun anew has lost: nothing.
fn sent_before(end: &End<'_>) -> &'static str {
    if end.left.is_some() { "Nothing more was sent, and nothing is lost." } else { "Nothing was sent." }
}

/// The peer said no; the words are for the sender.
fn refused_there(why: Refusal, end: &End<'_>) -> String {
    let who = end.who;
    match why {
        Refusal::Declined => format!("{who} refused. Nothing was sent."),
        Refusal::Stranger => format!(
            "{who} takes nothing from people who are not contacts. {} Ask them to run `hither receive \
             --from ID` or `hither contacts add NAME ID` with your id (`hither id`).",
            sent_before(end)
        ),
        Refusal::WouldOverwrite => format!(
            "something of that name exists at {who}'s side, so it was refused. {} They can receive with --overwrite, \
             --rename or --skip.",
            sent_before(end)
        ),
        Refusal::NoSpace => format!("it does not fit on the disk at {who}'s side. {}", sent_before(end)),
        Refusal::NotWritable => {
            format!("the folder at {who}'s side cannot be written. {}", sent_before(end))
        }
        Refusal::BadManifest => {
            format!("{who}'s hither cannot take these names or sizes. Nothing was sent.")
        }
        Refusal::TooMany => format!(
            "{who} takes no more than {MAX_ENTRIES} files and folders in one offer, and {MAX_ENTRIES_OF_STRANGER} from \
             people who are not contacts. {} Send them in parts, or as one archive: `tar c FOLDER | hither send - \
             --name FOLDER.tar`.",
            sent_before(end)
        ),
        Refusal::Busy => {
            format!("{who} has too many transfers at once. {} Try again later.", sent_before(end))
        }
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
        Refusal::TooMany => (
            Exit::Refused,
            format!("{who} offered more files and folders than are taken at once; that was refused."),
        ),
        Refusal::Busy => (Exit::Refused, "too many offers at once; this one was refused.".to_owned()),
    }
}

/// A contact's offer was refused, as somebody would have had to say yes.
pub(super) fn unattended(who: &str) -> (Exit, String) {
    let text = format!(
        "refused an offer of {who}: there is no terminal to ask at. --yes takes it. From now on, `hither contacts trust \
         {who} --into DIR` takes what they send, and `hither rules contacts accept` what any contact sends."
    );
    (Exit::Refused, text)
}

fn would_overwrite() -> String {
    "something of that name exists here; it was left as it is and the offer refused. Receive again with --overwrite, \
     --rename or --skip."
        .to_owned()
}

fn not_writable(why: &str) -> String {
    format!("the folder to receive into cannot be written: {why}. Receive elsewhere with --into DIR.")
}

pub(super) fn scan(error: &ScanError) -> (Exit, String) {
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
        ScanError::OnlyALink(path) => (
            Exit::Usage,
            format!(
                "{} is itself a link: with --links it would be sent without what it leads to. Nothing was sent; name \
                 what it leads to, or leave --links out.",
                shown(path)
            ),
        ),
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
        Unreachable::NotFound => {
            format!("{who} was not found on this network nor, by their id, beyond it")
        }
        Unreachable::NoAnswer => format!("{who} did not answer where they were last known to be"),
        Unreachable::OtherVersion => format!("{who} speaks another version of the protocol"),
    }
}

fn unreachable_next(why: Unreachable, who: &str) -> String {
    match why {
        Unreachable::NotFound => format!(
            "Is {who} running `hither receive` or `hither up`? `hither doctor` says on either side what its network lets \
             through. Where the address is known, name it: --to ID@ADDRESS:PORT, as the other side prints it."
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
        StorageError::Closed => "whoever read it has gone away".to_owned(),
        StorageError::Unsupported => "this is not supported here".to_owned(),
        StorageError::Other(words) => inert(words),
    }
}

fn shown(path: &Path) -> String {
    inert(&path.to_string_lossy())
}
