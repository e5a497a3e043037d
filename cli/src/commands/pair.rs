//! `hither pair`: two become contacts, by a code or by a QR.

use std::path::Path;

use hither_protocol::identity::PeerId;
use hither_protocol::{CodeFor, EnterFor, Payload, Rules, safety_words};

use super::code::{self, How, Meeting, Step};
use super::session::{Needs, Next, Part, Session, is_interrupted};
use super::{id, keep};
use crate::args::{ByCode, ContactName, Global, Pairing, TypedCode};
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::inert::inert;
use crate::picture;
use crate::screen::{CodeEvent, Event, Screen};

pub(super) fn run(
    global: &Global,
    home: &Home,
    way: Pairing,
    name: Option<ContactName>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let by = match way {
        Pairing::ShowQr => return show(home, name.as_ref(), screen),
        Pairing::Code(by) => by,
        Pairing::Scan(file) => match scan(&file)? {
            Payload::Code(code) => ByCode::Typed(TypedCode::from(code)),
            Payload::Peer { peer, name: theirs } => {
                refuse_unattended(name.as_ref(), screen)?;
                let session = Session::open(global, home, "pair", Part::None, Rules::default(), screen)?;
                let outcome = add(&session, peer, name, theirs.as_deref(), screen);
                session.close();
                return outcome;
            }
        },
    };
    refuse_unattended(name.as_ref(), screen)?;
    let part = if matches!(by, ByCode::New(_)) { Part::Offering } else { Part::Reaching };
    let needs = Needs { search: code::search(Some(&by)), ..Needs::default() };
    let session = Session::open_with(global, home, "pair", part, Rules::default(), needs, screen)?;
    let outcome = meet(&session, by, screen).and_then(|peer| add(&session, peer, name, None, screen));
    session.close();
    outcome
}

/// Where nobody can be asked for a name, that is said before a code is used up.
fn refuse_unattended(name: Option<&ContactName>, screen: &Screen) -> Result<(), Failure> {
    if name.is_some() || screen.can_ask() {
        return Ok(());
    }
    let text = "what is the other side to be called? There is no terminal to ask at: answer with --name NAME. Nobody \
                was added.";
    Err(Failure::new(Exit::Usage, text))
}

/// Shows who I am, for the other side to scan.
fn show(home: &Home, name: Option<&ContactName>, screen: &mut Screen) -> Result<(), Failure> {
    let peer = id::identity(home, screen)?.peer_id();
    let payload = Payload::Peer { peer, name: name.map(|name| name.as_str().to_owned()) };
    screen.event(&Event::Link { link: payload.link().to_string() })?;
    screen.qr(&payload.qr(), true)
}

/// What the picture of a QR says.
fn scan(file: &Path) -> Result<Payload, Failure> {
    let shown = inert(&file.to_string_lossy());
    let texts = picture::qr_codes(file).map_err(|error| {
        Failure::new(Exit::Usage, format!("{shown} cannot be read as a picture: {error}. Nobody was added."))
    })?;
    let mut payloads = texts.iter().map(|text| Payload::parse(text));
    match (payloads.find_map(Result::ok), texts.is_empty()) {
        (Some(payload), _) => Ok(payload),
        (None, true) => {
            let text = format!(
                "no QR was found in {shown}. Take the picture from nearer, straight on, with all four edges in it. \
                 Nobody was added."
            );
            Err(Failure::new(Exit::Usage, text))
        }
        (None, false) => {
            let text = format!(
                "the QR in {shown} is not one of hither's: `hither pair --qr` shows one on the other side. Nobody was \
                 added."
            );
            Err(Failure::new(Exit::Usage, text))
        }
    }
}

/// Waits until both sides have proven the code.
fn meet(session: &Session, by: ByCode, screen: &mut Screen) -> Result<PeerId, Failure> {
    let mut meeting = match by {
        ByCode::New(new) => {
            let how = How { aside: false, repeatable: true };
            Meeting::make(session, CodeFor::Pair, new, how)?
        }
        ByCode::Typed(code) => Meeting::enter(session, code.code(), EnterFor::Pair, screen)?,
    };
    loop {
        match session.next()? {
            Next::Event(event) => match meeting.handle(&event, session, screen)? {
                Step::Proven { peer, .. } => return Ok(peer),
                Step::Failed(why) => return Err(why),
                Step::None | Step::Used => {}
            },
            Next::Told(..) | Next::Tick => {}
            Next::Interrupted => return Err(session.interrupted("Nobody was added.")),
        }
        meeting.idle(session, screen)?;
    }
}

/// Adds the other side under the name that is given, or asked for. `theirs`: what they call themselves.
fn add(
    session: &Session,
    peer: PeerId,
    name: Option<ContactName>,
    theirs: Option<&str>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let known = session.contact(peer);
    let words = safety_words(&session.me(), &peer);
    screen.note(&format!("The other side is {peer}"))?;
    screen.note("Both screens show the same words, if nobody is in between:")?;
    screen.note(&format!("    {}", words.join(" ")))?;
    let paired = |name: String| Event::Code(CodeEvent::Paired { id: peer, name, words: words.clone() });
    if let (Some(known), None) = (&known, &name) {
        screen.note(&format!("They are your contact {} already.", inert(known)))?;
        return if screen.is_json() { screen.event(&paired(known.clone())) } else { Ok(()) };
    }
    let mut given = name;
    loop {
        let name = match given.take() {
            Some(name) => Some(name),
            None => ask(peer, theirs, screen)?,
        };
        let Some(name) = name else { continue };
        if keep::add(peer, name.as_str(), session, screen)? {
            return screen.event(&paired(name.as_str().to_owned()));
        }
    }
}

fn ask(peer: PeerId, theirs: Option<&str>, screen: &mut Screen) -> Result<Option<ContactName>, Failure> {
    let theirs = theirs.filter(|theirs| theirs.parse::<ContactName>().is_ok());
    let proposal = theirs.map_or_else(|| keep::proposal(peer), str::to_owned);
    let prompt = format!("What do you call them? A name, or y for {}: ", inert(&proposal));
    let Some(typed) = screen.ask_line(&prompt, || !is_interrupted())? else {
        let text = "stopped before a name was given. Nobody was added here.";
        return Err(Failure::new(Exit::Interrupted, text));
    };
    match typed.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "y" | "yes" => keep::valid(&proposal, screen),
        _ => keep::valid(&typed, screen),
    }
}
