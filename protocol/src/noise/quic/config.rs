//! The client's and the server's configuration: where the QUIC implementation asks for a session.

use std::sync::Arc;

use noq_proto::crypto::{ClientConfig, Keys, ServerConfig, Session, UnsupportedVersion};
use noq_proto::transport_parameters::TransportParameters;
use noq_proto::{ConnectError, ConnectionId, Side};

use super::identities::Identities;
use super::session::NoiseSession;
use super::{WIRE_VERSION, initial};
use crate::identity::PeerId;
use crate::noise::agreement::Shared;

pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    pub(super) remote: PeerId,
}

impl ClientConfig for Client {
    fn start_session(
        &self,
        version: u32,
        _server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        if version != WIRE_VERSION {
            return Err(ConnectError::UnsupportedVersion);
        }
        // A `PeerId` is of prime order and the parameters are short, so writing message 1 does not fail; the name
        // of the peer is the only thing that the caller could have got wrong.
        let session = NoiseSession::client(&self.shared, self.remote, params)
            .map_err(|error| ConnectError::InvalidServerName(error.to_string()))?;
        Ok(Box::new(session))
    }
}

pub(super) struct Server {
    pub(super) shared: Arc<Shared>,
    pub(super) others: Arc<Identities>,
}

impl Server {
    /// Who is meant by a packet's connection id.
    fn dialled(&self, dst_cid: &ConnectionId) -> PeerId {
        self.others.dialled(dst_cid).unwrap_or_else(|| Arc::clone(&self.shared)).identity.peer_id()
    }
}

impl ServerConfig for Server {
    fn initial_keys(&self, version: u32, dst_cid: ConnectionId) -> Result<Keys, UnsupportedVersion> {
        if version != WIRE_VERSION {
            return Err(UnsupportedVersion);
        }
        Ok(initial::keys(&self.dialled(&dst_cid), &dst_cid, Side::Server))
    }

    fn retry_tag(&self, _version: u32, orig_dst_cid: ConnectionId, packet: &[u8]) -> [u8; 16] {
        initial::retry_tag(&self.dialled(&orig_dst_cid), &orig_dst_cid, &[packet])
    }

    fn start_session(&self, _version: u32, params: &TransportParameters) -> Box<dyn Session> {
        Box::new(NoiseSession::server(&self.shared, params))
    }
}
