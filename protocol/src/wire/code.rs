//! What two sides of a code say to each other, and what is kept of a code that was made here.

use hither_schema::code_capnp::{self as schema, code_identity, code_step, proof};
use hither_schema::records_capnp::stored_code;
use zeroize::Zeroizing;

use super::{Malformed, encode_bare, exact, read};
use crate::identity::PeerId;

/// Bytes of a sealed identity at most.
const MAX_SEALED: usize = 512;

/// A step towards proving a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CodeStep {
    Begin([u8; 32]),
    Reply([u8; 32]),
    Prove(Proof),
    Proven(Proof),
    Refuse(CodeRefusal),
}

/// That a side knows the code, and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) confirmation: [u8; 32],
    pub(crate) identity: Vec<u8>,
}

/// What the maker of a code says instead of going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeRefusal {
    Wrong,
    Burnt,
    Expired,
    Used,
    Busy,
}

/// What a side of a code is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Send,
    Receive,
    Meet,
}

/// Who a side of a code is, as it is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodeIdentity {
    pub(crate) peer: PeerId,
    pub(crate) signature: [u8; 64],
    pub(crate) wants: Wants,
}

impl Wants {
    /// Whether two sides fit each other.
    pub(crate) fn fits(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Send, Self::Receive) | (Self::Receive, Self::Send) | (Self::Meet, Self::Meet)
        )
    }
}

impl CodeStep {
    pub(super) fn fill(&self, mut root: code_step::Builder<'_>) {
        match self {
            Self::Begin(share) => root.set_begin(share),
            Self::Reply(share) => root.set_reply(share),
            Self::Prove(said) => said.fill(root.init_prove()),
            Self::Proven(said) => said.fill(root.init_proven()),
            Self::Refuse(why) => root.set_refuse(match why {
                CodeRefusal::Wrong => schema::CodeRefusal::Wrong,
                CodeRefusal::Burnt => schema::CodeRefusal::Burnt,
                CodeRefusal::Expired => schema::CodeRefusal::Expired,
                CodeRefusal::Used => schema::CodeRefusal::Used,
                CodeRefusal::Busy => schema::CodeRefusal::Busy,
            }),
        }
    }

    pub(super) fn parse(root: code_step::Reader<'_>) -> Result<Self, Malformed> {
        Ok(match root.which()? {
            code_step::Begin(share) => Self::Begin(exact(share?)?),
            code_step::Reply(share) => Self::Reply(exact(share?)?),
            code_step::Prove(said) => Self::Prove(Proof::parse(said?)?),
            code_step::Proven(said) => Self::Proven(Proof::parse(said?)?),
            code_step::Refuse(why) => Self::Refuse(match why? {
                schema::CodeRefusal::Wrong => CodeRefusal::Wrong,
                schema::CodeRefusal::Burnt => CodeRefusal::Burnt,
                schema::CodeRefusal::Expired => CodeRefusal::Expired,
                schema::CodeRefusal::Used => CodeRefusal::Used,
                schema::CodeRefusal::Busy => CodeRefusal::Busy,
            }),
        })
    }
}

impl Proof {
    fn fill(&self, mut root: proof::Builder<'_>) {
        root.set_confirmation(&self.confirmation);
        root.set_identity(&self.identity);
    }

    fn parse(root: proof::Reader<'_>) -> Result<Self, Malformed> {
        let identity = root.get_identity()?;
        if identity.len() > MAX_SEALED {
            return Err(Malformed);
        }
        Ok(Self { confirmation: exact(root.get_confirmation()?)?, identity: identity.to_vec() })
    }
}

impl CodeIdentity {
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode_bare::<code_identity::Owned>(|mut root| {
            root.set_peer(self.peer.as_bytes());
            root.set_signature(&self.signature);
            root.set_wants(match self.wants {
                Wants::Send => schema::CodeWants::Send,
                Wants::Receive => schema::CodeWants::Receive,
                Wants::Meet => schema::CodeWants::Meet,
            });
        })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let message = read::<code_identity::Owned>(bytes)?;
        let root = message.get()?;
        Ok(Self {
            peer: PeerId::from_bytes(root.get_peer()?).map_err(|_| Malformed)?,
            signature: exact(root.get_signature()?)?,
            wants: match root.get_wants()? {
                schema::CodeWants::Send => Wants::Send,
                schema::CodeWants::Receive => Wants::Receive,
                schema::CodeWants::Meet => Wants::Meet,
            },
        })
    }
}

/// A code that was made here and is still good. It holds the code itself.
pub(crate) struct StoredCode {
    pub(crate) words: Zeroizing<String>,
    pub(crate) purpose: [u8; 32],
    pub(crate) expires: u64,
    pub(crate) taken: u8,
    pub(crate) receivers: u16,
}

impl StoredCode {
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode_bare::<stored_code::Owned>(|mut root| {
            root.set_words(self.words.as_str());
            root.set_purpose(&self.purpose);
            root.set_expires(self.expires);
            root.set_taken(self.taken);
            root.set_receivers(self.receivers);
        })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let message = read::<stored_code::Owned>(bytes)?;
        let root = message.get()?;
        Ok(Self {
            words: Zeroizing::new(root.get_words()?.to_str()?.to_owned()),
            purpose: exact(root.get_purpose()?)?,
            expires: root.get_expires(),
            taken: root.get_taken(),
            receivers: root.get_receivers(),
        })
    }
}
