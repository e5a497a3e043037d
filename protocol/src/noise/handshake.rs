//! The handshake patterns IK, NK and N, both sides (Noise revision 34, sections 5.3 and 7).
//!
//! A [`Handshake`] alternates between [`Handshake::write`] and [`Handshake::read`] until
//! [`Handshake::is_finished`]; then [`Handshake::split`] gives the [`Transport`]. A message that fails ends it, except
//! with [`Handshake::try_read`].

use x25519_dalek::{PublicKey, StaticSecret};

use super::NoiseError;
use super::symmetric::{CipherState, MAX_MESSAGE, SymmetricState, TAG};

/// Who knows whom beforehand, and who proves what. In all three the initiator knows the responder's static key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Both prove their static keys; the initiator's travels encrypted. Two messages.
    Ik,
    /// Only the responder proves its key. Two messages.
    Nk,
    /// One message to a key, which its owner may read whenever it likes.
    N,
}

/// The pieces of a message (section 7.1).
#[derive(Clone, Copy)]
enum Token {
    E,
    S,
    Ee,
    Es,
    Se,
    Ss,
}

impl Pattern {
    /// The protocol's full name (section 8).
    pub fn protocol_name(self) -> &'static str {
        match self {
            Self::Ik => "Noise_IK_25519_ChaChaPoly_BLAKE2s",
            Self::Nk => "Noise_NK_25519_ChaChaPoly_BLAKE2s",
            Self::N => "Noise_N_25519_ChaChaPoly_BLAKE2s",
        }
    }

    /// The messages, the initiator's first. Before them all, each pattern has `<- s`.
    fn messages(self) -> &'static [&'static [Token]] {
        use Token::{E, Ee, Es, S, Se, Ss};
        match self {
            Self::Ik => &[&[E, Es, S, Ss], &[E, Ee, Se]],
            Self::Nk => &[&[E, Es], &[E, Ee]],
            Self::N => &[&[E, Es]],
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Initiator,
    Responder,
}

/// A handshake under way, of either side.
pub struct Handshake {
    pattern: Pattern,
    role: Role,
    symmetric: SymmetricState,
    own: Option<StaticSecret>,
    ephemeral: Option<StaticSecret>,
    remote: Option<PublicKey>,
    remote_ephemeral: Option<PublicKey>,
    /// Messages written and read so far.
    done: usize,
    failed: bool,
}

impl Handshake {
    /// Starts IK with `own` towards the owner of `remote`. An ephemeral key serves one handshake only.
    pub fn ik_initiator(
        prologue: &[u8],
        own: StaticSecret,
        remote: PublicKey,
        ephemeral: StaticSecret,
    ) -> Self {
        Self::initiator(Pattern::Ik, prologue, Some(own), remote, ephemeral)
    }

    /// Starts NK towards the owner of `remote`.
    pub fn nk_initiator(prologue: &[u8], remote: PublicKey, ephemeral: StaticSecret) -> Self {
        Self::initiator(Pattern::Nk, prologue, None, remote, ephemeral)
    }

    /// Starts N towards the owner of `remote`.
    pub fn n_initiator(prologue: &[u8], remote: PublicKey, ephemeral: StaticSecret) -> Self {
        Self::initiator(Pattern::N, prologue, None, remote, ephemeral)
    }

    /// Answers IK.
    pub fn ik_responder(prologue: &[u8], own: StaticSecret, ephemeral: StaticSecret) -> Self {
        let public = PublicKey::from(&own);
        Self::responder(Pattern::Ik, prologue, own, &public, Some(ephemeral))
    }

    /// Answers NK. `public` belongs to `own`: whoever answers often computes it once.
    pub fn nk_responder(
        prologue: &[u8],
        own: StaticSecret,
        public: &PublicKey,
        ephemeral: StaticSecret,
    ) -> Self {
        Self::responder(Pattern::Nk, prologue, own, public, Some(ephemeral))
    }

    /// Reads N.
    pub fn n_responder(prologue: &[u8], own: StaticSecret) -> Self {
        let public = PublicKey::from(&own);
        Self::responder(Pattern::N, prologue, own, &public, None)
    }

    fn initiator(
        pattern: Pattern,
        prologue: &[u8],
        own: Option<StaticSecret>,
        remote: PublicKey,
        ephemeral: StaticSecret,
    ) -> Self {
        let symmetric = start(pattern, prologue, &remote);
        let (ephemeral, remote) = (Some(ephemeral), Some(remote));
        let role = Role::Initiator;
        let (remote_ephemeral, done, failed) = (None, 0, false);
        Self { pattern, role, symmetric, own, ephemeral, remote, remote_ephemeral, done, failed }
    }

    fn responder(
        pattern: Pattern,
        prologue: &[u8],
        own: StaticSecret,
        public: &PublicKey,
        ephemeral: Option<StaticSecret>,
    ) -> Self {
        let symmetric = start(pattern, prologue, public);
        let (role, own) = (Role::Responder, Some(own));
        let (remote, remote_ephemeral, done, failed) = (None, None, 0, false);
        Self { pattern, role, symmetric, own, ephemeral, remote, remote_ephemeral, done, failed }
    }

    /// Writes this side's next message, with `payload` inside, onto the end of `out`.
    pub fn write(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), NoiseError> {
        let tokens = self.turn(true)?;
        let start = out.len();
        let result = self.write_tokens(tokens, payload, out);
        let length = out.len().saturating_sub(start);
        self.finish_turn(result.and_then(|()| within_bounds(length))).inspect_err(|_| out.truncate(start))
    }

    /// Reads the other side's next message and returns the payload.
    pub fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let tokens = self.turn(false)?;
        let result = within_bounds(message.len()).and_then(|()| self.read_tokens(tokens, message));
        self.finish_turn(result)
    }

    /// The same where anybody can have forged the message: one that cannot be read leaves the handshake as it was, so
    /// that the true one can still be.
    pub fn try_read(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        self.turn(false)?;
        let before = (self.symmetric.copy(), self.remote, self.remote_ephemeral);
        self.read(message).inspect_err(|_| {
            (self.symmetric, self.remote, self.remote_ephemeral) = before;
            self.failed = false;
        })
    }

    /// Whether all messages of the pattern went through.
    pub fn is_finished(&self) -> bool {
        !self.failed && self.done >= self.pattern.messages().len()
    }

    /// The keys for what follows, once the handshake is finished.
    pub fn split(self) -> Result<Transport, NoiseError> {
        if !self.is_finished() {
            return Err(NoiseError::OutOfTurn);
        }
        let (initiator, responder) = self.symmetric.split();
        let hash = *self.symmetric.hash();
        Ok(match self.role {
            Role::Initiator => Transport { sending: initiator, receiving: responder, hash },
            Role::Responder => Transport { sending: responder, receiving: initiator, hash },
        })
    }

    /// The other side's static key: known from the start to an initiator, from message 1 of IK to a responder.
    pub fn remote_static(&self) -> Option<&PublicKey> {
        self.remote.as_ref()
    }

    /// The handshake hash after the messages so far.
    pub fn hash(&self) -> &[u8; 32] {
        self.symmetric.hash()
    }

    /// The chaining key after the messages so far: a secret.
    pub fn chaining_key(&self) -> &[u8; 32] {
        self.symmetric.chaining_key()
    }

    /// The next message's tokens, if it is this side's turn to write (or to read).
    fn turn(&self, writing: bool) -> Result<&'static [Token], NoiseError> {
        let initiators = self.done.is_multiple_of(2);
        let ours = initiators == (self.role == Role::Initiator);
        match self.pattern.messages().get(self.done) {
            Some(tokens) if !self.failed && ours == writing => Ok(tokens),
            _ => Err(NoiseError::OutOfTurn),
        }
    }

    fn finish_turn<T>(&mut self, result: Result<T, NoiseError>) -> Result<T, NoiseError> {
        match result {
            Ok(_) => self.done = self.done.saturating_add(1),
            Err(_) => self.failed = true,
        }
        result
    }

    fn write_tokens(
        &mut self,
        tokens: &[Token],
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), NoiseError> {
        for token in tokens {
            match token {
                Token::E => {
                    let public = PublicKey::from(self.ephemeral.as_ref().ok_or(NoiseError::OutOfTurn)?);
                    out.extend_from_slice(public.as_bytes());
                    self.symmetric.mix_hash(public.as_bytes());
                }
                Token::S => {
                    let public = PublicKey::from(self.own.as_ref().ok_or(NoiseError::OutOfTurn)?);
                    self.symmetric.seal(public.as_bytes(), out)?;
                }
                dh => self.mix_dh(*dh)?,
            }
        }
        self.symmetric.seal(payload, out)
    }

    fn read_tokens(&mut self, tokens: &[Token], mut message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        for token in tokens {
            match token {
                Token::E => {
                    let (public, rest) = message.split_first_chunk::<32>().ok_or(NoiseError::Length)?;
                    self.remote_ephemeral = Some(PublicKey::from(*public));
                    self.symmetric.mix_hash(public);
                    message = rest;
                }
                Token::S => {
                    let length = if self.symmetric.has_key() { 32 + TAG } else { 32 };
                    let (sealed, rest) = message.split_at_checked(length).ok_or(NoiseError::Length)?;
                    let public = self.symmetric.open(sealed)?;
                    let public: [u8; 32] = public.try_into().map_err(|_| NoiseError::Length)?;
                    self.remote = Some(PublicKey::from(public));
                    message = rest;
                }
                dh => self.mix_dh(*dh)?,
            }
        }
        self.symmetric.open(message)
    }

    /// Mixes in one Diffie-Hellman result. In a token's name the initiator's key comes first.
    fn mix_dh(&mut self, token: Token) -> Result<(), NoiseError> {
        let (initiators_ephemeral, responders_ephemeral) = match token {
            Token::Ee => (true, true),
            Token::Es => (true, false),
            Token::Se => (false, true),
            Token::Ss => (false, false),
            Token::E | Token::S => return Err(NoiseError::OutOfTurn),
        };
        let (ours, theirs) = match self.role {
            Role::Initiator => (initiators_ephemeral, responders_ephemeral),
            Role::Responder => (responders_ephemeral, initiators_ephemeral),
        };
        let secret = if ours { &self.ephemeral } else { &self.own };
        let public = if theirs { &self.remote_ephemeral } else { &self.remote };
        let (Some(secret), Some(public)) = (secret, public) else {
            return Err(NoiseError::OutOfTurn);
        };
        self.symmetric.mix_dh(secret, public)
    }
}

/// What both sides have after a handshake: a cipher each way.
pub struct Transport {
    /// Encrypts what this side sends.
    pub sending: CipherState,
    /// Decrypts what the other side sends.
    pub receiving: CipherState,
    /// The handshake's hash, for binding other things to it.
    pub hash: [u8; 32],
}

fn start(pattern: Pattern, prologue: &[u8], responder: &PublicKey) -> SymmetricState {
    let mut symmetric = SymmetricState::new(pattern.protocol_name());
    symmetric.mix_hash(prologue);
    symmetric.mix_hash(responder.as_bytes());
    symmetric
}

fn within_bounds(length: usize) -> Result<(), NoiseError> {
    if length <= MAX_MESSAGE { Ok(()) } else { Err(NoiseError::Length) }
}
