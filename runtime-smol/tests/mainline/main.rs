//! Requests to Mainline, in a network of the library's own on loopback.
#![cfg(target_os = "linux")]

mod strangers;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer, SigningKey};
use hither_protocol::{MAX_WORLD_VALUE, WorldAnswer, WorldId, WorldRequest};
use hither_runtime_smol::mainline::{Mainline, MainlineSettings};
use mainline::Testnet;
use smol::Timer;
use smol::channel::{Receiver, unbounded};
use smol::future::or;

const NODES: usize = 10;

type Answers = Receiver<(WorldId, WorldAnswer)>;

fn testnet() -> Testnet {
    Testnet::builder(NODES).build().unwrap()
}

fn settings(bootstrap: Vec<String>) -> MainlineSettings {
    MainlineSettings {
        bootstrap: Some(bootstrap),
        bind: Some(Ipv4Addr::LOCALHOST),
        ..MainlineSettings::default()
    }
}

fn start(settings: MainlineSettings) -> (Mainline, Answers) {
    let (answers, answered) = unbounded();
    let tell = move |id, answer| {
        let _ = answers.try_send((id, answer));
    };
    (Mainline::start(settings, Box::new(tell)).unwrap(), answered)
}

fn next(answers: &Answers) -> (WorldId, WorldAnswer) {
    smol::block_on(or(async { answers.recv().await.unwrap() }, async {
        Timer::after(Duration::from_secs(60)).await;
        panic!("no answer within a minute")
    }))
}

/// Asks, and gives all answers but the last, and whether anyone was reached.
fn ask(mainline: &Mainline, answers: &Answers, request: WorldRequest) -> (Vec<WorldAnswer>, bool) {
    assert!(mainline.ask(WorldId(7), request));
    let mut all = Vec::new();
    loop {
        match next(answers) {
            (WorldId(7), WorldAnswer::Over { reached }) => return (all, reached),
            (WorldId(7), answer) => all.push(answer),
            (id, _) => panic!("an answer for {id:?}"),
        }
    }
}

/// The values as they were told, one after the other.
fn values(answers: Vec<WorldAnswer>) -> Vec<(u64, Vec<u8>)> {
    let values = |answer| match answer {
        WorldAnswer::Values(values) => values,
        other => panic!("{other:?}"),
    };
    answers.into_iter().flat_map(values).collect()
}

fn put(signer: &SigningKey, sequence: u64, value: &[u8]) -> WorldRequest {
    let mut signed = format!("3:seqi{sequence}e1:v{}:", value.len()).into_bytes();
    signed.extend_from_slice(value);
    let signature = signer.sign(&signed).to_bytes();
    WorldRequest::Put { key: signer.verifying_key().to_bytes(), sequence, value: value.to_vec(), signature }
}

fn get(signer: &SigningKey) -> WorldRequest {
    WorldRequest::Get { key: signer.verifying_key().to_bytes() }
}

#[test]
fn an_item_is_found_by_its_key_and_the_newer_one_stays() {
    let net = testnet();
    let (one, answers) = start(settings(net.bootstrap.clone()));
    let (other, others_answers) = start(settings(net.bootstrap.clone()));
    let signer = SigningKey::from_bytes(&[1; 32]);
    assert_eq!(ask(&other, &others_answers, get(&signer)), (Vec::new(), true), "nothing is there yet");

    let longest = vec![0xa5; MAX_WORLD_VALUE];
    let stored = (vec![WorldAnswer::Stored(true)], true);
    assert_eq!(ask(&one, &answers, put(&signer, 5, &longest)), stored);
    let (found, reached) = ask(&other, &others_answers, get(&signer));
    assert_eq!((values(found), reached), (vec![(5, longest)], true), "told once, whoever keeps it");

    assert_eq!(ask(&one, &answers, put(&signer, 6, b"newer")), stored);
    // Whoever comes with what is old cannot undo it.
    let (refused, reached) = ask(&other, &others_answers, put(&signer, 4, b"older"));
    assert_eq!((refused, reached), (vec![WorldAnswer::Stored(false)], true));
    let found = values(ask(&other, &others_answers, get(&signer)).0);
    assert_eq!(found, [(6, b"newer".to_vec())]);
    one.join();
    other.join();
}

#[test]
fn an_item_that_its_key_has_not_signed_is_kept_by_nobody() {
    let net = testnet();
    let (mainline, answers) = start(settings(net.bootstrap.clone()));
    let signer = SigningKey::from_bytes(&[2; 32]);
    let WorldRequest::Put { key, sequence, mut value, signature } = put(&signer, 1, b"as signed") else {
        unreachable!()
    };
    value[0] ^= 1;
    let forged = WorldRequest::Put { key, sequence, value, signature };
    assert_eq!(ask(&mainline, &answers, forged), (vec![WorldAnswer::Stored(false)], true));
    assert_eq!(ask(&mainline, &answers, get(&signer)), (Vec::new(), true));

    let long = vec![0; MAX_WORLD_VALUE + 1];
    assert!(!mainline.ask(WorldId(0), put(&signer, 1, &long)), "no such item can be");
    assert!(!mainline.ask(WorldId(0), put(&signer, 1 << 63, b"")), "nor one with such a number");
    mainline.join();
}

