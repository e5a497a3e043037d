//! What the user should see.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::codes::{CodeFailure, CodeId};
use crate::chat::MessageId;
use crate::identity::PeerId;
use crate::storage::{Examined, RecoverError, ScanError, StorageError};
use crate::transfer::hash::Root;
use crate::transfer::{Manifest, RelativePath, Ticket, TransferId};

/// Something the user should see.
#[derive(Debug, Clone)]
pub enum Event {
    /// The records are loaded: contacts and waiting messages are known. Comes once, first.
    Ready,
    /// The records cannot be read or written: nothing that must last can be promised. Comes once, and the node
    /// refuses what would need them.
    StorageFailed(StorageError),
    /// A peer proved itself on a first link.
    Connected {
        /// Who.
        peer: PeerId,
        /// Where.
        address: SocketAddr,
        /// Over which road.
        road: Road,
    },
    /// The last link to a peer is gone.
    Disconnected {
        /// Who.
        peer: PeerId,
        /// Why.
        why: LinkLoss,
    },
    /// A peer that was asked for could not be reached within the configured time.
    Unreachable {
        /// Who.
        peer: PeerId,
        /// Why.
        why: Unreachable,
    },
    /// A message arrived and is stored.
    Message {
        /// Its name.
        id: MessageId,
        /// Who wrote and signed it.
        from: PeerId,
        /// What the sender is to this node.
        standing: Standing,
        /// As it was sent: show it through something that makes control characters inert.
        text: String,
        /// Unix milliseconds on the sender's clock.
        time: u64,
    },
    /// A message of ours came to a new state.
    MessageSent {
        /// Its name.
        id: MessageId,
        /// Its recipient.
        to: PeerId,
        /// The state.
        state: MessageState,
    },
    /// Our paths were scanned and the offer is on its way.
    Offering {
        /// Its name.
        transfer: TransferId,
        /// What is offered.
        manifest: Arc<Manifest>,
        /// Symbolic links and special files that are not part of it.
        left_out: Vec<PathBuf>,
    },
    /// Symbolic links of a transfer were not made: this disk, or this user's rights, do not allow any.
    LinksLeftOut {
        /// Which.
        transfer: TransferId,
        /// Where they would be.
        links: Vec<PathBuf>,
    },
    /// An offer arrived, whole.
    Offered {
        /// Its name.
        transfer: TransferId,
        /// From whom.
        from: PeerId,
        /// What the sender is to this node.
        standing: Standing,
        /// All that is offered.
        manifest: Arc<Manifest>,
        /// The folder that it goes into by rule: that of the rules, of a trusted contact, or where it was begun.
        into: PathBuf,
        /// How it would fit there.
        examined: Examined,
        /// What the rules say. After [`Decision::Ask`] and [`Decision::AskHow`] the node waits for `accept` or `refuse`.
        decision: Decision,
        /// The code by which the sender was met, if it was by one.
        code: Option<CodeId>,
    },
    /// A stranger's offer was refused by rule. Told once for each stranger.
    TurnedAway {
        /// Its name.
        transfer: TransferId,
        /// Who it was.
        from: PeerId,
        /// What they call it.
        name: String,
        /// Files and directories in it.
        files: u32,
        /// Bytes in it.
        bytes: u64,
    },
    /// The transfer was accepted: bytes move.
    Started {
        /// Which.
        transfer: TransferId,
        /// Bytes that will travel.
        bytes: u64,
        /// Bytes that the receiver has from an attempt before, checked: they do not travel again.
        resumed: u64,
    },
    /// An offer that was begun before came again, and what is there of it was checked. If nothing in it has changed
    /// it goes on by itself; else it is put to the rules, as [`Event::Offered`] tells.
    Resuming {
        /// Which.
        transfer: TransferId,
        /// From whom.
        from: PeerId,
        /// The folder that it goes on in.
        into: PathBuf,
        /// Bytes that are there.
        held: u64,
        /// Bytes in all.
        bytes: u64,
        /// Bytes that should have been there and are not.
        lost: u64,
        /// Files that have changed at the sender since they were begun: they travel from the start.
        changed: u32,
    },
    /// A transfer that was begun before cannot be gone on with, and begins from the start.
    StartsOver {
        /// Which.
        transfer: TransferId,
        /// From whom.
        from: PeerId,
        /// Why.
        problem: RecoverError,
    },
    /// The link was lost, and the transfer goes on as soon as there is one again. The peer is looked for; after ten
    /// minutes the transfer fails, and can still be resumed.
    Suspended {
        /// Which.
        transfer: TransferId,
        /// Bytes that the receiver has of those that were to travel; on the sending side, that were sent.
        done: u64,
        /// Bytes that were to travel.
        total: u64,
    },
    /// The other side lets a transfer stand still, or go on.
    Paused {
        /// Which.
        transfer: TransferId,
        /// Whether it stands still now.
        paused: bool,
    },
    /// Everything arrived, was verified and is in place: on both sides.
    Finished {
        /// Which.
        transfer: TransferId,
        /// Bytes of content that travelled.
        bytes: u64,
        /// Bytes of content that did not have to travel again.
        resumed: u64,
        /// From consent to the end.
        took: Duration,
        /// Over which road.
        road: Road,
        /// The content's root: of a single file, what `b3sum` prints.
        root: Root,
        /// Where the outermost entries are now; on the sending side, where they came from.
        paths: Vec<PathBuf>,
    },
    /// The transfer ended without everything in place.
    Failed {
        /// Which.
        transfer: TransferId,
        /// Why.
        why: TransferFailure,
        /// Files that had been put in place before, whole and verified.
        kept: u32,
        /// Whether sending the same again goes on from here.
        resumable: bool,
    },
    /// What is to be shared was found, and is being hashed: [`Node::progress`](crate::Node::progress) says how far.
    Hashing {
        /// Its name.
        share: TransferId,
        /// What is shared.
        manifest: Arc<Manifest>,
    },
    /// What was to be shared is hashed: whoever has the ticket can fetch it.
    Shared {
        /// Its name.
        share: TransferId,
        /// The ticket, without addresses: see [`Ticket::at`].
        ticket: Ticket,
        /// What is shared.
        manifest: Arc<Manifest>,
        /// Symbolic links and special files that are not part of it.
        left_out: Vec<PathBuf>,
    },
    /// Someone began to fetch from here.
    Taking {
        /// What.
        share: TransferId,
        /// Who.
        peer: PeerId,
    },
    /// Someone fetches from here no more.
    Taken {
        /// What.
        share: TransferId,
        /// Who.
        peer: PeerId,
        /// Bytes that were sent to them from here.
        bytes: u64,
        /// Whether they said that they have all they want.
        whole: bool,
    },
    /// A file that is shared is not any more what was hashed; it is not sent to anyone now. Said once for each.
    ShareChanged {
        /// Which share.
        share: TransferId,
        /// The file.
        path: PathBuf,
    },
    /// A file of what is fetched has changed at someone who gave of it: they give nothing more of it.
    SourceChanged {
        /// What is fetched.
        transfer: TransferId,
        /// Who.
        peer: PeerId,
        /// The file, as it is called there.
        path: RelativePath,
    },
    /// Someone is asked for nothing more of what is fetched.
    SourceDropped {
        /// What is fetched.
        transfer: TransferId,
        /// Who.
        peer: PeerId,
        /// Why.
        why: DropReason,
    },
    /// Nobody who is connected has the rest of what is fetched. They are looked for again for some minutes.
    Lonely {
        /// What is fetched.
        transfer: TransferId,
    },
    /// A code of ours can be entered by others from now on: [`Node::code`](crate::Node::code) gives its words.
    CodeReady {
        /// Which.
        id: CodeId,
        /// Until when: Unix milliseconds.
        expires: u64,
        /// How many wrong ones can still be tried. Fewer than three: it was made before, for the same.
        left: u8,
    },
    /// Somebody tried a wrong code on one of ours, or broke off in the middle of trying one.
    CodeAttempt {
        /// Which.
        id: CodeId,
        /// How many wrong ones can still be tried.
        left: u8,
    },
    /// Three wrong codes were tried on one of ours: it is good for nothing any more.
    CodeBurnt {
        /// Which.
        id: CodeId,
    },
    /// The time of a code of ours is over.
    CodeExpired {
        /// Which.
        id: CodeId,
    },
    /// A code of ours was used by as many as it was made for.
    CodeUsed {
        /// Which.
        id: CodeId,
    },
    /// Somebody was found who may have made the code that was entered here; they are asked.
    CodeFound {
        /// Which.
        id: CodeId,
    },
    /// Both sides have proven the code, and who they are. There is a link to the other; what the code is for follows,
    /// by the events of any other peer.
    CodeProven {
        /// Which.
        id: CodeId,
        /// Who the other is.
        peer: PeerId,
        /// The transfer in which the code's paths are offered to them, where there are any.
        transfer: Option<TransferId>,
    },
    /// A code that was entered here came to nothing, or what was to come of one did.
    CodeFailed {
        /// Which.
        id: CodeId,
        /// Why.
        why: CodeFailure,
    },
    /// Who is near has changed.
    NearbyChanged,
    /// The time is over for which this node showed itself to everyone near.
    Hidden,
    /// A search for this node in the network, as others would make it, is over.
    FoundOneself {
        /// In which round its record was found, from 1; `None` if it was not.
        found_in: Option<u8>,
        /// How many nodes were asked.
        asked: u32,
        /// How many of the nearest of them answered.
        answered: usize,
        /// How long it took.
        after: Duration,
    },
}

