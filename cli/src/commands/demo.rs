//! `hither demo`: two nodes in this process, real sockets on loopback, a message each way and a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use hither_protocol::entropy::Entropy;
use hither_protocol::identity::{Identity, PeerId};
use hither_protocol::{Config, Event, MessageState, Rules, TransferFailure};
use hither_runtime_smol::{Options, Runtime, has_aes, loopback, max_datagram};
use tempfile::TempDir;

use super::failure::{self, End, Side};
use super::meter::road_of;
use super::session::{is_interrupted, watch_interrupts};
use crate::exit::{Exit, Failure};
use crate::home::entropy;
use crate::inert::inert;
use crate::screen::{self, Delivery, Screen, duration, rate, size};

/// The file's size.
const BYTES: u64 = 64 << 20;
/// How long the two may take to see each other before they are told.
const SIGHT: Duration = Duration::from_secs(2);
/// How long any step may take.
const STEP: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_secs(2);

pub(super) fn run(screen: &mut Screen) -> Result<(), Failure> {
    let started = Instant::now();
    watch_interrupts();
    let directory =
        tempfile::Builder::new().prefix("hither-demo-").tempdir().map_err(|error| disk(&error))?;
    let mut entropy = entropy()?;
    let alice = Actor::start("alice", directory.path(), &mut entropy)?;
    let bob = Actor::start("bob", directory.path(), &mut entropy)?;
    let outcome = play(&alice, &bob, directory.path(), &mut entropy, screen);
    alice.runtime.close(GRACE);
    bob.runtime.close(GRACE);
    let cleaned = clean(directory);
    outcome?;
    cleaned?;
    screen.note(&format!("All of it took {}, and nothing is left of it.", duration(started.elapsed())))?;
    screen.note("Now with two machines: `hither receive` on one shows what to type on the other.")
}

fn play(
    alice: &Actor,
    bob: &Actor,
    directory: &Path,
    entropy: &mut Entropy,
    screen: &mut Screen,
) -> Result<(), Failure> {
    for (actor, other) in [(alice, bob), (bob, alice)] {
        actor.ready()?;
        actor.befriend(other)?;
        let (id, addresses) = (actor.id, actor.runtime.local_addresses());
        if screen.is_json() {
            screen.event(&screen::Event::Ready { id, addresses })?;
        } else {
            let at: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            screen.note(&format!("{} is {id}, at {}", actor.name, at.join(" and ")))?;
        }
    }
    screen.note("Each has the other in the contacts.")?;
    meet(alice, bob, screen)?;
    message(alice, bob, "Hello Bob, is this you?", screen)?;
    message(bob, alice, "It is: the handshake proved it, and only you can read this.", screen)?;
    file(alice, bob, directory, entropy, screen)
}

/// Alice finds Bob on the network of this machine and reaches him.
fn meet(alice: &Actor, bob: &Actor, screen: &mut Screen) -> Result<(), Failure> {
    let started = Instant::now();
    let bob_id = bob.id;
    alice.runtime.ask(move |node, now| node.connect(now, bob_id));
    let mut told = false;
    loop {
        match alice.next(started)? {
            Some(Event::Connected { peer, address, road }) if peer == bob.id => {
                let how = if told { "was told where Bob is" } else { "saw Bob's announcement (mDNS)" };
                let (took, road) = (duration(started.elapsed()), road_of(road).name());
                return screen.note(&format!("Alice {how} and reached him at {address} in {took} ({road})."));
            }
            Some(Event::Unreachable { peer, .. }) if peer == bob.id => {
                return Err(Failure::new(
                    Exit::Unreachable,
                    "the two did not reach each other on this machine: a firewall may keep UDP from loopback. \
                     Nothing is left of the demo.",
                ));
            }
            _ => {}
        }
        if !told && started.elapsed() > SIGHT {
            told = true;
            for address in bob.runtime.local_addresses() {
                alice.runtime.ask(move |node, now| node.add_address(now, bob_id, address));
            }
        }
    }
}

/// One message, to its receipt.
fn message(from: &Actor, to: &Actor, text: &'static str, screen: &mut Screen) -> Result<(), Failure> {
    let (started, peer) = (Instant::now(), to.id);
    let sent =
        from.runtime.ask(move |node, now| node.send_message(now, peer, text)).map_err(failure::send)?;
    loop {
        match to.next(started)? {
            Some(Event::Message { id, from: author, text, .. }) if id == sent && author == from.id => {
                let contact = Some(from.name.to_owned());
                screen.event(&screen::Event::Message {
                    id: id.to_string(),
                    from: author,
                    contact,
                    text,
                    topic: None,
                })?;
                break;
            }
            _ => continue,
        }
    }
    loop {
        match from.next(started)? {
            Some(Event::MessageSent { id, state: MessageState::Delivered, .. }) if id == sent => break,
            Some(Event::MessageSent { id, .. }) if id == sent => {
                return Err(Failure::new(Exit::Fault, "the message was not delivered"));
            }
            _ => {}
        }
    }
    if screen.is_json() {
        return screen.event(&screen::Event::Sent { id: sent.to_string(), state: Delivery::Delivered });
    }
    let (name, took) = (to.name, duration(started.elapsed()));
    screen.note(&format!("    on {name}'s disk, and the receipt is back, after {took}"))
}

