//! Runs the real program on loopback, each node in a home of its own, and reads what it says line by line.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

#[cfg(unix)]
pub mod person;
pub mod picture;
#[cfg(target_os = "linux")]
pub mod world;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up. Nothing waits for it to pass.
const LIMIT: Duration = Duration::from_secs(120);

/// One node's home, and room for its files.
pub struct Node {
    directory: TempDir,
}

impl Node {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A path in this node's room.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file in this node's room.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A file of so many zero bytes that takes no room.
    pub fn hollow_file(&self, name: &str, bytes: u64) -> PathBuf {
        let path = self.path(name);
        std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        path
    }

    /// A directory in this node's room.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// The command line `hither ARGUMENTS` on this home and loopback.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.command_at("0", arguments)
    }

    fn command_at<S: AsRef<OsStr>>(&self, port: &str, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hither"));
        command
            .arg("--home")
            .arg(self.path("home"))
            .args(["--interface", "lo", "--port", port])
            .args(arguments);
        alone(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it with `--json`.
    pub fn start<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Running {
        Running::start(self.command(arguments).arg("--json"))
    }

    /// Starts it with `--json` at a port that is known.
    pub fn start_at<S: AsRef<OsStr>>(&self, port: &str, arguments: &[S]) -> Running {
        Running::start(self.command_at(port, arguments).arg("--json"))
    }

    /// Runs it with `--json` to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ended {
        self.start(arguments).end()
    }

    pub fn id(&self) -> String {
        let ended = self.run(&["id"]);
        ended.expect(0);
        ended.event("id")["id"].as_str().unwrap().to_owned()
    }

    pub fn add_contact(&self, name: &str, other: &Node) {
        self.run(&["contacts", "add", name, &other.id()]).expect(0);
    }
}

/// Nothing of this machine's settings, and nothing that leads beyond it.
pub fn alone(command: &mut Command) {
    for variable in ["HITHER_HOME", "HITHER_INTERFACE", "HITHER_PASSPHRASE_FILE", "HITHER_BOOTSTRAP"] {
        command.env_remove(variable);
    }
    command.env("HITHER_MAINLINE", "off");
}