/// Why someone is asked for nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// They sent what does not belong to the root.
    WrongContent,
    /// They sent what nobody asked for, or announced what they do not have.
    Misleading,
    /// They were asked and said nothing, again and again.
    Silent,
}

/// What someone is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In the contacts.
    Contact,
    /// Named by the user for now.
    Expected,
    /// Neither.
    Stranger,
}

/// What the rules say to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The user is to answer.
    Ask,
    /// Accepted by rule; the user is to say how, as names are taken, or as the rules want that.
    AskHow,
    /// Accepted by rule.
    Accepted,
    /// Refused by rule.
    Refused(Refusal),
}

/// Why an offer was refused, as both sides see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The person, or a rule of theirs, said no.
    Declined,
    /// Nobody was there to ask, and the sender is no contact.
    Stranger,
    /// Something of that name exists.
    WouldOverwrite,
    /// It does not fit.
    NoSpace,
    /// The folder cannot be written.
    NotWritable,
    /// The offer contradicts itself or holds a name that is not allowed.
    BadManifest,
    /// Too many offers or transfers at once.
    Busy,
    /// More files and directories than are taken of this sender at once.
    TooMany,
}

/// What became of a message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// The recipient has it on disk.
    Delivered,
    /// It is kept here, on disk, until the recipient can be reached.
    Waiting,
    /// The recipient does not take messages from strangers; it is not kept.
    Refused,
}