/// A file, from one disk to the other, and a look at both.
fn file(
    alice: &Actor,
    bob: &Actor,
    directory: &Path,
    entropy: &mut Entropy,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let path = directory.join("holiday.mov");
    write_random(&path, &entropy.stream("demo file").bytes()).map_err(|error| disk(&error))?;
    screen.note(&format!("Alice sends Bob {} that nobody can compress.", size(BYTES)))?;
    let (started, peer, source) = (Instant::now(), bob.id, path.clone());
    let offered = alice.runtime.ask(move |node, now| node.offer(now, peer, vec![source]));
    let transfer = offered.map_err(failure::offer)?;
    let finished = bob.finished(transfer, started)?;
    alice.finished(transfer, started)?;
    let Event::Finished { bytes, took, road, root, paths, .. } = finished else {
        return Err(Failure::new(Exit::Fault, "the transfer has no end"));
    };
    let received = paths.first().map(|path| hash(path)).transpose().map_err(|error| disk(&error))?;
    let sent = hash(&path).map_err(|error| disk(&error))?;
    if received != Some(sent) || *sent.as_bytes() != root.0 {
        let text = "what Bob has is not what Alice sent. This is a fault of Hither's: please report it.";
        return Err(Failure::new(Exit::NotVerified, text));
    }
    if screen.is_json() {
        return screen.event(&screen::Event::Done {
            transfer: transfer.to_string(),
            bytes,
            took,
            root: root.to_string(),
            paths,
            resumed: 0,
            road: road_of(road),
        });
    }
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let fast = rate(bytes.saturating_mul(1000) / millis);
    let (took, road) = (duration(took), road_of(road).name());
    screen.note(&format!("Bob has it, verified and safe on the disk, after {took}: {fast} ({road})."))?;
    screen.note(&format!("The BLAKE3 of both files is {root}."))
}

/// Writes as many random bytes as the demo sends.
fn write_random(path: &Path, seed: &[u8; 32]) -> io::Result<()> {
    let mut stream = blake3::Hasher::new_keyed(seed).finalize_xof();
    let mut file = BufWriter::new(File::create_new(path)?);
    let mut block = vec![0; 1 << 20];
    for _ in 0..BYTES >> 20 {
        stream.fill(&mut block);
        file.write_all(&block)?;
    }
    file.flush()
}

fn hash(path: &Path) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize())
}

fn clean(directory: TempDir) -> Result<(), Failure> {
    let path = directory.path().to_owned();
    directory.close().map_err(|error| {
        let path = inert(&path.to_string_lossy());
        Failure::new(Exit::NotWritable, format!("{path} could not be removed: {error}; remove it yourself"))
    })
}

fn disk(error: &io::Error) -> Failure {
    let text = format!(
        "the directory for temporary files cannot be used: {error}. The demo needs {} there; nothing is left of it.",
        size(BYTES * 2)
    );
    Failure::new(Exit::NotWritable, text)
}

/// One of the two.
struct Actor {
    name: &'static str,
    id: PeerId,
    runtime: Runtime,
}

impl Actor {
    fn start(name: &'static str, directory: &Path, entropy: &mut Entropy) -> Result<Self, Failure> {
        let identity = Identity::generate(&mut entropy.stream(name));
        let id = identity.peer_id();
        let rules = Rules { into: Some(directory.join(name).join("received")), ..Rules::default() };
        // The one interface that is used.
        let loopback = loopback().ok_or_else(|| {
            Failure::new(Exit::Usage, "this machine has no loopback interface that is up. Nothing was sent.")
        })?;
        let options = Options {
            home: directory.join(name),
            interface: Some(loopback.clone()),
            port: 0,
            discovery: Some(Duration::ZERO),
            mainline: None,
            config: Config {
                aes: has_aes(),
                max_datagram: max_datagram(Some(&loopback)),
                rules,
                ..Config::default()
            },
        };
        let runtime = Runtime::start(options, identity).map_err(|error| failure::start(&error))?;
        Ok(Self { name, id, runtime })
    }

    /// What happens next, if it is soon.
    fn next(&self, since: Instant) -> Result<Option<Event>, Failure> {
        if is_interrupted() {
            return Err(Failure::new(Exit::Interrupted, "stopped by Ctrl-C. Nothing is left of the demo."));
        }
        if since.elapsed() > STEP {
            return Err(Failure::new(Exit::TimedOut, "the demo took too long. Nothing is left of it."));
        }
        match self.runtime.next_event(Some(TICK)) {
            Some(Event::StorageFailed(error)) => Err(failure::records(&error, Path::new(self.name))),
            event => Ok(event),
        }
    }

    fn ready(&self) -> Result<(), Failure> {
        let since = Instant::now();
        while !matches!(self.next(since)?, Some(Event::Ready)) {}
        Ok(())
    }

    fn befriend(&self, other: &Self) -> Result<(), Failure> {
        let (peer, name) = (other.id, other.name);
        let added = self.runtime.ask(move |node, now| node.add_contact(now, peer, name));
        added.map_err(|error| failure::contact(error, name))
    }

    fn finished(
        &self,
        transfer: hither_protocol::transfer::TransferId,
        since: Instant,
    ) -> Result<Event, Failure> {
        loop {
            match self.next(since)? {
                Some(event @ Event::Finished { transfer: of, .. }) if of == transfer => return Ok(event),
                Some(Event::Failed { transfer: of, why, kept, .. }) if of == transfer => {
                    return Err(self.lost(&why, kept));
                }
                _ => {}
            }
        }
    }

    fn lost(&self, why: &TransferFailure, kept: u32) -> Failure {
        let end = End { side: Side::Receiving, who: self.name, kept, left: None, again: None };
        failure::transfer(why, &end)
    }
}
