//! Records on this node's own disk. A record that does not parse is damaged; it is left where it is and not used.

use hither_schema::records_capnp::{contact, kept, peer_count, queued};

use super::{Envelope, Malformed, encode_bare, exact, read};
use crate::chat::MessageId;
use crate::identity::PeerId;

/// A message that waits for its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuedRecord {
    pub(crate) recipient: PeerId,
    pub(crate) sequence: u64,
    pub(crate) envelope: Envelope,
}

/// What is counted for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PeerCount {
    pub(crate) sequence: u64,
    pub(crate) asked: u64,
    pub(crate) newest: Option<MessageId>,
}

impl QueuedRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode_bare::<queued::Owned>(|mut root| {
            root.set_recipient(self.recipient.as_bytes());
            root.set_sequence(self.sequence);
            root.set_envelope(&self.envelope.to_record());
        })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let message = read::<queued::Owned>(bytes)?;
        let queued = message.get()?;
        Ok(Self {
            recipient: PeerId::from_bytes(queued.get_recipient()?).map_err(|_| Malformed)?,
            sequence: queued.get_sequence(),
            envelope: Envelope::from_record(queued.get_envelope()?)?,
        })
    }
}

impl PeerCount {
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode_bare::<peer_count::Owned>(|mut root| {
            root.set_sequence(self.sequence);
            root.set_asked(self.asked);
            if let Some(newest) = self.newest {
                root.set_newest(&newest.0);
            }
        })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let message = read::<peer_count::Owned>(bytes)?;
        let count = message.get()?;
        let newest = match count.get_newest()? {
            [] => None,
            id => Some(MessageId(exact(id)?)),
        };
        Ok(Self { sequence: count.get_sequence(), asked: count.get_asked(), newest })
    }
}

/// A message that arrived, for the inbox.
pub(crate) fn encode_kept(envelope: &Envelope, arrived: u64) -> Vec<u8> {
    encode_bare::<kept::Owned>(|mut root| {
        root.set_envelope(&envelope.to_record());
        root.set_arrived(arrived);
    })
}

/// A contact's name and whether it is blocked.
pub(crate) fn encode_contact(name: &str, blocked: bool) -> Vec<u8> {
    encode_bare::<contact::Owned>(|mut root| {
        root.set_name(name);
        root.set_blocked(blocked);
    })
}

pub(crate) fn parse_contact(bytes: &[u8]) -> Result<(String, bool), Malformed> {
    let message = read::<contact::Owned>(bytes)?;
    let contact = message.get()?;
    Ok((contact.get_name()?.to_str()?.to_owned(), contact.get_blocked()))
}
