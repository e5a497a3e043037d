//! What the user asks of codes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{
    CodeError, CodeFailure, CodeFor, CodeId, CodeOptions, CodeWrite, EnterFor, Entered, MAX_ENTERED,
    MAX_MADE, Made,
};
use crate::Event;
use crate::identity::Identity;
use crate::node::{Closing, Node, State};
use crate::pairing::{self, Code, MAX_WORDS, MIN_WORDS, Maker, Meet, Typer, WIDE_WORDS};
use crate::wire::{StoredCode, Wants};

/// The longest that a code can be good for.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

impl Node {
    /// User in: make a code for others to enter. For the same purpose (the same paths, as many words and receivers) it
    /// gives the same code again while that is good, with the attempts that are left, even after a restart. It is good
    /// once [`Event::CodeReady`] says so, which is when its record is durable; [`Node::code`] has its words.
    pub fn make_code(
        &mut self,
        now: Instant,
        purpose: CodeFor,
        options: CodeOptions,
    ) -> Result<CodeId, CodeError> {
        let expires = u64::try_from(options.expires.as_millis()).unwrap_or(u64::MAX);
        let sensible = (MIN_WORDS..=MAX_WORDS).contains(&options.words) && options.receivers > 0;
        if !sensible || expires == 0 || options.expires > LONGEST {
            return Err(CodeError::BadOptions);
        }
        if self.state != State::Ready {
            return Err(CodeError::NotReady);
        }
        let digest = digest(&purpose, &options);
        let same = |it: &Made| it.maker.purpose() == &digest && it.maker.is_good();
        if let Some((id, made)) = self.codes.made.iter().find(|(_, it)| same(it)) {
            let (id, expires, left) = (*id, made.maker.expires(), made.maker.left());
            if made.durable {
                self.event(Event::CodeReady { id, expires, left });
            }
            return Ok(id);
        }
        let good = self.codes.made.values().filter(|it| it.maker.is_good()).count();
        if good >= MAX_MADE || self.closing != Closing::No {
            return Err(CodeError::TooMany);
        }
        let unix_time = self.unix_time(now);
        let same = |it: &StoredCode| it.purpose == digest && it.expires > unix_time;
        let before = self.codes.stored.iter().find(|(_, it)| same(it)).map(|(id, _)| *id);
        let before = before.and_then(|id| Some((id, self.codes.stored.remove(&id)?)));
        let before = before.and_then(|(id, it)| Some((id, Code::parse(&it.words).ok()?, it)));
        let key = Arc::new(Identity::generate(&mut self.codes.random));
        let wants = match purpose {
            CodeFor::Send { .. } => Wants::Send,
            CodeFor::Receive => Wants::Receive,
            CodeFor::Pair => Wants::Meet,
        };
        let (id, durable, made) = match before {
            Some((id, code, it)) => {
                let StoredCode { expires, taken, receivers, .. } = it;
                let key = key.peer_id();
                let made = pairing::Made { code, purpose: digest, wants, key, expires, taken, receivers };
                (id, true, made)
            }
            None => {
                let made = pairing::Made {
                    code: Code::generate(&mut self.codes.random, options.words),
                    purpose: digest,
                    wants,
                    key: key.peer_id(),
                    expires: unix_time.saturating_add(expires),
                    taken: 0,
                    receivers: options.receivers,
                };
                (CodeId(self.codes.random.bytes()), false, made)
            }
        };
        let made = Made { maker: Maker::new(made), key, purpose, durable, linger: None };
        self.codes.made.insert(id, made);
        if durable {
            self.publish_code(now, id);
        } else {
            self.store_code(id, CodeWrite::Made);
        }
        self.turn(now);
        Ok(id)
    }

    /// User in: enter a code that someone else has made. Whoever may have made it is looked for, for as long as
    /// [`Config::search`](crate::Config::search), and asked to prove it. [`Event::CodeProven`] or
    /// [`Event::CodeFailed`] follows.
    pub fn enter_code(&mut self, now: Instant, code: Code, purpose: EnterFor) -> Result<CodeId, CodeError> {
        if self.codes.entered.len() >= MAX_ENTERED || self.closing != Closing::No {
            return Err(CodeError::TooMany);
        }
        if self.state == State::Failed {
            return Err(CodeError::NotReady);
        }
        let id = CodeId(self.codes.random.bytes());
        let text = code.text();
        if self.codes.made.values().any(|made| made.maker.is_good() && made.maker.code().text() == text) {
            self.event(Event::CodeFailed { id, why: CodeFailure::Oneself });
            return Ok(id);
        }
        let key = Arc::new(Identity::generate(&mut self.codes.random));
        let wants = match purpose {
            EnterFor::Receive => Wants::Receive,
            EnterFor::Send { .. } => Wants::Send,
            EnterFor::Pair => Wants::Meet,
        };
        let code_words = code.words();
        let mut typer = Typer::new(now, self.dialler.within(), code, wants);
        for found in self.cards.meet(Meet::LookFor(typer.place())) {
            typer.found(now, found);
        }
        if code_words >= usize::from(WIDE_WORDS) {
            self.look_for_notes(now, typer.place());
        }
        self.codes.entered.insert(id, Entered { typer, key, purpose, dials: BTreeMap::new() });
        self.turn(now);
        Ok(id)
    }

    /// User in: a code of ours is to be good no more, for ever, or one that was entered to be looked for no more. Nothing
    /// follows.
    pub fn withdraw_code(&mut self, now: Instant, id: CodeId) {
        if self.codes.made.get(&id).is_some_and(|made| made.maker.is_good()) {
            self.forget_code(id);
        }
        self.drop_code(now, id);
        self.stop_looking(now, id);
        self.turn(now);
    }

    /// The words of a code that was made here, while it is good: for the screen, and nowhere else.
    pub fn code(&self, id: CodeId) -> Option<Zeroizing<String>> {
        let made = self.codes.made.get(&id).filter(|made| made.maker.is_good())?;
        Some(made.maker.code().text())
    }
}

/// What makes two wishes for a code the same wish.
fn digest(purpose: &CodeFor, options: &CodeOptions) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 code purpose");
    hasher.update(&[options.words]).update(&options.receivers.to_le_bytes());
    match purpose {
        CodeFor::Send { paths } => {
            hasher.update(b"send");
            for path in paths {
                let path = path.as_os_str().as_encoded_bytes();
                let length = u64::try_from(path.len()).unwrap_or(u64::MAX);
                hasher.update(&length.to_le_bytes()).update(path);
            }
        }
        CodeFor::Receive => {
            hasher.update(b"receive");
        }
        CodeFor::Pair => {
            hasher.update(b"pair");
        }
    }
    *hasher.finalize().as_bytes()
}
