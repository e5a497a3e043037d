//! The control channel's messages.

use hither_schema::control_capnp::{self as schema, control};

use super::{CodeStep, Envelope, Malformed, Share, encode, exact, read};
use crate::Refusal;
use crate::chat::MessageId;
use crate::transfer::TransferId;
use crate::transfer::hash::Root;

/// What this program knows of wire version 1, said in its hello: what is newer than a peer is not sent to it. 1:
/// symbolic links in offers, [`Refusal::TooMany`]. 2: streams.
pub(crate) const REVISION: u16 = 2;
/// Bytes of an agent's name.
const MAX_AGENT: usize = 64;

/// One message of the control channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    Hello { agent: String, revision: u16 },
    Message(Envelope),
    Receipt { id: MessageId, state: ReceiptState },
    Answer { transfer: TransferId, answer: Answer },
    Complete { transfer: TransferId, root: Root },
    Received { transfer: TransferId, root: Root },
    Cancel { transfer: TransferId, reason: CancelReason },
    Pause { transfer: TransferId },
    Resume { transfer: TransferId },
    Share(Share),
    Code(CodeStep),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiptState {
    Stored,
    Refused,
}

/// What a receiver says to an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Accept(Wanted),
    Refuse(Refusal),
}

/// What a receiver wants of an offer that it accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Entries that do not travel and do not count.
    pub(crate) skip: EntrySet,
    /// Files that it has in place from before.
    pub(crate) held: EntrySet,
    /// Chunks of other files that it has, in ascending order and apart; at most [`MAX_RUNS`].
    pub(crate) runs: Vec<ChunkRun>,
}

/// Most runs in an answer. A receiver that has more pieces takes some of them anew.
pub(crate) const MAX_RUNS: usize = 2000;

/// Chunks of one file, one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkRun {
    pub(crate) file: u32,
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// Why a side gives a transfer up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelReason {
    Cancelled,
    SourceChanged,
    Mismatch,
    DiskFull,
    DiskFailed,
    WouldOverwrite,
    Violation,
    Stalled,
}

/// Some of a manifest's entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EntrySet(Vec<u8>);

impl EntrySet {
    /// Adds an entry's number.
    pub(crate) fn insert(&mut self, index: u32) {
        let Ok(byte) = usize::try_from(index / 8) else { return };
        if self.0.len() <= byte {
            self.0.resize(byte.saturating_add(1), 0);
        }
        if let Some(bits) = self.0.get_mut(byte) {
            *bits |= 1 << (index % 8);
        }
    }

    /// Whether an entry's number is in it.
    pub(crate) fn contains(&self, index: u32) -> bool {
        let bits = usize::try_from(index / 8).ok().and_then(|byte| self.0.get(byte));
        bits.is_some_and(|bits| bits & (1 << (index % 8)) != 0)
    }
}

impl EntrySet {
    /// The set in the wire's bits.
    pub(crate) fn bits(&self) -> &[u8] {
        &self.0
    }

    /// A set from the wire's bits.
    pub(crate) fn from_bits(bits: &[u8]) -> Self {
        Self(bits.to_vec())
    }
}

impl Wanted {
    /// Whether the receiver has nothing from before.
    pub(crate) fn is_from_the_start(&self) -> bool {
        self.held.0.iter().all(|bits| *bits == 0) && self.runs.is_empty()
    }

    fn fill(&self, mut root: schema::acceptance::Builder<'_>) {
        root.set_skip(self.skip.bits());
        root.set_held(self.held.bits());
        let mut runs = root.init_runs(u32::try_from(self.runs.len()).unwrap_or(u32::MAX));
        for (index, run) in (0..).zip(&self.runs) {
            let mut place = runs.reborrow().get(index);
            place.set_file(run.file);
            place.set_first(run.first);
            place.set_count(run.count);
        }
    }

    fn parse(root: schema::acceptance::Reader<'_>) -> Result<Self, Malformed> {
        let mut runs: Vec<ChunkRun> = Vec::new();
        for run in root.get_runs()? {
            let run = ChunkRun { file: run.get_file(), first: run.get_first(), count: run.get_count() };
            let end = run.first.checked_add(run.count).ok_or(Malformed)?;
            let after = runs.last().is_none_or(|last| {
                (last.file, last.first.saturating_add(last.count)) <= (run.file, run.first)
            });
            if end == run.first || !after || runs.len() >= MAX_RUNS {
                return Err(Malformed);
            }
            runs.push(run);
        }
        Ok(Self {
            skip: EntrySet::from_bits(root.get_skip()?),
            held: EntrySet::from_bits(root.get_held()?),
            runs,
        })
    }
}

