//! What happens to transfers between their start and their end, and how they are listed.

use std::path::PathBuf;

use hither_protocol::identity::PeerId;
use serde_json::{Value, json};

use super::human::{count, size};
use crate::inert::inert;

/// What happens to a transfer between its start and its end. Sizes are bytes of the whole of it.
#[derive(Debug, Clone)]
pub enum Course {
    /// The connection was lost, and is sought again.
    Suspended {
        /// The transfer.
        transfer: String,
        /// What it is called; may be empty.
        name: String,
        /// Whether this side sends.
        sending: bool,
        /// Bytes that the receiver has, as far as is known here.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// It goes on where it was interrupted.
    Resuming {
        /// The transfer.
        transfer: String,
        /// What it is called; may be empty.
        name: String,
        /// The folder that it goes on in, on the receiving side.
        into: Option<PathBuf>,
        /// Bytes that the receiver has.
        done: u64,
        /// Bytes in all.
        total: u64,
        /// Bytes that should have been there and are not.
        lost: u64,
        /// Files that have changed at the sender since they were begun.
        changed: u32,
    },
    /// It begins from the start though it was begun before.
    Restarting {
        /// The transfer.
        transfer: String,
        /// What it is called; may be empty.
        name: String,
        /// Why, as a sentence.
        why: String,
    },
    /// It stands still because someone wants it, or goes on.
    Paused {
        /// The transfer.
        transfer: String,
        /// Whether it stands still now.
        paused: bool,
        /// Who wants it.
        by: Pauser,
    },
}

/// Who lets a transfer stand still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pauser {
    /// Someone at this machine.
    Here,
    /// The other side, as it is called here.
    Peer(String),
}

/// A transfer that is under way, or can be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its id: 32 hexadecimal digits.
    pub transfer: String,
    /// Whether this side sends.
    pub sending: bool,
    /// The other side.
    pub peer: PeerId,
    /// The contact's name, if it is one.
    pub contact: Option<String>,
    /// What it is called, as its sender has it; may be empty.
    pub name: String,
    /// Bytes that the receiver has, as far as is known here.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// How it stands.
    pub state: TransferState,
    /// The folder that it goes into, or that what is sent is in.
    pub folder: Option<String>,
}

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferState {
    /// Bytes move, or are about to.
    Active,
    /// It stands still because one side wants it.
    Paused,
    /// The connection was lost and is sought.
    Waiting,
    /// It was interrupted, and can be gone on with.
    Interrupted,
    /// It was given up.
    Cancelled,
}

impl TransferState {
    const ALL: [Self; 5] = [Self::Active, Self::Paused, Self::Waiting, Self::Interrupted, Self::Cancelled];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl Course {
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Suspended { transfer, done, total, .. } => {
                json!({"event": "suspended", "transfer": transfer, "done": done, "total": total})
            }
            Self::Resuming { transfer, done, total, lost, changed, .. } => json!({
                "event": "resuming", "transfer": transfer, "done": done, "total": total, "lost": lost,
                "changed": changed,
            }),
            Self::Restarting { transfer, why, .. } => {
                json!({"event": "restarting", "transfer": transfer, "why": why})
            }
            Self::Paused { transfer, paused, by } => {
                let by = if *by == Pauser::Here { "here" } else { "peer" };
                json!({"event": "paused", "transfer": transfer, "paused": paused, "by": by})
            }
        }
    }

    pub(super) fn human(&self) -> String {
        match self {
            Self::Suspended { name, sending, done, total, .. } => {
                let there = if *sending { "were sent" } else { "are here" };
                format!(
                    "connection lost at {} %: {} {there}; trying again (Ctrl-C stops; it can be resumed)",
                    percent(*done, *total),
                    part(name, *done, *total)
                )
            }
            Self::Resuming { name, into, done, total, lost, changed, .. } => {
                let there = match into {
                    Some(into) => format!("here already, in {}", inert(&into.to_string_lossy())),
                    None => "there already".to_owned(),
                };
                let mut text = format!("resuming: {} are {there}", part(name, *done, *total));
                if *changed > 0 {
                    let (files, have, travel) = match changed {
                        1 => ("1 file".to_owned(), "has", "travels"),
                        more => (count(u64::from(*more), "file"), "have", "travel"),
                    };
                    text +=
                        &format!("; {files} {have} changed at the sender since and {travel} from the start");
                }
                if *lost > 0 {
                    text += &format!(
                        "; {} that had arrived are not there any more and travel again",
                        size(*lost)
                    );
                }
                text
            }
            Self::Restarting { name, why, .. } => {
                let name = if name.is_empty() { "the transfer".to_owned() } else { inert(name) };
                format!("{name} starts over: {}", inert(why))
            }
            Self::Paused { transfer, paused, by } => match (by, paused) {
                (Pauser::Here, true) => {
                    format!("paused: `hither transfers resume {}` goes on", short(transfer))
                }
                (Pauser::Here, false) => "going on".to_owned(),
                (Pauser::Peer(who), true) => {
                    format!("{} paused the transfer: it stands still until they let it go on", inert(who))
                }
                (Pauser::Peer(who), false) => format!("{} lets the transfer go on", inert(who)),
            },
        }
    }
}

impl Transfer {
    pub(super) fn value(&self) -> Value {
        let way = if self.sending { "sending" } else { "receiving" };
        json!({
            "event": "transfer", "transfer": self.transfer, "way": way, "peer": self.peer.to_string(),
            "contact": self.contact, "name": self.name, "done": self.done, "total": self.total,
            "state": self.state.name(), "folder": self.folder,
        })
    }

    pub(super) fn human(&self) -> String {
        let who = self.contact.as_deref().map_or_else(|| self.peer.to_string(), inert);
        let (to, into) = if self.sending { ("to", "from") } else { ("from", "into") };
        let name = if self.name.is_empty() { "-".to_owned() } else { inert(&self.name) };
        let folder = self.folder.as_deref().map(|folder| format!("  {into} {}", inert(folder)));
        format!(
            "{}  {}  {name}  {} of {} ({} %)  {to} {who}{}",
            short(&self.transfer),
            self.state.name(),
            size(self.done),
            size(self.total),
            percent(self.done, self.total),
            folder.unwrap_or_default()
        )
    }
}

/// The digits of a transfer's id that are enough to name it.
pub(crate) fn short(transfer: &str) -> &str {
    transfer.get(..8).unwrap_or(transfer)
}

/// `410 MB of 1.0 GB`, and of what.
fn part(name: &str, done: u64, total: u64) -> String {
    let of = if name.is_empty() { String::new() } else { format!(" of {}", inert(name)) };
    format!("{} of {}{of}", size(done), size(total))
}

fn percent(done: u64, total: u64) -> u128 {
    (u128::from(done) * 100 / u128::from(total.max(1))).min(100)
}
