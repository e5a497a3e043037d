//! One handshake, and the keys that come of it: the QUIC implementation's `Session`.

use std::any::Any;
use std::sync::Arc;

use noq_proto::crypto::{ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session};
use noq_proto::transport_parameters::TransportParameters;
use noq_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use x25519_dalek::StaticSecret;

use super::secrets::Schedule;
use super::{Cipher, Ciphers, LABEL, initial};
use crate::identity::PeerId;
use crate::noise::agreement::{HandshakeError, Shared};
use crate::noise::frames::{Frames, framed};
use crate::noise::handshake::Handshake;
use crate::noise::hello::{ClientHello, ServerHello};

/// What each side says under the Handshake keys. That it comes under those keys is the proof; the byte is only
/// there because something must be.
const CONFIRMATION: [u8; 1] = [1];

/// What is known once the handshake is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeData {
    /// What packets are encrypted with.
    pub cipher: Cipher,
    /// The handshake's hash: the same on both sides, and unique to this connection.
    pub hash: [u8; 32],
}

impl From<HandshakeError> for TransportError {
    fn from(error: HandshakeError) -> Self {
        // TLS's alert codes (RFC 8446, section 6), as RFC 9001, section 4.8 puts them into QUIC.
        let alert = match error {
            HandshakeError::Noise(_) => 51,
            HandshakeError::Malformed => 50,
            HandshakeError::BadId => 42,
            HandshakeError::NoCipher => 40,
            HandshakeError::Unexpected => 10,
        };
        Self::new(TransportErrorCode::crypto(alert), error.to_string())
    }
}

/// Where the handshake stands. What is to be written is written, and what is to be handed out handed out, by the
/// next calls of `write_handshake`.
enum Stage {
    /// Client: message 1 lies ready. It must all go in one write, because a Retry repeats only the first.
    Dial { handshake: Box<Handshake>, message: Vec<u8> },
    /// Client: waits for message 2.
    AwaitReply { handshake: Box<Handshake> },
    /// Server: waits for message 1.
    Listen { handshake: Box<Handshake>, transport: Vec<u8> },
    /// Both sides are through with Noise; the Handshake keys are to be handed out, by the server after message 2.
    HandshakeKeys { schedule: Box<Schedule>, message: Vec<u8> },
    /// Client: waits for the server's confirmation.
    AwaitServer { schedule: Box<Schedule> },
    /// The 1-RTT keys are to be handed out, with this side's confirmation before them.
    OneRttKeys { schedule: Box<Schedule> },
    /// Server: waits for the client's confirmation, which proves that message 1 was no replay.
    AwaitClient { schedule: Box<Schedule> },
    /// Complete.
    Complete { schedule: Box<Schedule> },
    /// Failed, for good.
    Failed,
}

/// The `Session` of one connection.
pub(super) struct NoiseSession {
    side: Side,
    /// The one who answers: the peer for a client, ourselves for a server.
    responder: PeerId,
    /// The other side: for a client whom it dials, for a server whom message 1 names.
    peer: Option<PeerId>,
    ciphers: Ciphers,
    stage: Stage,
    incoming: Frames,
    transport: Option<TransportParameters>,
}

impl NoiseSession {
    pub(super) fn client(
        shared: &Arc<Shared>,
        remote: PeerId,
        params: &TransportParameters,
    ) -> Result<Self, HandshakeError> {
        let ciphers = shared.ciphers;
        let own: StaticSecret = shared.identity.noise_secret();
        let prologue = shared.prologue(LABEL, &remote);
        let mut handshake =
            Handshake::ik_initiator(&prologue, own, remote.noise_public(), shared.ephemeral());
        let hello = ClientHello {
            peer: shared.identity.peer_id(),
            ciphers: ciphers.as_slice().to_vec(),
            transport: encode(params),
        };
        let message = framed(|out| Ok(handshake.write(&hello.encode()?, out)?))?;
        Ok(Self {
            side: Side::Client,
            responder: remote,
            peer: Some(remote),
            ciphers,
            stage: Stage::Dial { handshake: Box::new(handshake), message },
            incoming: Frames::default(),
            transport: None,
        })
    }

    pub(super) fn server(shared: &Arc<Shared>, params: &TransportParameters) -> Self {
        let responder = shared.identity.peer_id();
        let prologue = shared.prologue(LABEL, &responder);
        let handshake =
            Handshake::ik_responder(&prologue, shared.identity.noise_secret(), shared.ephemeral());
        Self {
            side: Side::Server,
            responder,
            peer: None,
            ciphers: shared.ciphers,
            stage: Stage::Listen { handshake: Box::new(handshake), transport: encode(params) },
            incoming: Frames::default(),
            transport: None,
        }
    }

