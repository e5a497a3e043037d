//! What nodes of the table store: records, their content, notes.

use std::time::Duration;

use hither_schema::record_capnp::{self as schema, addresses, bundle, note, record};

use super::{Malformed, encode_within, exact, read, read_padded};
use crate::dht::{
    BadNote, BadRecord, Contact, Content, Hour, Introduced, NodeKey, Note, Period, Prekey, Record,
    RecordKind, read_address, write_address,
};
use crate::identity::PeerId;

impl From<Malformed> for BadRecord {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<Malformed> for BadNote {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// In one segment: of several, there would be several ways to write the same.
fn encode_one<T: capnp::traits::Owned>(fill: impl FnOnce(T::Builder<'_>)) -> Vec<u8> {
    const WORDS: u32 = 64;
    encode_within::<T>(WORDS, fill)
}

pub(crate) fn encode_record(said: &Record) -> Vec<u8> {
    encode_one::<record::Owned>(|mut root| {
        root.set_kind(match said.kind() {
            RecordKind::Addresses => schema::RecordKind::Addresses,
            RecordKind::Bundle => schema::RecordKind::Bundle,
        });
        // A record of a later day cannot be made.
        root.set_period(u32::try_from(said.period().0).unwrap_or(u32::MAX));
        root.set_sequence(said.sequence());
        root.set_ttl(u32::try_from(said.ttl().as_secs()).unwrap_or(u32::MAX));
        root.set_key(said.key());
        root.set_sealed(said.sealed());
        root.set_signature(said.signature());
    })
}

pub(crate) fn parse_record(bytes: &[u8]) -> Result<Record, BadRecord> {
    let message = read::<record::Owned>(bytes)?;
    let root = message.get().map_err(Malformed::from)?;
    let kind = match root.get_kind().map_err(Malformed::from)? {
        schema::RecordKind::Addresses => RecordKind::Addresses,
        schema::RecordKind::Bundle => RecordKind::Bundle,
    };
    Record::from_parts(
        kind,
        Period(root.get_period().into()),
        exact(root.get_key().map_err(Malformed::from)?)?,
        root.get_sequence(),
        Duration::from_secs(root.get_ttl().into()),
        root.get_sealed().map_err(Malformed::from)?.to_vec(),
        exact(root.get_signature().map_err(Malformed::from)?)?,
    )
}

pub(crate) fn encode_note(said: &Note) -> Vec<u8> {
    encode_one::<note::Owned>(|mut root| {
        root.set_mark(said.mark());
        // A note of a later hour cannot be made.
        root.set_hour(u32::try_from(said.hour().0).unwrap_or(u32::MAX));
        root.set_key(said.key().as_bytes());
        root.set_work(said.work());
        root.set_sequence(said.sequence());
        root.set_sealed(said.sealed());
        root.set_signature(said.signature());
    })
}

pub(crate) fn parse_note(bytes: &[u8]) -> Result<Note, BadNote> {
    let message = read::<note::Owned>(bytes)?;
    let root = message.get().map_err(Malformed::from)?;
    Note::from_parts(
        exact(root.get_mark().map_err(Malformed::from)?)?,
        Hour(root.get_hour().into()),
        PeerId::from_bytes(root.get_key().map_err(Malformed::from)?).map_err(|_| BadNote::Key)?,
        root.get_work(),
        root.get_sequence(),
        root.get_sealed().map_err(Malformed::from)?.to_vec(),
        exact(root.get_signature().map_err(Malformed::from)?)?,
    )
}

/// What is sealed in a record, before it is filled up.
pub(crate) fn encode_content(said: &Content) -> Vec<u8> {
    match said {
        Content::Addresses { at, introduced } => encode_one::<addresses::Owned>(|mut root| {
            let mut list = Vec::new();
            at.iter().for_each(|address| write_address(&mut list, *address));
            root.set_at(&list);
            list.clear();
            if let Some(Introduced { key, by }) = introduced {
                list.extend_from_slice(&key.0);
                for contact in by {
                    list.extend_from_slice(&contact.key().0);
                    write_address(&mut list, contact.address());
                }
            }
            root.set_introducers(&list);
        }),
        Content::Bundle { mailboxes, prekey, devices } => encode_one::<bundle::Owned>(|mut root| {
            root.set_mailboxes(&joined(mailboxes));
            if let Some(prekey) = prekey {
                root.set_prekey(&prekey.key);
                root.set_prekey_number(prekey.number);
            }
            root.set_devices(&joined(devices));
        }),
    }
}

/// What was sealed in a record of a kind.
pub(crate) fn parse_content(kind: RecordKind, bytes: &[u8]) -> Result<Content, Malformed> {
    match kind {
        RecordKind::Addresses => {
            let message = read_padded::<addresses::Owned>(bytes)?;
            let root = message.get()?;
            let (mut rest, mut at) = (root.get_at()?, Vec::new());
            while !rest.is_empty() {
                at.push(read_address(&mut rest).ok_or(Malformed)?);
            }
            Ok(Content::Addresses { at, introduced: parse_introduced(root.get_introducers()?)? })
        }
        RecordKind::Bundle => {
            let message = read_padded::<bundle::Owned>(bytes)?;
            let root = message.get()?;
            let prekey = match root.get_prekey()? {
                [] => None,
                key => Some(Prekey { number: root.get_prekey_number(), key: exact(key)? }),
            };
            let (mailboxes, devices) = (split(root.get_mailboxes()?)?, split(root.get_devices()?)?);
            Ok(Content::Bundle { mailboxes, prekey, devices })
        }
    }
}

/// Nothing, or a key and who knows its owner by it. How many those may be is for others to say.
fn parse_introduced(bytes: &[u8]) -> Result<Option<Introduced>, Malformed> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (key, mut rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    let mut by = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_first_chunk().ok_or(Malformed)?;
        rest = after;
        let address = read_address(&mut rest).ok_or(Malformed)?;
        by.push(Contact::new(NodeKey(*key), address).ok_or(Malformed)?);
    }
    Ok(Some(Introduced { key: NodeKey(*key), by }))
}

fn joined(peers: &[PeerId]) -> Vec<u8> {
    peers.iter().flat_map(|peer| *peer.as_bytes()).collect()
}

fn split(bytes: &[u8]) -> Result<Vec<PeerId>, Malformed> {
    bytes.chunks(32).map(|peer| PeerId::from_bytes(peer).map_err(|_| Malformed)).collect()
}
