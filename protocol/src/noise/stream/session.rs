//! One handshake over a byte stream, of either side.

use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::record::{Opener, Sealer};
use super::{LABEL, StreamCrypto};
use crate::identity::PeerId;
use crate::noise::agreement::{Cipher, HandshakeError, Shared};
use crate::noise::frames::{Frames, framed};
use crate::noise::handshake::Handshake;
use crate::noise::hello::{ClientHello, ServerHello};

/// Bytes before message 1 that show that its author knows whom it dials.
const MARK: usize = 16;

/// A handshake that waits for the other side's message.
pub struct StreamSession {
    shared: Arc<Shared>,
    stage: Stage,
    incoming: Frames,
}

enum Stage {
    /// Client: waits for message 2.
    AwaitReply { handshake: Box<Handshake>, remote: PeerId },
    /// Server: waits for message 1.
    Listen,
    /// It has come to its end, one or the other.
    Over,
}

/// What both sides have agreed on.
pub struct Agreed {
    /// The other side. For a server only what message 1 says, which may be a replay: it is true once a record of
    /// the client has opened.
    pub peer: PeerId,
    /// What records are encrypted with.
    pub cipher: Cipher,
    /// What is to be sent first: message 2 for a server, nothing for a client.
    pub reply: Vec<u8>,
    /// Encrypts what this side sends.
    pub sealer: Sealer,
    /// Decrypts what the other side sends.
    pub opener: Opener,
}

impl StreamSession {
    /// Dials `remote`, and nobody else. Gives the bytes to send.
    pub fn dial(crypto: &StreamCrypto, remote: PeerId) -> Result<(Self, Vec<u8>), HandshakeError> {
        let shared = Arc::clone(&crypto.shared);
        let own = shared.identity.noise_secret();
        let prologue = shared.prologue(LABEL, &remote);
        let mut handshake =
            Handshake::ik_initiator(&prologue, own, remote.noise_public(), shared.ephemeral());
        let hello = ClientHello {
            peer: shared.identity.peer_id(),
            ciphers: shared.ciphers.as_slice().to_vec(),
            transport: Vec::new(),
        };
        let mut message = Vec::new();
        handshake.write(&hello.encode()?, &mut message)?;
        let bytes = framed(|out| {
            out.extend_from_slice(&mark(&remote, &message));
            out.extend_from_slice(&message);
            Ok(())
        })?;
        let stage = Stage::AwaitReply { handshake: Box::new(handshake), remote };
        Ok((Self { shared, stage, incoming: Frames::default() }, bytes))
    }

    /// Answers whoever dials.
    pub fn listen(crypto: &StreamCrypto) -> Self {
        Self { shared: Arc::clone(&crypto.shared), stage: Stage::Listen, incoming: Frames::default() }
    }

    /// Takes in what arrived, in whatever pieces. An error ends the handshake for good; so do bytes behind the
    /// message, since whoever sends it waits for this side.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<Agreed>, HandshakeError> {
        let message = self.incoming.push(bytes).inspect_err(|_| self.stage = Stage::Over)?;
        let Some(message) = message else { return Ok(None) };
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::AwaitReply { handshake, remote } => self.conclude(*handshake, remote, &message).map(Some),
            Stage::Listen => self.answer(&message).map(Some),
            Stage::Over => Err(HandshakeError::Unexpected),
        }
    }

    /// Server: reads message 1 and makes message 2.
    fn answer(&self, marked: &[u8]) -> Result<Agreed, HandshakeError> {
        let me = self.shared.identity.peer_id();
        let (given, message) = marked.split_first_chunk::<MARK>().ok_or(HandshakeError::Malformed)?;
        // Before any Diffie-Hellman: whoever does not know this side's id costs it one hash.
        if !bool::from(mark(&me, message).ct_eq(given)) {
            return Err(HandshakeError::Malformed);
        }
        let prologue = self.shared.prologue(LABEL, &me);
        let own = self.shared.identity.noise_secret();
        let mut handshake = Handshake::ik_responder(&prologue, own, self.shared.ephemeral());
        let hello = ClientHello::open(&mut handshake, message)?;
        let cipher = self.shared.ciphers.choose(&hello.ciphers).ok_or(HandshakeError::NoCipher)?;
        let payload = ServerHello { cipher, transport: Vec::new() }.encode();
        let reply = framed(|out| Ok(handshake.write(&payload, out)?))?;
        let Secrets { client, server } = Secrets::new(&handshake, cipher);
        let (sealer, opener) = (Sealer::new(cipher, server), Opener::new(cipher, client));
        Ok(Agreed { peer: hello.peer, cipher, reply, sealer, opener })
    }

    /// Client: reads message 2, which only the one that was dialled could write.
    fn conclude(
        &self,
        mut handshake: Handshake,
        peer: PeerId,
        message: &[u8],
    ) -> Result<Agreed, HandshakeError> {
        let offered = self.shared.ciphers.as_slice();
        let ServerHello { cipher, .. } = ServerHello::open(&mut handshake, message, offered)?;
        let Secrets { client, server } = Secrets::new(&handshake, cipher);
        let (sealer, opener) = (Sealer::new(cipher, client), Opener::new(cipher, server));
        Ok(Agreed { peer, cipher, reply: Vec::new(), sealer, opener })
    }
}

/// Shows that the author of message 1 knows the id of the one it is for.
fn mark(responder: &PeerId, message: &[u8]) -> [u8; MARK] {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 stream mark");
    hasher.update(responder.as_bytes()).update(message);
    let mut mark = [0; MARK];
    hasher.finalize_xof().fill(&mut mark);
    mark
}

/// Each direction's first secret.
struct Secrets {
    client: Zeroizing<[u8; 32]>,
    server: Zeroizing<[u8; 32]>,
}

impl Secrets {
    /// From the final chaining key, the final hash and the cipher, under labels of their own: not Noise's `Split`.
    fn new(finished: &Handshake, cipher: Cipher) -> Self {
        let mut input = Zeroizing::new(Vec::with_capacity(65));
        input.extend_from_slice(finished.chaining_key());
        input.extend_from_slice(finished.hash());
        input.push(cipher.number());
        let derive = |label| Zeroizing::new(blake3::derive_key(label, &input));
        Self { client: derive("hither v1 stream client"), server: derive("hither v1 stream server") }
    }
}
