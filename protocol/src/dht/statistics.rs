//! What was refused or dropped, and why: for whoever looks after the node.

use std::collections::BTreeMap;

/// Why something was refused or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A datagram shorter than its kind is.
    TooShort,
    /// A datagram longer than its kind may be.
    TooLong,
    /// A first byte that stands for nothing yet.
    UnknownKind,
    /// A request to an id that is none of our key's.
    OtherKey,
    /// A greeting, or the answer to one, from another network, or changed on its way.
    OtherNetwork,
    /// More than one address may ask.
    AddressRate,
    /// More than one prefix may ask.
    PrefixRate,
    /// More than all together may ask.
    TotalRate,
    /// A cookie that is too old, or another address's. The request counts as one without.
    WrongCookie,
    /// The tag does not fit: changed on its way, meant for another key or another network, or forged.
    Undecipherable,
    /// A key of small order, which proves nothing.
    WeakKey,
    /// It decrypts, and is no message.
    Malformed,
    /// A reply to nothing that was asked, or too late.
    NothingAsked,
    /// A reply from another address than was asked.
    FromElsewhere,
    /// A record or note that is not rightly signed, or without the work for it.
    BadItem,
    /// A request without a cookie that needs one.
    NoCookie,
    /// A record older than what is stored, or of the same number.
    Older,
    /// A record or note whose time is over, or has not come.
    Expired,
    /// A record or note for which there was no room.
    Full,
    /// A contact whose address means nothing here: private, from far away.
    OutOfScope,
    /// Something that was not looked for: a record of another key, a note of another place.
    OffTarget,
    /// A call to somebody who is not introduced here, or of somebody who does not introduce this node.
    NotIntroduced,
    /// More calls than one who is called answers, or than one introducer may pass on.
    TooManyCalls,
}

impl Reason {
    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooShort => "too short",
            Self::TooLong => "too long",
            Self::UnknownKind => "of an unknown kind",
            Self::OtherKey => "for another key",
            Self::OtherNetwork => "of another network",
            Self::AddressRate => "too many from one address",
            Self::PrefixRate => "too many from one prefix",
            Self::TotalRate => "too many in all",
            Self::WrongCookie => "wrong cookie",
            Self::Undecipherable => "does not decrypt",
            Self::WeakKey => "key of small order",
            Self::Malformed => "malformed",
            Self::NothingAsked => "reply to nothing asked",
            Self::FromElsewhere => "reply from another address",
            Self::BadItem => "record or note not right",
            Self::NoCookie => "no cookie",
            Self::Older => "older record",
            Self::Expired => "expired",
            Self::Full => "no room",
            Self::OutOfScope => "contact out of scope",
            Self::OffTarget => "not what was looked for",
            Self::NotIntroduced => "call to nobody here",
            Self::TooManyCalls => "too many calls",
        }
    }
}

/// Counters since the start. None of them wraps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Datagrams that came in, good or bad.
    pub datagrams_in: u64,
    /// Bytes in them, without the headers of UDP and IP.
    pub bytes_in: u64,
    /// Datagrams that went out.
    pub datagrams_out: u64,
    /// Bytes in them, without the headers of UDP and IP.
    pub bytes_out: u64,
    refused: BTreeMap<Reason, u64>,
}

impl Statistics {
    /// Counts something refused or dropped.
    pub fn refuse(&mut self, why: Reason) {
        self.refuse_many(why, 1);
    }

    /// Counts so many of them.
    pub fn refuse_many(&mut self, why: Reason, count: u64) {
        if count > 0 {
            let counter = self.refused.entry(why).or_default();
            *counter = counter.saturating_add(count);
        }
    }

    /// Counts a datagram of so many bytes that came in.
    pub fn received(&mut self, bytes: usize) {
        self.datagrams_in = self.datagrams_in.saturating_add(1);
        self.bytes_in = self.bytes_in.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Counts a datagram of so many bytes that went out.
    pub fn sent(&mut self, bytes: usize) {
        self.datagrams_out = self.datagrams_out.saturating_add(1);
        self.bytes_out = self.bytes_out.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// How often something was refused for this reason.
    pub fn count(&self, why: Reason) -> u64 {
        self.refused.get(&why).copied().unwrap_or_default()
    }

    /// What was refused at all: the reason in a few words, and how often.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refused.iter().map(|(why, count)| (why.name(), *count))
    }
}