impl Control {
    /// The message with its frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode::<control::Owned>(|mut root| match self {
            Self::Hello { agent, revision } => {
                let mut hello = root.init_hello();
                hello.set_agent(shortened(agent, MAX_AGENT).as_str());
                hello.set_revision(*revision);
            }
            Self::Message(envelope) => envelope.fill(root.init_message()),
            Self::Receipt { id, state } => {
                let mut receipt = root.init_receipt();
                receipt.set_id(&id.0);
                receipt.set_state(match state {
                    ReceiptState::Stored => schema::ReceiptState::Stored,
                    ReceiptState::Refused => schema::ReceiptState::Refused,
                });
            }
            Self::Answer { transfer, answer } => {
                let mut reply = root.init_answer();
                reply.set_transfer(&transfer.0);
                match answer {
                    Answer::Accept(wanted) => wanted.fill(reply.init_accept()),
                    Answer::Refuse(why) => reply.set_refuse(refusal_out(*why)),
                }
            }
            Self::Complete { transfer, root: hash } => {
                let mut complete = root.init_complete();
                complete.set_transfer(&transfer.0);
                complete.set_root(&hash.0);
            }
            Self::Received { transfer, root: hash } => {
                let mut received = root.init_received();
                received.set_transfer(&transfer.0);
                received.set_root(&hash.0);
            }
            Self::Cancel { transfer, reason } => {
                let mut cancel = root.init_cancel();
                cancel.set_transfer(&transfer.0);
                cancel.set_reason(reason_out(*reason));
            }
            Self::Pause { transfer } => root.set_pause(&transfer.0),
            Self::Resume { transfer } => root.set_resume(&transfer.0),
            Self::Share(share) => share.fill(root.init_share()),
            Self::Code(step) => step.fill(root.init_code()),
        })
    }

    /// Parses a frame's content.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let message = read::<control::Owned>(bytes)?;
        Ok(match message.get()?.which()? {
            control::Hello(hello) => {
                let hello = hello?;
                let agent = shortened(hello.get_agent()?.to_str()?, MAX_AGENT);
                Self::Hello { agent, revision: hello.get_revision() }
            }
            control::Message(envelope) => Self::Message(Envelope::parse(envelope?)?),
            control::Receipt(receipt) => {
                let receipt = receipt?;
                let state = match receipt.get_state()? {
                    schema::ReceiptState::Stored => ReceiptState::Stored,
                    schema::ReceiptState::Refused => ReceiptState::Refused,
                };
                Self::Receipt { id: MessageId(exact(receipt.get_id()?)?), state }
            }
            control::Answer(answer) => {
                let answer = answer?;
                let transfer = TransferId(exact(answer.get_transfer()?)?);
                let answer = match answer.which()? {
                    schema::answer::Accept(wanted) => Answer::Accept(Wanted::parse(wanted?)?),
                    schema::answer::Refuse(why) => Answer::Refuse(refusal_in(why?)),
                };
                Self::Answer { transfer, answer }
            }
            control::Complete(complete) => {
                let complete = complete?;
                Self::Complete {
                    transfer: TransferId(exact(complete.get_transfer()?)?),
                    root: Root(exact(complete.get_root()?)?),
                }
            }
            control::Received(received) => {
                let received = received?;
                Self::Received {
                    transfer: TransferId(exact(received.get_transfer()?)?),
                    root: Root(exact(received.get_root()?)?),
                }
            }
            control::Cancel(cancel) => {
                let cancel = cancel?;
                Self::Cancel {
                    transfer: TransferId(exact(cancel.get_transfer()?)?),
                    reason: reason_in(cancel.get_reason()?),
                }
            }
            control::Pause(transfer) => Self::Pause { transfer: TransferId(exact(transfer?)?) },
            control::Resume(transfer) => Self::Resume { transfer: TransferId(exact(transfer?)?) },
            control::Share(share) => Self::Share(Share::parse(share?)?),
            control::Code(step) => Self::Code(CodeStep::parse(step?)?),
        })
    }
}

/// As many characters of `text` as fit `most` bytes.
fn shortened(text: &str, most: usize) -> String {
    let fits = |(at, char): &(usize, char)| at.saturating_add(char.len_utf8()) <= most;
    text.char_indices().take_while(fits).map(|(_, char)| char).collect()
}

fn refusal_out(why: Refusal) -> schema::Refusal {
    match why {
        Refusal::Declined => schema::Refusal::Declined,
        Refusal::Stranger => schema::Refusal::Stranger,
        Refusal::WouldOverwrite => schema::Refusal::WouldOverwrite,
        Refusal::NoSpace => schema::Refusal::NoSpace,
        Refusal::NotWritable => schema::Refusal::NotWritable,
        Refusal::BadManifest => schema::Refusal::BadManifest,
        Refusal::Busy => schema::Refusal::Busy,
        Refusal::TooMany => schema::Refusal::TooMany,
    }
}

fn refusal_in(why: schema::Refusal) -> Refusal {
    match why {
        schema::Refusal::Declined => Refusal::Declined,
        schema::Refusal::Stranger => Refusal::Stranger,
        schema::Refusal::WouldOverwrite => Refusal::WouldOverwrite,
        schema::Refusal::NoSpace => Refusal::NoSpace,
        schema::Refusal::NotWritable => Refusal::NotWritable,
        schema::Refusal::BadManifest => Refusal::BadManifest,
        schema::Refusal::Busy => Refusal::Busy,
        schema::Refusal::TooMany => Refusal::TooMany,
    }
}

fn reason_out(reason: CancelReason) -> schema::CancelReason {
    match reason {
        CancelReason::Cancelled => schema::CancelReason::Cancelled,
        CancelReason::SourceChanged => schema::CancelReason::SourceChanged,
        CancelReason::Mismatch => schema::CancelReason::Mismatch,
        CancelReason::DiskFull => schema::CancelReason::DiskFull,
        CancelReason::DiskFailed => schema::CancelReason::DiskFailed,
        CancelReason::WouldOverwrite => schema::CancelReason::WouldOverwrite,
        CancelReason::Violation => schema::CancelReason::Violation,
        CancelReason::Stalled => schema::CancelReason::Stalled,
    }
}

fn reason_in(reason: schema::CancelReason) -> CancelReason {
    match reason {
        schema::CancelReason::Cancelled => CancelReason::Cancelled,
        schema::CancelReason::SourceChanged => CancelReason::SourceChanged,
        schema::CancelReason::Mismatch => CancelReason::Mismatch,
        schema::CancelReason::DiskFull => CancelReason::DiskFull,
        schema::CancelReason::DiskFailed => CancelReason::DiskFailed,
        schema::CancelReason::WouldOverwrite => CancelReason::WouldOverwrite,
        schema::CancelReason::Violation => CancelReason::Violation,
        schema::CancelReason::Stalled => CancelReason::Stalled,
    }
}