/// The road a link takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// Between addresses of one local network, loopback included.
    Lan,
    /// Between public addresses.
    Direct,
}

/// Why a peer could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// No address is known and it was not seen near.
    NotFound,
    /// An address is known but nothing that can prove to be this peer answered there.
    NoAnswer,
    /// It speaks other versions of the protocol only.
    OtherVersion,
}

/// Why a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkLoss {
    /// The peer closed it.
    Closed,
    /// Nothing came for the idle time.
    TimedOut,
    /// The peer broke the protocol, or lost its state.
    Broken,
    /// This side closed it.
    Ours,
}

/// Why a transfer failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferFailure {
    /// The paths cannot be offered.
    Scan(ScanError),
    /// The receiver said no.
    Refused(Refusal),
    /// The user here stopped it.
    Cancelled,
    /// The other side stopped it.
    CancelledByPeer,
    /// A file changed or vanished while it was sent.
    SourceChanged(Option<PathBuf>),
    /// Content did not verify.
    Mismatch,
    /// The receiving disk is full.
    DiskFull,
    /// A name was taken before the file could be put in place.
    WouldOverwrite,
    /// A disk failed; ours with its own words.
    Disk(Option<StorageError>),
    /// The link was lost.
    LinkLost(LinkLoss),
    /// The other side is there, but nothing went on for minutes.
    TimedOut,
    /// The peer was not reached.
    Unreachable(Unreachable),
    /// The other side broke the protocol.
    Violation,
    /// Nobody who could be asked has it, or the rest of it.
    NobodyHasIt,
    /// The other side's program is too old for what is in it: symbolic links, or a stream.
    PeerTooOld,
    /// It has more pieces than can be shared or fetched at once: see [`MAX_PIECES`](crate::transfer::MAX_PIECES).
    TooLarge,
}
