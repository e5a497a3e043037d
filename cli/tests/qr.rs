//! What is drawn can be read by a scanner, and pictures of it by us.

mod support;

use std::process::Command;

use hither_cli::picture::{PictureError, qr_codes};
use hither_cli::qr::qr;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, PeerId};
use hither_protocol::{Code, MAX_PAYLOAD, Payload};
use support::picture::{modules, write_png};
use support::{Node, Running, text};

fn peer(seed: u8) -> PeerId {
    Identity::generate(&mut Entropy::new(Seed::new([seed; 32])).stream("test")).peer_id()
}

/// What is drawn for codes, ids and names, from the shortest to the longest.
fn payloads() -> Vec<String> {
    let mut random = Entropy::new(Seed::new([5; 32])).stream("test");
    let mut payloads: Vec<_> =
        (3..=8).map(|words| Payload::Code(Code::generate(&mut random, words)).qr().to_string()).collect();
    for name in [None, Some("Anna".to_owned()), Some("Ä name of many letters ".repeat(9))] {
        payloads.push(Payload::Peer { peer: peer(1), name }.qr().to_string());
    }
    assert!(payloads.iter().any(|payload| payload.len() > MAX_PAYLOAD - 3));
    payloads
}

fn scan(drawn: &str) -> (rqrr::MetaData, String) {
    const SCALE: usize = 4;
    let modules = modules(drawn);
    let light = |x: usize, y: usize| modules[y / SCALE][x / SCALE];
    let (width, height) = (modules[0].len() * SCALE, modules.len() * SCALE);
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| if light(x, y) { 255 } else { 0 });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap()
}

#[test]
fn an_id_is_read_back_from_a_small_code() {
    for seed in 0..8 {
        let id = peer(seed);
        let drawn = qr(&id.to_string().to_uppercase()).unwrap();
        let (meta, text) = scan(&drawn);
        assert_eq!(text.parse::<PeerId>(), Ok(id));
        assert!(meta.version.0 <= 6, "{}", meta.version.0);
        assert!(drawn.lines().all(|line| line.chars().count() <= 50));
    }
}

#[test]
fn any_text_is_read_back() {
    let text = "hi1… Straße 日本";
    assert_eq!(scan(&qr(text).unwrap()).1, text);
    assert_eq!(qr(&"a".repeat(5000)), None);
}

#[test]
fn payloads_are_read_by_an_independent_scanner() {
    if Command::new("zbarimg").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI has zbarimg");
        eprintln!("skipped: zbarimg (Debian's zbar-tools) is not here");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (number, payload) in payloads().iter().enumerate() {
        let drawn = qr(payload).unwrap();
        let version = scan(&drawn).0.version.0;
        assert!(version <= 6, "{payload}: version {version}");
        // As a phone's camera has it at arm's length: three pixels a module.
        let path = directory.path().join(format!("{number}.png"));
        write_png(&drawn, 3, &path);
        let read = Command::new("zbarimg")
            .args(["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(read.stdout).unwrap().trim_end(), payload);
        assert_eq!(qr_codes(&path).unwrap(), [payload.as_str()]);
    }
}

#[test]
fn a_jpeg_is_read_too() {
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/anna.jpg"));
    let texts = qr_codes(path).unwrap();
    let Ok(Payload::Peer { peer: found, name }) = Payload::parse(&texts[0]) else { panic!("{texts:?}") };
    assert_eq!((found, name.as_deref()), (peer(1), Some("Anna")));
}

#[test]
fn what_is_no_picture_is_said() {
    let node = Node::new();
    let photo = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/anna.jpg")).unwrap();
    let mut png = Vec::new();
    png::Encoder::new(&mut png, 1, 1).write_header().unwrap().write_image_data(&[0]).unwrap();
    let read = |content: &[u8]| qr_codes(&node.file("picture", content));
    assert!(matches!(read(b"hello"), Err(PictureError::Format)));
    assert!(read(&png).unwrap().is_empty());
    assert!(matches!(read(&png[..20]), Err(PictureError::Damaged)));
    assert!(matches!(read(&photo[..200]), Err(PictureError::Damaged)));
    // A picture that would take 16 GB.
    let mut huge = png.clone();
    huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    assert!(matches!(read(&huge), Err(PictureError::TooLarge | PictureError::Damaged)));
    assert!(matches!(qr_codes(&node.path("nothing")), Err(PictureError::File(_))));
}

#[test]
fn two_become_contacts_by_a_qr_and_a_picture_of_it() {
    let (alice, bob) = (Node::new(), Node::new());
    let shown = Running::start(&mut alice.command(&["pair", "--qr", "--name", "Anna"])).end();
    shown.expect(0);
    assert!(shown.words.starts_with(&format!("hither:p/{}/Anna", alice.id())), "{}", shown.words);
    let drawn: Vec<&str> = shown.errors.lines().filter(|line| line.contains(['█', '▀', '▄'])).collect();
    let picture = bob.path("screen.png");
    write_png(&drawn.join("\n"), 3, &picture);
    bob.run(&["pair", "--scan", text(&picture)]).expect_error(2, "--name NAME");
    let paired = bob.run(&["pair", "--scan", text(&picture), "--name", "alice"]);
    assert_eq!(paired.expect(0).event("paired")["id"], alice.id());
    assert_eq!(bob.run(&["contacts"]).event("peer")["name"], "alice");
    let other = bob.path("other.png");
    write_png(&qr("https://example.org").unwrap(), 3, &other);
    let scan = ["pair", "--name", "x", "--scan"];
    bob.run(&[&scan[..], &[text(&other)]].concat()).expect_error(2, "is not one of hither's");
    bob.run(&[&scan[..], &["Cargo.toml"]].concat()).expect_error(2, "neither PNG nor JPEG");
}

#[test]
#[cfg(unix)]
fn the_name_in_a_qr_is_a_proposal() {
    use support::person::Person;
    let (bob, picture) = (Node::new(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/anna.jpg"));
    let (mut person, mut pair) = Person::at(&bob, &["pair", "--scan", picture]);
    pair.wait_for_note(&peer(1).to_string());
    pair.wait_for_text("A name, or y for Anna: ");
    person.types("y");
    pair.end().expect(0);
    assert_eq!(bob.run(&["contacts"]).event("peer")["name"], "Anna");
}
