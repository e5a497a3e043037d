//! Proving a code over a link between two one-time keys: the exchange, its confirmation both ways, and who each is.
//!
//! The link's handshake has proven both one-time keys, so whoever is in between has a link of its own with each side,
//! and no two of these have the same session. A side that does not know the code learns one thing: that its one guess
//! was wrong. Names travel under a key that takes the code to know; the typer's goes with its confirmation, so that
//! the maker knows whom it is about to offer something.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::code::Code;
use super::cpace::{BadShare, Exchange, Shares, prefixed};
use super::rendezvous::Place;
use crate::identity::{Identity, PeerId};
use crate::wire::{CodeIdentity, Proof, Wants};

/// Which side of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Typed it, and dialled.
    Typer,
    /// Made it, and answered.
    Maker,
}

/// What both sides know of each other and of the link before the code is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channel {
    /// The link's own: from the exporter of its handshake.
    pub(crate) session: [u8; 32],
    /// The typer's one-time key.
    pub(crate) typer: PeerId,
    /// The maker's one-time key.
    pub(crate) maker: PeerId,
    /// Where they met.
    pub(crate) place: Place,
}

/// What does not prove a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadProof {
    /// The confirmation is not right: another code.
    Wrong,
    /// The confirmation is right, and what it vouches for is broken.
    Broken,
}

/// The typer's half of the exchange.
pub(crate) struct Begun {
    channel: Channel,
    exchange: Exchange,
}

/// What an exchange gives: the same on both sides if the code was.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Keys {
    transcript: [u8; 32],
    confirm_typer: [u8; 32],
    confirm_maker: [u8; 32],
    seal_typer: [u8; 32],
    seal_maker: [u8; 32],
}

impl Channel {
    /// CPace's channel identifier. Each part but the first has one length.
    fn identifier(&self) -> Vec<u8> {
        let parts =
            [b"hither v1 code".as_slice(), self.typer.as_bytes(), self.maker.as_bytes(), &self.place.0];
        parts.concat()
    }
}

impl Begun {
    /// The typer begins.
    pub(crate) fn new(code: &Code, channel: Channel, random: &Zeroizing<[u8; 64]>) -> Self {
        Self { channel, exchange: exchange(code, &channel, random) }
    }

    /// What the maker is sent.
    pub(crate) fn share(&self) -> [u8; 32] {
        *self.exchange.share()
    }

    /// The maker has replied.
    pub(crate) fn keys(self, reply: &[u8; 32]) -> Result<Keys, BadShare> {
        let own = self.share();
        Keys::new(self.exchange, &self.channel, (&own, reply), reply)
    }
}

/// The maker replies to a share: what it says, and what follows.
pub(crate) fn reply(
    code: &Code,
    channel: Channel,
    begin: &[u8; 32],
    random: &Zeroizing<[u8; 64]>,
) -> Result<([u8; 32], Keys), BadShare> {
    let exchange = exchange(code, &channel, random);
    let own = *exchange.share();
    Ok((own, Keys::new(exchange, &channel, (begin, &own), begin)?))
}

fn exchange(code: &Code, channel: &Channel, random: &Zeroizing<[u8; 64]>) -> Exchange {
    Exchange::new(code.secret().as_bytes(), &channel.identifier(), &channel.session, random)
}

impl Keys {
    fn new(
        exchange: Exchange,
        channel: &Channel,
        (typer, maker): (&[u8; 32], &[u8; 32]),
        theirs: &[u8; 32],
    ) -> Result<Self, BadShare> {
        let shares = Shares { initiator: (typer, b"typer"), responder: (maker, b"maker") };
        let key = exchange.key(&channel.session, theirs, &shares)?;
        let mut hasher = blake3::Hasher::new_derive_key("hither v1 code transcript");
        for part in [channel.session.as_slice(), &channel.identifier(), typer, maker] {
            prefixed(part, |bytes| {
                hasher.update(bytes);
            });
        }
        let transcript = *hasher.finalize().as_bytes();
        let mut input = Zeroizing::new([0; 96]);
        let (first, second) = input.split_at_mut(64);
        first.copy_from_slice(key.as_slice());
        second.copy_from_slice(&transcript);
        let derive = |label| blake3::derive_key(label, input.as_slice());
        Ok(Self {
            transcript,
            confirm_typer: derive("hither v1 code confirmation typer"),
            confirm_maker: derive("hither v1 code confirmation maker"),
            seal_typer: derive("hither v1 code identity typer"),
            seal_maker: derive("hither v1 code identity maker"),
        })
    }

    /// A side's proof: that it knows the code, who it is, and what it is here for.
    pub(crate) fn prove(&self, side: Side, me: &Identity, wants: Wants) -> Proof {
        let signature = me.sign(&self.signed(side));
        let mut identity = CodeIdentity { peer: me.peer_id(), signature, wants }.encode();
        // One message under each key. It is short, so sealing does not fail; nothing is what an error leaves of it.
        if self.cipher(side).encrypt_in_place(&[0; 12].into(), &[], &mut identity).is_err() {
            identity.clear();
        }
        Proof { confirmation: *self.confirmation(side), identity }
    }

    /// Checks the other side's proof: who it is, and what it is here for.
    pub(crate) fn check(&self, side: Side, proof: &Proof) -> Result<(PeerId, Wants), BadProof> {
        if !bool::from(self.confirmation(side).ct_eq(&proof.confirmation)) {
            return Err(BadProof::Wrong);
        }
        let mut opened = proof.identity.clone();
        self.cipher(side)
            .decrypt_in_place(&[0; 12].into(), &[], &mut opened)
            .map_err(|_| BadProof::Broken)?;
        let identity = CodeIdentity::parse(&opened).map_err(|_| BadProof::Broken)?;
        let signed = identity.peer.verifies(&self.signed(side), &identity.signature);
        if signed { Ok((identity.peer, identity.wants)) } else { Err(BadProof::Broken) }
    }

    #[cfg(test)]
    pub(super) fn transcript(&self) -> &[u8; 32] {
        &self.transcript
    }

    fn confirmation(&self, side: Side) -> &[u8; 32] {
        match side {
            Side::Typer => &self.confirm_typer,
            Side::Maker => &self.confirm_maker,
        }
    }

    fn cipher(&self, side: Side) -> ChaCha20Poly1305 {
        let key = match side {
            Side::Typer => &self.seal_typer,
            Side::Maker => &self.seal_maker,
        };
        ChaCha20Poly1305::new(key.into())
    }

    /// What an identity signs. The transcript holds both one-time keys and the link's session.
    fn signed(&self, side: Side) -> Vec<u8> {
        let label: &[u8] = match side {
            Side::Typer => b"hither v1 code typer",
            Side::Maker => b"hither v1 code maker",
        };
        [label, &self.transcript].concat()
    }
}
