//! The key schedule: from the finished handshake to the secrets of each level and direction, and their ratchet.
//!
//! All of it is BLAKE3's key derivation under labels of Hither's own, so that nothing here equals what Noise's
//! own `Split` would give.

use noq_proto::Side;
use noq_proto::crypto::{ExportKeyingMaterialError, KeyPair, Keys, PacketKey};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{Cipher, header, packet};
use crate::noise::handshake::Handshake;

/// The longest that one exporter gives, in bytes; 255 hash lengths, as in RFC 5869.
const MAX_EXPORT: usize = 255 * 32;

/// Everything that follows from a finished handshake.
pub(super) struct Schedule {
    pub(super) cipher: Cipher,
    pub(super) hash: [u8; 32],
    pub(super) handshake: LevelSecrets,
    pub(super) one_rtt: LevelSecrets,
    exporter: Zeroizing<[u8; 32]>,
}

impl Schedule {
    /// Derives from the final chaining key, the final hash and the cipher.
    pub(super) fn new(finished: &Handshake, cipher: Cipher) -> Self {
        let mut input = Zeroizing::new(Vec::with_capacity(65));
        input.extend_from_slice(finished.chaining_key());
        input.extend_from_slice(finished.hash());
        input.push(cipher.number());
        let derive = |label| blake3::derive_key(label, &input);
        Self {
            cipher,
            hash: *finished.hash(),
            handshake: LevelSecrets {
                client: derive("hither v1 quic handshake client"),
                server: derive("hither v1 quic handshake server"),
            },
            one_rtt: LevelSecrets {
                client: derive("hither v1 quic 1-rtt client"),
                server: derive("hither v1 quic 1-rtt server"),
            },
            exporter: Zeroizing::new(derive("hither v1 quic exporter")),
        }
    }

    /// Keying material for something bound to this connection. Label, context and length all change it.
    pub(super) fn export(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        if output.len() > MAX_EXPORT {
            return Err(ExportKeyingMaterialError);
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.exporter);
        for length in [output.len(), label.len(), context.len()] {
            let length = u64::try_from(length).map_err(|_| ExportKeyingMaterialError)?;
            hasher.update(&length.to_le_bytes());
        }
        hasher.update(label).update(context).finalize_xof().fill(output);
        Ok(())
    }
}

/// One level's secret of each direction.
#[derive(ZeroizeOnDrop)]
pub(super) struct LevelSecrets {
    client: [u8; 32],
    server: [u8; 32],
}

impl LevelSecrets {
    /// Of Initial packets.
    pub(super) fn initial(secret: &[u8; 32]) -> Self {
        Self {
            client: blake3::derive_key("hither v1 quic initial client", secret),
            server: blake3::derive_key("hither v1 quic initial server", secret),
        }
    }

    /// Packet and header keys, seen from `side`.
    pub(super) fn keys(&self, cipher: Cipher, side: Side) -> Keys {
        let (local, remote) = self.seen_from(side);
        Keys {
            header: KeyPair { local: header::key(cipher, local), remote: header::key(cipher, remote) },
            packet: self.packet_keys(cipher, side),
        }
    }

    /// Packet keys only, seen from `side`.
    pub(super) fn packet_keys(&self, cipher: Cipher, side: Side) -> KeyPair<Box<dyn PacketKey>> {
        let (local, remote) = self.seen_from(side);
        KeyPair { local: packet::key(cipher, local), remote: packet::key(cipher, remote) }
    }

    /// Moves both directions on to the next key phase (RFC 9001, section 6); the old secrets are gone.
    pub(super) fn ratchet(&mut self) {
        self.client = blake3::derive_key("hither v1 quic key update", &self.client);
        self.server = blake3::derive_key("hither v1 quic key update", &self.server);
    }

    fn seen_from(&self, side: Side) -> (&[u8; 32], &[u8; 32]) {
        match side {
            Side::Client => (&self.client, &self.server),
            Side::Server => (&self.server, &self.client),
        }
    }
}
