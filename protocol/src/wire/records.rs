//! Records on this node's own disk. A record that does not parse is damaged; it is left where it is and not used.

use std::path::PathBuf;

use hither_schema::records_capnp::{contact, kept, peer_count, queued, receiving, unfinished};

use super::{EntrySet, Envelope, Malformed, encode_bare, exact, read};
use crate::chat::MessageId;
use crate::identity::PeerId;
use crate::transfer::hash::Root;
use crate::transfer::{Places, Ticket};

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

/// A transfer that was begun and is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnfinishedRecord {
    pub(crate) peer: PeerId,
    pub(crate) name: String,
    pub(crate) files: u32,
    pub(crate) bytes: u64,
    /// Bytes the receiver had when this side last noted it.
    pub(crate) done: u64,
    /// Unix milliseconds.
    pub(crate) begun: u64,
    pub(crate) paused: bool,
    pub(crate) way: Way,
}

/// Which way a transfer goes, and what this side needs to go on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// Of these paths, as they were named, and whether symbolic links go as such.
    Sending {
        paths: Vec<PathBuf>,
        links: bool,
    },
    Receiving(Accepted),
    /// From whoever has some of it.
    Fetching(Box<Ticket>, Accepted),
    /// Everything is in place, with this root: kept for a sender that has not heard of it.
    Complete(Root),
}

/// How an offer was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) into: PathBuf,
    /// Of the manifest.
    pub(crate) digest: [u8; 32],
    pub(crate) places: Places,
    pub(crate) skip: EntrySet,
    pub(crate) overwrite: bool,
}

impl UnfinishedRecord {
    /// `None` where a path is not Unicode: such a transfer cannot be found again.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let texts = |paths: &[PathBuf]| {
            paths.iter().map(|path| path.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        let paths = match &self.way {
            Way::Sending { paths, .. } => texts(paths)?,
            Way::Receiving(accepted) | Way::Fetching(_, accepted) => {
                texts(std::slice::from_ref(&accepted.into))?
            }
            Way::Complete(_) => Vec::new(),
        };
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Some(encode_bare::<unfinished::Owned>(|mut root| {
            root.set_peer(self.peer.as_bytes());
            root.set_name(&self.name);
            root.set_files(self.files);
            root.set_bytes(self.bytes);
            root.set_done(self.done);
            root.set_begun(self.begun);
            root.set_paused(self.paused);
            match &self.way {
                Way::Sending { links, .. } => {
                    root.set_links(*links);
                    let mut list = root.init_sending(count(paths.len()));
                    for (index, path) in (0..).zip(&paths) {
                        list.set(index, path);
                    }
                }
                Way::Complete(hash) => root.set_complete(&hash.0),
                Way::Receiving(accepted) => accepted.fill(root.init_receiving()),
                Way::Fetching(ticket, accepted) => {
                    let mut fetching = root.init_fetching();
                    fetching.set_ticket(ticket.to_string());
                    accepted.fill(fetching.init_receiving());
                }
            }
        }))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let message = read::<unfinished::Owned>(bytes)?;
        let root = message.get()?;
        let way = match root.which()? {
            unfinished::Sending(paths) => {
                let paths = paths?.iter().map(|path| Ok(PathBuf::from(path?.to_str()?)));
                Way::Sending { paths: paths.collect::<Result<_, Malformed>>()?, links: root.get_links() }
            }
            unfinished::Complete(root) => Way::Complete(Root(exact(root?)?)),
            unfinished::Receiving(receiving) => Way::Receiving(Accepted::parse(receiving?)?),
            unfinished::Fetching(fetching) => {
                let fetching = fetching?;
                let ticket = fetching.get_ticket()?.to_str()?.parse::<Ticket>().map_err(|_| Malformed)?;
                Way::Fetching(Box::new(ticket), Accepted::parse(fetching.get_receiving()?)?)
            }
        };
        Ok(Self {
            peer: PeerId::from_bytes(root.get_peer()?).map_err(|_| Malformed)?,
            name: root.get_name()?.to_str()?.to_owned(),
            files: root.get_files(),
            bytes: root.get_bytes(),
            done: root.get_done(),
            begun: root.get_begun(),
            paused: root.get_paused(),
            way,
        })
    }
}

impl Accepted {
    fn fill(&self, mut receiving: receiving::Builder<'_>) {
        // A record whose folder is not Unicode is not written.
        receiving.set_into(self.into.to_str().unwrap_or_default());
        receiving.set_digest(&self.digest);
        receiving.set_skip(self.skip.bits());
        receiving.set_overwrite(self.overwrite);
        let count = u32::try_from(self.places.0.len()).unwrap_or(u32::MAX);
        let mut list = receiving.init_places(count);
        for (index, (from, to)) in (0..).zip(&self.places.0) {
            let mut renamed = list.reborrow().get(index);
            renamed.set_from(from);
            renamed.set_to(to);
        }
    }

    fn parse(receiving: receiving::Reader<'_>) -> Result<Self, Malformed> {
        let mut places = Places::default();
        for renamed in receiving.get_places()? {
            let (from, to) = (renamed.get_from()?.to_str()?, renamed.get_to()?.to_str()?);
            places.0.insert(from.to_owned(), to.to_owned());
        }
        Ok(Self {
            into: PathBuf::from(receiving.get_into()?.to_str()?),
            digest: exact(receiving.get_digest()?)?,
            places,
            skip: EntrySet::from_bits(receiving.get_skip()?),
            overwrite: receiving.get_overwrite(),
        })
    }
}