#[test]
fn who_announces_itself_under_a_topic_is_found_there() {
    let net = testnet();
    let (one, answers) = start(settings(net.bootstrap.clone()));
    let (other, others_answers) = start(settings(net.bootstrap.clone()));
    let topic = [3; 20];
    let port = NonZeroU16::new(4321).unwrap();
    let find = WorldRequest::Find { topic };
    assert_eq!(ask(&other, &others_answers, find.clone()), (Vec::new(), true));
    let announced = ask(&one, &answers, WorldRequest::Announce { topic, port });
    assert_eq!(announced, (vec![WorldAnswer::Stored(true)], true));
    let (found, reached) = ask(&other, &others_answers, find);
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port.get()));
    assert_eq!((found, reached), (vec![WorldAnswer::Peers(vec![peer])], true), "told once, whoever keeps it");
    one.join();
    other.join();
}

#[test]
fn nothing_is_opened_before_something_is_asked() {
    let net = testnet();
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let (mainline, answers) =
        start(MainlineSettings { server: Some(port), ..settings(net.bootstrap.clone()) });
    let signer = SigningKey::from_bytes(&[4; 32]);
    // Only now it wants the port.
    let first = ask(&mainline, &answers, put(&signer, 1, b"early"));
    assert_eq!(first, (vec![WorldAnswer::Stored(false)], false));
    drop(taken);
    let second = ask(&mainline, &answers, put(&signer, 1, b"late"));
    assert_eq!(second, (vec![WorldAnswer::Stored(true)], true));
    assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_err(), "it uses the port that it was given");
    mainline.join();
}

#[test]
fn a_node_on_loopback_asks_nobody_elsewhere() {
    let elsewhere = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 6881).to_string();
    for bootstrap in [None, Some(vec!["name.invalid:6881".into(), elsewhere])] {
        let settings = MainlineSettings { bootstrap, ..settings(Vec::new()) };
        let (mainline, answers) = start(settings);
        let key = [5; 32];
        assert_eq!(ask(&mainline, &answers, WorldRequest::Get { key }), (Vec::new(), false));
        mainline.join();
    }
}

/// A node that hears everything and says nothing: requests to it last.
fn silent() -> (UdpSocket, String) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// The keys' hashes that are asked for in what has arrived at a socket.
fn targets(socket: &UdpSocket) -> BTreeSet<Vec<u8>> {
    socket.set_nonblocking(true).unwrap();
    let mut targets = BTreeSet::new();
    let mut buffer = [0; 2048];
    while let Ok(length) = socket.recv(&mut buffer) {
        let datagram = &buffer[..length];
        let is_get = datagram.windows(8).any(|window| window == b"1:q3:get");
        let mark = b"6:target20:";
        let target = datagram.windows(mark.len()).position(|window| window == mark);
        if let Some(start) = target.filter(|_| is_get).map(|start| start + mark.len()) {
            targets.insert(datagram[start..start + 20].to_vec());
        }
    }
    targets
}

#[test]
fn few_requests_run_at_once_and_few_wait() {
    let (socket, address) = silent();
    let (mainline, answers) = start(settings(vec![address]));
    let accepted = (0..200_u8)
        .filter(|number| mainline.ask(WorldId((*number).into()), WorldRequest::Get { key: [*number; 32] }))
        .count();
    assert!((64..=68).contains(&accepted), "{accepted}: 64 wait, and up to 4 run");
    // Nobody answers, so each lasts until the library gives up. No more are asked for than have
    // ended, and four.
    assert_eq!(next(&answers).1, WorldAnswer::Over { reached: false });
    let asked = targets(&socket).len();
    let over = 1 + answers.len();
    assert!((1..=over + 4).contains(&asked), "{asked} asked for, {over} over");
    mainline.join();
}

#[test]
fn it_stops_at_once_while_requests_are_under_way() {
    let (socket, address) = silent();
    let (mainline, answers) = start(settings(vec![address]));
    for number in 0..20 {
        assert!(mainline.ask(WorldId(number), WorldRequest::Get { key: [6; 32] }));
    }
    // Until it is under way.
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (_, client) = socket.recv_from(&mut [0; 2048]).unwrap();
    mainline.stop();
    assert!(!mainline.ask(WorldId(99), WorldRequest::Get { key: [6; 32] }), "no more is taken");
    mainline.join();
    // The library gives up on who is silent after two seconds; waiting for that would have ended four at least.
    assert!(answers.len() < 4, "{} are over", answers.len());
    // Its socket goes, too.
    let end = Instant::now() + Duration::from_secs(30);
    while UdpSocket::bind(client).is_err() {
        assert!(Instant::now() < end, "the socket is still open");
        std::thread::sleep(Duration::from_millis(10));
    }
}
