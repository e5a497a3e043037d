//! The home: made private, held by one, and the key that stays the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hither_cli::exit::Exit;
use hither_cli::home::{Home, entropy};
use hither_protocol::identity::{Identity, KeyFile, PassphraseCost, PeerId};
use serde_json::Value;
use tempfile::TempDir;

fn temporary() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(directory: &TempDir) -> Home {
    Home::open(Some(directory.path())).unwrap()
}

/// `hither` with `words`, in a surrounding that knows no other home and has no terminal.
fn hither(home: &Path, words: &[&str], passphrase: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hither"));
    command.env_remove("HITHER_PASSPHRASE_FILE").env("HITHER_HOME", home).args(words).stdin(Stdio::null());
    command.env("HITHER_MAINLINE", "off");
    if let Some(file) = passphrase {
        command.env("HITHER_PASSPHRASE_FILE", file);
    }
    command.output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn the_key_is_made_once_and_stays() {
    let directory = temporary();
    let first = open(&directory).identity().unwrap();
    let again = open(&directory).identity().unwrap();
    assert!(first.made && !again.made && !again.tightened);
    assert_eq!(first.identity.peer_id(), again.identity.peer_id());
    // Nothing but the key and the state directory is left behind.
    let mut names: Vec<_> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["key", "state"]);
}

#[test]
fn two_at_first_use_get_one_key() {
    let directory = temporary();
    let home = open(&directory);
    let ids: Vec<PeerId> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| hither(directory.path(), &["id"], None))).collect();
        let outputs = threads.into_iter().map(|thread| thread.join().unwrap());
        outputs.map(|output| out(&output).parse().unwrap()).collect()
    });
    let kept = home.identity().unwrap().identity.peer_id();
    assert!(ids.iter().all(|id| *id == kept));
}

#[cfg(unix)]
#[test]
fn what_is_made_is_private_and_what_is_open_is_closed() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let outer = temporary();
    let directory = outer.path().join("new");
    let home = Home::open(Some(&directory)).unwrap();
    home.identity().unwrap();
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(home.state()), 0o700);
    assert_eq!(mode(&home.key_file()), 0o600);
    fs::set_permissions(home.key_file(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(home.identity().unwrap().tightened);
    assert_eq!(mode(&home.key_file()), 0o600);
    assert!(!home.identity().unwrap().tightened);
}

#[test]
fn a_file_that_is_no_key_is_left_alone() {
    let directory = temporary();
    let home = open(&directory);
    fs::write(home.key_file(), "precious").unwrap();
    let failure = home.identity().err().unwrap();
    assert!(failure.text.contains("not a key file"));
    assert_eq!(fs::read_to_string(home.key_file()).unwrap(), "precious");
}

#[test]
fn one_process_at_a_time_and_the_second_says_who() {
    let directory = temporary();
    let home = open(&directory);
    let lock = home.lock("up").unwrap();
    let failure = home.lock("receive").unwrap_err();
    assert!(failure.text.contains("`hither up`"), "{failure}");
    assert!(failure.text.contains(&std::process::id().to_string()), "{failure}");
    assert!(failure.text.contains("--home"), "{failure}");
    drop(lock);
    home.lock("receive").unwrap();
}

#[test]
fn a_home_that_cannot_be_is_said() {
    let directory = temporary();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let failure = Home::open(Some(&file)).unwrap_err();
    assert!(failure.text.contains("--home DIR"), "{failure}");
}

fn seal(home: &Home, passphrase: &str) -> PeerId {
    let mut entropy = entropy().unwrap();
    let identity = Identity::generate(&mut entropy.stream("identity"));
    let cost = PassphraseCost::new(8, 1, 1).unwrap();
    let bytes = KeyFile::encode_sealed(&identity, passphrase, cost, &mut entropy.stream("key")).unwrap();
    fs::write(home.key_file(), &*bytes).unwrap();
    identity.peer_id()
}

#[test]
fn a_sealed_key_opens_with_the_passphrase_from_a_file() {
    let directory = temporary();
    let id = seal(&open(&directory), "correct horse");
    let file = directory.path().join("passphrase");
    let run = |passphrase: Option<&Path>| hither(directory.path(), &["id"], passphrase);
    fs::write(&file, "correct horse\nand a note\n").unwrap();
    assert_eq!(out(&run(Some(&file))).parse(), Ok(id));
    fs::write(&file, "wrong\n").unwrap();
    assert!(err(&run(Some(&file))).contains("does not open"));
    fs::write(&file, "\n").unwrap();
    assert!(err(&run(Some(&file))).contains("no passphrase in its first line"));
    let none = run(None);
    assert_eq!(none.status.code(), Some(Exit::Usage.code().into()));
    assert!(err(&none).contains("HITHER_PASSPHRASE_FILE"), "{}", err(&none));
}

#[test]
fn a_first_key_goes_under_the_passphrase_from_a_file() {
    let directory = temporary();
    let file = directory.path().join("passphrase");
    fs::write(&file, "correct horse").unwrap();
    let home = directory.path().join("home");
    let id: PeerId = out(&hither(&home, &["id"], Some(&file))).parse().unwrap();
    let key = KeyFile::parse(&fs::read(home.join("key")).unwrap()).unwrap();
    assert!(key.needs_passphrase());
    assert_eq!(key.open(Some("correct horse")).unwrap().peer_id(), id);
}

#[test]
fn id_prints_the_id_and_on_request_the_code() {
    let directory = temporary();
    let plain = hither(directory.path(), &["id"], None);
    let id: PeerId = out(&plain).parse().unwrap();
    assert_eq!(out(&plain), format!("{id}\n"));
    assert!(err(&plain).contains("made your key"));
    let again = hither(directory.path(), &["id", "--qr"], None);
    assert_eq!(out(&again), out(&plain));
    assert!(err(&again).contains('█') && !err(&again).contains('\u{1b}'));
    let json = hither(directory.path(), &["--json", "id"], None);
    let object: Value = serde_json::from_str(out(&json)).unwrap();
    assert_eq!(
        (object["event"].as_str(), object["id"].as_str()),
        (Some("id"), Some(id.to_string().as_str()))
    );
    assert_eq!(err(&json), "");
}

#[test]
fn usage_errors_exit_with_2_and_help_with_0() {
    let directory = temporary();
    let run = |words: &[&str]| hither(directory.path(), words, None);
    for words in [&[][..], &["sned"], &["send"], &["id", "--nope"]] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(out(&output).is_empty() && err(&output).starts_with("error: "), "{words:?}");
    }
    let json = run(&["sned", "--json"]);
    let object: Value = serde_json::from_str(out(&json)).unwrap();
    assert_eq!((object["code"].as_u64(), object["name"].as_str()), (Some(2), Some("usage")));
    for words in [["--help"], ["--version"], ["help"]] {
        let output = run(&words);
        assert_eq!((output.status.code(), err(&output)), (Some(0), ""), "{words:?}");
        assert!(out(&output).contains("hither"));
    }
    assert!(fs::read_dir(&directory).unwrap().next().is_none(), "usage errors touch nothing");

    // What is not there gets no code, which someone would wait for.
    let nothing = run(&["send", "a"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(
        err(&nothing).contains("there is no ") && err(&nothing).contains("Nothing was sent"),
        "{nothing:?}"
    );
}
