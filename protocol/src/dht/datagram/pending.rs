//! What was asked and is not answered yet.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::Transaction;
use crate::dht::statistics::Reason;
use crate::noise::handshake::Handshake;

/// Requests and hellos that are waited for at most; ten times what a busy node has under way.
pub(super) const MAX_PENDING: usize = 1024;

/// Bounded: where there are too many, the oldest makes room, whose reply will not come any more.
#[derive(Default)]
pub(super) struct Pending {
    asked: BTreeMap<Transaction, Asked>,
}

struct Asked {
    since: Instant,
    of: (IpAddr, u16),
    awaited: Awaited,
}

/// What kind of answer is waited for.
pub(super) enum Awaited {
    /// One that this reads.
    Reply(Box<Handshake>),
    /// A key.
    Greeting,
}

impl Pending {
    pub(super) fn insert(
        &mut self,
        now: Instant,
        transaction: Transaction,
        of: SocketAddr,
        awaited: Awaited,
    ) {
        if self.asked.len() >= MAX_PENDING {
            let oldest = self.asked.iter().min_by_key(|(_, asked)| asked.since);
            if let Some(oldest) = oldest.map(|(transaction, _)| *transaction) {
                self.asked.remove(&oldest);
            }
        }
        self.asked.insert(transaction, Asked { since: now, of: place(of), awaited });
    }

    /// What is waited for under that name, if the answer comes from where it was asked for.
    pub(super) fn get(&mut self, transaction: Transaction, from: SocketAddr) -> Result<&mut Awaited, Reason> {
        let asked = self.asked.get_mut(&transaction).ok_or(Reason::NothingAsked)?;
        if asked.of == place(from) { Ok(&mut asked.awaited) } else { Err(Reason::FromElsewhere) }
    }

    pub(super) fn remove(&mut self, transaction: Transaction) {
        self.asked.remove(&transaction);
    }
}

/// An address without what only this machine's sockets make of it: clothes of IPv6, labels of flows, interfaces.
fn place(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}
