//! Envelopes: what is signed is what is stored is what travels.

use hither_schema::control_capnp::{content, envelope};

use super::{Malformed, encode_bare, exact, read};
use crate::chat::{MAX_TEXT, MessageId};
use crate::identity::{Identity, PeerId};

const LABEL: &[u8] = b"hither v1 message";
/// Most parents a message may name.
const MAX_PARENTS: u32 = 8;

/// A signed message, opaque until [`Envelope::open`] has proven it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    content: Vec<u8>,
    signature: [u8; 64],
}

/// What an envelope holds, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) id: MessageId,
    pub(crate) sender: PeerId,
    pub(crate) recipient: PeerId,
    pub(crate) sequence: u64,
    pub(crate) parents: Vec<MessageId>,
    pub(crate) time: u64,
    pub(crate) text: String,
}

/// What an author puts in.
#[derive(Debug, Clone)]
pub(crate) struct NewContent<'a> {
    pub(crate) id: MessageId,
    pub(crate) recipient: PeerId,
    pub(crate) sequence: u64,
    pub(crate) parents: Vec<MessageId>,
    pub(crate) time: u64,
    pub(crate) text: &'a str,
}

impl Envelope {
    /// Writes and signs a message.
    pub(crate) fn seal(author: &Identity, new: &NewContent<'_>) -> Self {
        let sender = author.peer_id();
        let content = encode_bare::<content::Owned>(|mut root| {
            root.set_id(&new.id.0);
            root.set_sender(sender.as_bytes());
            root.set_recipient(new.recipient.as_bytes());
            root.set_sequence(new.sequence);
            root.set_time(new.time);
            root.set_text(new.text);
            let kept = u32::try_from(new.parents.len()).unwrap_or(u32::MAX).min(MAX_PARENTS);
            let mut parents = root.init_parents(kept);
            for (index, parent) in (0..kept).zip(&new.parents) {
                parents.set(index, &parent.0);
            }
        });
        let signature = author.sign(&signed_bytes(&new.recipient, &content));
        Self { content, signature }
    }

    /// Checks that `sender` wrote this to `recipient`, and gives what it says.
    pub(crate) fn open(&self, sender: PeerId, recipient: PeerId) -> Result<Content, Malformed> {
        if !sender.verifies(&signed_bytes(&recipient, &self.content), &self.signature) {
            return Err(Malformed);
        }
        let message = read::<content::Owned>(&self.content)?;
        let content = message.get()?;
        let parents = content.get_parents()?;
        let text = content.get_text()?;
        if parents.len() > MAX_PARENTS || text.len() > MAX_TEXT {
            return Err(Malformed);
        }
        let parsed = Content {
            id: MessageId(exact(content.get_id()?)?),
            sender: PeerId::from_bytes(content.get_sender()?).map_err(|_| Malformed)?,
            recipient: PeerId::from_bytes(content.get_recipient()?).map_err(|_| Malformed)?,
            sequence: content.get_sequence(),
            parents: parents.iter().map(|id| Ok(MessageId(exact(id?)?))).collect::<Result<_, Malformed>>()?,
            time: content.get_time(),
            text: text.to_str()?.to_owned(),
        };
        if parsed.sender != sender || parsed.recipient != recipient {
            return Err(Malformed);
        }
        Ok(parsed)
    }

    pub(super) fn fill(&self, mut root: envelope::Builder<'_>) {
        root.set_content(&self.content);
        root.set_signature(&self.signature);
    }

    pub(super) fn parse(root: envelope::Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { content: root.get_content()?.to_vec(), signature: exact(root.get_signature()?)? })
    }

    /// The envelope as a record keeps it.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        encode_bare::<envelope::Owned>(|root| self.fill(root))
    }

    /// The envelope from a record.
    pub(crate) fn from_record(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::parse(read::<envelope::Owned>(bytes)?.get()?)
    }
}

/// The recipient is part of what is signed, so that a message cannot be handed on as if it were to someone else.
fn signed_bytes(recipient: &PeerId, content: &[u8]) -> Vec<u8> {
    [LABEL, recipient.as_bytes(), content].concat()
}