    /// Takes in one whole message. `true` when the handshake data became available by it.
    fn read_message(&mut self, message: &[u8]) -> Result<bool, TransportError> {
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Listen { handshake, transport } => {
                self.stage = self.answer(handshake, transport, message)?;
                Ok(false)
            }
            Stage::AwaitReply { handshake } => {
                self.stage = self.conclude(handshake, message)?;
                Ok(true)
            }
            Stage::AwaitServer { schedule } => {
                self.stage = Stage::OneRttKeys { schedule: confirmed(schedule, message)? };
                Ok(false)
            }
            Stage::AwaitClient { schedule } => {
                self.stage = Stage::Complete { schedule: confirmed(schedule, message)? };
                Ok(true)
            }
            _ => Err(HandshakeError::Unexpected.into()),
        }
    }

    /// Server: reads message 1 and makes message 2.
    fn answer(
        &mut self,
        mut handshake: Box<Handshake>,
        transport: Vec<u8>,
        message: &[u8],
    ) -> Result<Stage, TransportError> {
        let hello = ClientHello::open(&mut handshake, message)?;
        let cipher = self.ciphers.choose(&hello.ciphers).ok_or(HandshakeError::NoCipher)?;
        self.transport = Some(TransportParameters::read(self.side, &mut hello.transport.as_slice())?);
        self.peer = Some(hello.peer);
        let reply = ServerHello { cipher, transport }.encode();
        let message = framed(|out| Ok(handshake.write(&reply, out)?))?;
        Ok(Stage::HandshakeKeys { schedule: Box::new(Schedule::new(&handshake, cipher)), message })
    }

    /// Client: reads message 2.
    fn conclude(&mut self, mut handshake: Box<Handshake>, message: &[u8]) -> Result<Stage, TransportError> {
        let hello = ServerHello::open(&mut handshake, message, self.ciphers.as_slice())?;
        self.transport = Some(TransportParameters::read(self.side, &mut hello.transport.as_slice())?);
        let schedule = Box::new(Schedule::new(&handshake, hello.cipher));
        Ok(Stage::HandshakeKeys { schedule, message: Vec::new() })
    }

    /// The schedule, once the other side has proven itself to this one.
    fn proven(&self) -> Option<&Schedule> {
        match (&self.stage, self.side) {
            (Stage::Complete { schedule }, _) => Some(schedule),
            // Message 2 proves the responder: only its key could have read message 1.
            (
                Stage::HandshakeKeys { schedule, .. }
                | Stage::AwaitServer { schedule }
                | Stage::OneRttKeys { schedule },
                Side::Client,
            ) => Some(schedule),
            _ => None,
        }
    }
}

impl Session for NoiseSession {
    fn initial_keys(&self, dst_cid: ConnectionId, side: Side) -> Keys {
        initial::keys(&self.responder, &dst_cid, side)
    }

    /// A [`HandshakeData`], from message 2 on for a client and from the client's confirmation on for a server.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let schedule = self.proven()?;
        Some(Box::new(HandshakeData { cipher: schedule.cipher, hash: schedule.hash }))
    }

    /// The proven [`PeerId`]. For a server there is none before the client's confirmation: until then message 1
    /// may be a replay.
    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.proven()?;
        Some(Box::new(self.peer?))
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        (self.side == Side::Client).then_some(false)
    }

    fn is_handshaking(&self) -> bool {
        !matches!(self.stage, Stage::Complete { .. })
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        // Each level carries one message each way, so nothing may follow one, and nothing come between a message
        // and its answer: what would be taken for the next level's has not been protected by its keys.
        let expected = matches!(
            self.stage,
            Stage::Listen { .. }
                | Stage::AwaitReply { .. }
                | Stage::AwaitServer { .. }
                | Stage::AwaitClient { .. }
        );
        let message = if expected { self.incoming.push(buf) } else { Err(HandshakeError::Unexpected) };
        match message {
            Ok(Some(message)) => self.read_message(&message),
            Ok(None) => Ok(false),
            Err(error) => {
                self.stage = Stage::Failed;
                Err(error.into())
            }
        }
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(self.transport)
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let side = self.side;
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Dial { handshake, message } => {
                buf.extend_from_slice(&message);
                self.stage = Stage::AwaitReply { handshake };
                None
            }
            Stage::HandshakeKeys { schedule, message } => {
                buf.extend_from_slice(&message);
                let keys = schedule.handshake.keys(schedule.cipher, side);
                self.stage = match side {
                    Side::Client => Stage::AwaitServer { schedule },
                    Side::Server => Stage::OneRttKeys { schedule },
                };
                Some(keys)
            }
            Stage::OneRttKeys { schedule } => {
                let confirmation = framed(|out| {
                    out.extend_from_slice(&CONFIRMATION);
                    Ok(())
                });
                buf.extend_from_slice(&confirmation.unwrap_or_default());
                let keys = schedule.one_rtt.keys(schedule.cipher, side);
                self.stage = match side {
                    Side::Client => Stage::Complete { schedule },
                    Side::Server => Stage::AwaitClient { schedule },
                };
                Some(keys)
            }
            waiting => {
                self.stage = waiting;
                None
            }
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let side = self.side;
        match &mut self.stage {
            Stage::AwaitClient { schedule } | Stage::Complete { schedule } => {
                schedule.one_rtt.ratchet();
                Some(schedule.one_rtt.packet_keys(schedule.cipher, side))
            }
            _ => None,
        }
    }

    fn is_valid_retry(&self, orig_dst_cid: ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        initial::is_valid_retry(&self.responder, &orig_dst_cid, header, payload)
    }

    /// Works once the handshake is complete; before that it is refused.
    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        match &self.stage {
            Stage::Complete { schedule } => schedule.export(output, label, context),
            _ => Err(ExportKeyingMaterialError),
        }
    }
}

fn confirmed(schedule: Box<Schedule>, message: &[u8]) -> Result<Box<Schedule>, HandshakeError> {
    if message == CONFIRMATION { Ok(schedule) } else { Err(HandshakeError::Malformed) }
}

fn encode(params: &TransportParameters) -> Vec<u8> {
    let mut out = Vec::new();
    params.write(&mut out);
    out
}
