//! A message and its receipt between two running nodes on loopback, with their records on disk.

use std::path::Path;
use std::time::{Duration, Instant};

use hither_protocol::chat::MessageId;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::{Config, Event, MessageState, Rules, Strangers};
use hither_runtime_smol::{Options, Runtime, has_aes, max_datagram};

use super::{Failure, Row, percentile, temporary};

const MESSAGES: usize = 500;
/// Messages before those that count: the first one waits for the handshake.
const WARM_UP: usize = 10;
/// Longer than any message takes.
const PATIENCE: Duration = Duration::from_secs(20);
const INTERFACE: &str = "lo";

pub(super) fn measure() -> Result<Row, Failure> {
    eprintln!("{MESSAGES} messages on loopback ...");
    let (_directory, path) = temporary()?;
    let (alice, bob) = (start(&path.join("alice"))?, start(&path.join("bob"))?);
    let to = bob.ask(|node, _| node.peer_id());
    let address = *bob.local_addresses().first().ok_or("loopback has no address")?;
    alice.ask(move |node, now| node.add_address(now, to, address));
    wait(&alice, |event| matches!(event, Event::Ready))?;
    let mut times = Vec::with_capacity(MESSAGES);
    for number in 0..WARM_UP + MESSAGES {
        let text = format!("message {number}");
        let (begun, sent) = (Instant::now(), text.clone());
        let id: MessageId = alice
            .ask(move |node, now| node.send_message(now, to, &sent))
            .map_err(|error| format!("a message could not be sent: {error:?}"))?;
        wait(
            &alice,
            |event| matches!(event, Event::MessageSent { id: of, state: MessageState::Delivered, .. } if *of == id),
        )?;
        if number >= WARM_UP {
            times.push(begun.elapsed());
        }
        wait(
            &bob,
            |event| matches!(event, Event::Message { id: of, text: came, .. } if *of == id && *came == text),
        )?;
    }
    alice.close(PATIENCE);
    bob.close(PATIENCE);
    times.sort();
    let millis = |percent| percentile(&times, percent).unwrap_or_default().as_secs_f64() * 1e3;
    let (half, most) = (millis(50), millis(99));
    let case = format!(
        "a message and its receipt, {MESSAGES} one after another on loopback, \
         commits to disk on both sides included"
    );
    Ok(Row::plain(case, format!("p50 {half:.2} ms, p99 {most:.2} ms")))
}

/// A node that takes messages of anyone.
fn start(home: &Path) -> Result<Runtime, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let identity = Identity::generate(&mut Entropy::new(Seed::new(seed)).stream("identity"));
    let config = Config {
        aes: has_aes(),
        max_datagram: max_datagram(Some(INTERFACE)),
        rules: Rules { strangers: Strangers::Accept, ..Rules::default() },
        ..Config::default()
    };
    let interface = Some(INTERFACE.into());
    let options = Options { home: home.into(), interface, port: 0, discovery: None, mainline: None, config };
    Ok(Runtime::start(options, identity)?)
}

fn wait(runtime: &Runtime, is: impl Fn(&Event) -> bool) -> Result<(), Failure> {
    let begun = Instant::now();
    while let Some(event) = runtime.next_event(PATIENCE.checked_sub(begun.elapsed())) {
        if is(&event) {
            return Ok(());
        }
    }
    Err("a message did not arrive".into())
}
