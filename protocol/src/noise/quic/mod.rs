//! The QUIC session on Noise IK, behind the QUIC implementation's cryptography traits.
//!
//! ```text
//! client                                             server
//! Initial    [message 1: ClientHello]           ->
//!            <-   Initial [message 2: ServerHello], Handshake [confirmation]
//! Handshake  [confirmation]                     ->
//! ```
//!
//! `session` runs that exchange, `secrets` is what the keys are derived from, `packet` and `header` the keys themselves, `initial` protection before there are secrets,
//! `config` where the implementation asks for all that, `identities` who else a node is beside itself, and `endpoint` what an endpoint needs beside its sessions.

use std::sync::Arc;

use noq_proto::crypto::{ClientConfig, ServerConfig};
use noq_proto::{ConnectionId, EndpointConfig};

use self::identities::Identities;
use super::agreement::Shared;
use super::stream::StreamCrypto;
use crate::entropy::{Entropy, Stream};
use crate::identity::{Identity, PeerId};

mod config;
mod endpoint;
mod header;
mod identities;
mod initial;
mod packet;
mod secrets;
mod session;
#[cfg(test)]
mod tests;

/// What both sides hash first, so that no other kind of session ever takes these messages for its own.
const LABEL: &[u8] = b"hither v1 quic";

pub use super::agreement::{Cipher, Ciphers, NetworkId, WIRE_VERSION};
pub use endpoint::{CONNECTION_ID_LENGTH, endpoint_config, initial_connection_ids, token_key};
#[cfg(test)]
pub(crate) use identities::tagged;
pub(crate) use identities::tagged_id;
pub use session::HandshakeData;

/// One node's side of every handshake: makes the sessions' configurations. It is one identity, and may be others beside
/// it for those who know them.
pub struct QuicCrypto {
    shared: Arc<Shared>,
    others: Arc<Identities>,
}

impl QuicCrypto {
    /// `ephemerals` is the stream that every handshake's ephemeral key is drawn from.
    pub fn new(identity: Arc<Identity>, network: NetworkId, ciphers: Ciphers, ephemerals: Stream) -> Self {
        let shared = Arc::new(Shared::new(identity, network, ciphers, ephemerals));
        Self { shared, others: Arc::default() }
    }

    /// For dialling `remote`, and nobody else.
    pub fn client(&self, remote: PeerId) -> Arc<dyn ClientConfig> {
        Arc::new(config::Client { shared: Arc::clone(&self.shared), remote })
    }

    /// For dialling `remote` as another identity.
    pub(crate) fn client_as(&self, identity: &Arc<Identity>, remote: PeerId) -> Arc<dyn ClientConfig> {
        Arc::new(config::Client { shared: Arc::new(self.shared.of(Arc::clone(identity))), remote })
    }

    /// For answering.
    pub fn server(&self) -> Arc<dyn ServerConfig> {
        Arc::new(config::Server { shared: Arc::clone(&self.shared), others: Arc::clone(&self.others) })
    }

    /// For answering as another identity, of those that this one answers for.
    pub(crate) fn server_as(&self, identity: &PeerId) -> Option<Arc<dyn ServerConfig>> {
        let shared = self.others.get(identity)?;
        Some(Arc::new(config::Server { shared, others: Arc::clone(&self.others) }))
    }

    /// Answers for another identity too, from now on: whoever dials it says so by a first connection id from
    /// [`tagged_id`].
    pub(crate) fn answer_for(&self, identity: &Arc<Identity>) {
        self.others.add(self.shared.of(Arc::clone(identity)));
    }

    /// Answers for it no more.
    pub(crate) fn answer_no_more_for(&self, identity: &PeerId) {
        self.others.remove(identity);
    }

    /// Which of the other identities a first packet with this connection id is for.
    pub(crate) fn dialled(&self, dst_cid: &ConnectionId) -> Option<PeerId> {
        Some(self.others.dialled(dst_cid)?.identity.peer_id())
    }

    /// The configuration of an endpoint at which all these identities answer: [`endpoint_config`], and the ids in its
    /// Retry packets tell them apart. While one is made, [`QuicCrypto::retry_as`] says for whom.
    pub(crate) fn endpoint_config(&self, entropy: &mut Entropy) -> EndpointConfig {
        endpoint::with_identities(entropy, &self.others)
    }

    /// The next connection id that is drawn is one of a Retry packet of this identity.
    pub(crate) fn retry_as(&self, identity: Option<PeerId>) {
        self.others.retry_as(identity);
    }

    /// The same identity's side of the handshakes of byte streams.
    pub fn streams(&self) -> StreamCrypto {
        StreamCrypto::new(Arc::clone(&self.shared))
    }

    /// Mixes fresh randomness into the ephemeral keys to come, after a resume or a restored snapshot.
    pub fn mix(&self, fresh: &[u8; 32]) {
        self.shared.mix(fresh);
    }
}