/// A running program.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    events: Vec<Value>,
    words: Vec<String>,
    errors: Receiver<String>,
    said: String,
    /// Bytes of it that were looked at.
    read: usize,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = child.stdout.take().map_or_else(|| channel().1, read);
        let errors = read_pieces(child.stderr.take().unwrap());
        Self { child, lines, events: Vec::new(), words: Vec::new(), errors, said: String::new(), read: 0 }
    }

    /// The same, with its standard output going elsewhere.
    pub fn start_into(command: &mut Command, out: Stdio) -> Self {
        let running = Self::start(command.stdout(out));
        // The command holds its end of a pipe too, and whoever reads there waits for it.
        command.stdout(Stdio::null());
        running
    }

    /// Waits for a line of standard error that holds `wanted`, and gives it. What came before is passed over.
    pub fn wait_for_note(&mut self, wanted: &str) -> String {
        loop {
            if let Some((line, _)) = self.said[self.read..].split_once('\n') {
                let line = line.to_owned();
                self.read += line.len() + 1;
                if line.contains(wanted) {
                    return line;
                }
            } else {
                self.hear(wanted);
            }
        }
    }

    /// Waits for a text on standard error, whether its line ends or not. What came before is passed over.
    pub fn wait_for_text(&mut self, wanted: &str) {
        loop {
            if let Some(at) = self.said[self.read..].find(wanted) {
                self.read += at + wanted.len();
                return;
            }
            self.hear(wanted);
        }
    }

    fn hear(&mut self, wanted: &str) {
        match self.errors.recv_timeout(LIMIT) {
            Ok(text) => self.said += &text,
            Err(why) => panic!("no {wanted} came ({why}): {}", self.said),
        }
    }

    /// What standard error holds, to its end.
    fn all_said(&mut self) -> String {
        self.said.extend(self.errors.iter());
        std::mem::take(&mut self.said)
    }

    /// Waits for a JSON line of that event of which `wanted` is true.
    pub fn wait_for(&mut self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let fits = |found: &&Value| found["event"] == event && wanted(found);
        if let Some(found) = self.events.iter().find(fits) {
            return found.clone();
        }
        let end = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.take(line),
                Err(why) => {
                    let _ = self.child.kill();
                    let said = self.all_said();
                    panic!("no {event} came ({why}): {:#?} {said}", self.events);
                }
            }
            if let Some(found) = self.events.last().filter(fits) {
                return found.clone();
            }
        }
    }

    /// Waits until it is ready, and gives where it is: ID@ADDRESS.
    pub fn address(&mut self) -> String {
        let ready = self.wait_for("ready", |_| true);
        let addresses = ready["addresses"].as_array().unwrap();
        let address = addresses.iter().map(|address| address.as_str().unwrap());
        let address = address.into_iter().find(|address| address.starts_with("127.")).unwrap();
        format!("{}@{address}", ready["id"].as_str().unwrap())
    }

    /// Waits until some bytes have moved.
    pub fn wait_for_progress(&mut self) {
        self.wait_for("progress", |progress| progress["done"].as_u64().unwrap() > 0);
    }

    /// Ctrl-C.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    }

    /// Ends it at once, without a word to anyone: SIGKILL where there are signals.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let end = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.take(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().unwrap();
                    let said = self.all_said();
                    panic!("it has no end: {:#?} {:?} {said}", self.events, self.words);
                }
            }
        }
        let code = self.child.wait().unwrap().code();
        let errors = self.all_said();
        Ended { code, events: std::mem::take(&mut self.events), words: self.words.join("\n"), errors }
    }

    fn take(&mut self, line: String) {
        match serde_json::from_str(&line) {
            Ok(event) => self.events.push(event),
            Err(_) => self.words.push(line),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    lines
}

fn read_pieces(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, pieces) = channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        // What the program writes at once arrives at once, so no character is torn.
        while let Ok(length @ 1..) = from.read(&mut piece) {
            if sender.send(String::from_utf8_lossy(&piece[..length]).into_owned()).is_err() {
                break;
            }
        }
    });
    pieces
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub events: Vec<Value>,
    /// What else was on standard output.
    pub words: String,
    /// Standard error.
    pub errors: String,
}

impl Ended {
    #[track_caller]
    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The first event of a kind.
    #[track_caller]
    pub fn event(&self, event: &str) -> &Value {
        let found = self.events.iter().find(|found| found["event"] == event);
        found.unwrap_or_else(|| panic!("no {event}: {self:#?}"))
    }

    /// The text of the error, which must end with this code and say this.
    #[track_caller]
    pub fn expect_error(&self, code: i32, says: &str) {
        self.expect(code);
        let error = self.event("error");
        assert_eq!(error["code"], code);
        assert!(error["text"].as_str().unwrap().contains(says), "{error}");
    }
}

/// Sends `arguments` from one node to a `receive` of the other, and gives how both ended: sender, receiver.
pub fn send(from: &Node, arguments: &[&str], to: &Node, receive: &[&str]) -> (Ended, Ended) {
    let mut receiver = to.start(&[&["receive"], receive].concat());
    let address = receiver.address();
    let sender = from.run(&[&["send", "--to", &address], arguments].concat());
    (sender, receiver.end())
}

/// Names of everything below a directory, but for directories that are not empty.
pub fn listing(directory: &Path) -> Vec<String> {
    fn walk(directory: &Path, prefix: &str, into: &mut Vec<String>) {
        let mut empty = true;
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            empty = false;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), into);
            } else {
                into.push(name);
            }
        }
        if empty && !prefix.is_empty() {
            into.push(prefix.to_owned());
        }
    }
    let mut names = Vec::new();
    if directory.exists() {
        walk(directory, "", &mut names);
    }
    names.sort();
    names
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
