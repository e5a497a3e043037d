//! The desk: how a second command asks the process that has the home about transfers and peers, until there is a local
//! API. A request is a file in a private directory of the home, written whole under another name first; the process
//! looks now and then, acts, and puts the answer beside it. Each is one line of JSON of bounded size.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use hither_protocol::OpenName;
use hither_protocol::transfer::TransferId;
use hither_runtime_smol::private;
use serde_json::{Value, json};

use super::list_peers::Around;
use crate::exit::{Exit, Failure};
use crate::home::{Home, HomeLock};
use crate::screen::{Check, NodeRow, PeerRow, Transfer, TransferState};

/// How often the process that has the home looks.
const LOOK: Duration = Duration::from_millis(100);
/// How often the one that asks looks for its answer, and how long.
const LOOK_FOR_ANSWER: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(8);
/// What is older than this was asked by someone who is gone.
const STALE: Duration = Duration::from_secs(30);
/// Longest request and answer, in bytes.
const MAX_REQUEST: u64 = 1024;
const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Files that are looked at in one look.
const MAX_FILES: usize = 256;
const ASKED: &str = "asked";
const ANSWERED: &str = "answered";
const DRAFT: &str = "draft";

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// The transfers.
    List,
    /// Who is near.
    Peers,
    /// What this network lets through.
    Doctor,
    /// Let one stand still.
    Pause(TransferId),
    /// Go on with one.
    Resume(TransferId),
    /// Give one up.
    Cancel(TransferId),
}

/// What comes back.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// The transfers.
    Transfers(Vec<Transfer>),
    /// Who is near.
    Around(Around),
    /// What this network lets through.
    Checks(Vec<Check>),
    /// It was done.
    Done,
    /// It was not.
    Failed(Failure),
}

/// Names a request and its answer: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket(String);

/// The side of the process that has the home.
#[derive(Debug)]
pub(super) struct Desk {
    directory: PathBuf,
    looked: Option<Instant>,
    /// Requests that have come and were not looked at.
    waiting: Vec<(Ticket, Request)>,
    /// Transfers that were given up and whose files are being removed.
    removing: Vec<(Ticket, TransferId)>,
    /// Those who wait for what the network lets through.
    examining: Vec<Ticket>,
}

impl Desk {
    pub(super) fn new(home: &Home) -> Self {
        Self {
            directory: home.desk(),
            looked: None,
            waiting: Vec::new(),
            removing: Vec::new(),
            examining: Vec::new(),
        }
    }

    /// The next request, if it is time to look and there is one.
    pub(super) fn next(&mut self) -> Option<(Ticket, Request)> {
        let now = Instant::now();
        if self.waiting.is_empty()
            && self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK)
        {
            self.looked = Some(now);
            self.look();
        }
        self.waiting.pop()
    }

    fn look(&mut self) {
        // Nobody has ever asked, or the disk fails: the one who asks says so.
        let Ok(files) = fs::read_dir(&self.directory) else { return };
        for file in files.take(MAX_FILES).filter_map(Result::ok) {
            let path = file.path();
            if is_stale(&path) {
                let _ = fs::remove_file(&path);
                continue;
            }
            let name = file.file_name();
            let Some((ticket, ASKED)) = name.to_str().and_then(parse_name) else { continue };
            let request = read(&path, MAX_REQUEST).ok().and_then(|text| Request::parse(&text));
            // Each is acted on once, whatever happens then.
            if fs::remove_file(&path).is_err() {
                continue;
            }
            match request {
                Some(request) => self.waiting.push((ticket, request)),
                None => {
                    let text = "the running hither does not understand this; are both of one version?";
                    self.answer(&ticket, &Answer::Failed(Failure::new(Exit::Usage, text)));
                }
            }
        }
    }

    /// Answers a request. Where that fails, the one who asks says so.
    pub(super) fn answer(&self, ticket: &Ticket, answer: &Answer) {
        let _ = write(&self.directory, ticket, ANSWERED, &answer.value());
    }

    /// Answers a request once nothing is left of a transfer.
    pub(super) fn answer_once_removed(&mut self, ticket: Ticket, transfer: TransferId) {
        self.removing.push((ticket, transfer));
    }

    /// Answers those who wait for a transfer of which nothing is left.
    pub(super) fn answer_removed(&mut self, is_removed: impl Fn(TransferId) -> bool) {
        let (removed, removing) =
            std::mem::take(&mut self.removing).into_iter().partition(|(_, transfer)| is_removed(*transfer));
        self.removing = removing;
        let removed: Vec<(Ticket, TransferId)> = removed;
        removed.iter().for_each(|(ticket, _)| self.answer(ticket, &Answer::Done));
    }

    /// Answers a request once it is known what the network lets through.
    pub(super) fn answer_once_examined(&mut self, ticket: Ticket) {
        self.examining.push(ticket);
    }

    /// Whether anybody waits for that.
    pub(super) fn is_doctor_wanted(&self) -> bool {
        !self.examining.is_empty()
    }

    /// Answers those who wait for what the network lets through.
    pub(super) fn answer_doctor(&mut self, checks: &[Check]) {
        for ticket in std::mem::take(&mut self.examining) {
            self.answer(&ticket, &Answer::Checks(checks.to_vec()));
        }
    }

    /// The node has ended, and with it whatever it was removing.
    pub(super) fn answer_all(mut self) {
        self.answer_removed(|_| true);
    }
}

/// Whoever has the home, as a second command meets it.
pub(super) enum Holder {
    /// This process, from now on.
    Ours(HomeLock),
    /// Another one, which answered.
    Theirs(Answer),
}

/// Asks the process that has the home, or takes the home where nobody has it.
pub(super) fn ask(home: &Home, command: &str, request: Request) -> Result<Holder, Failure> {
    let held = match home.try_lock(command)? {
        Ok(lock) => return Ok(Holder::Ours(lock)),
        Err(held) => held,
    };
    let directory = home.desk();
    let ticket = Ticket::new()?;
    let put = private::make_directory(&directory)
        .and_then(|()| write(&directory, &ticket, ASKED, &request.value()));
    put.map_err(|error| {
        let text = format!("{held} It could not be asked either: {error}.");
        Failure::new(Exit::NotWritable, text)
    })?;
    let (asked, answered) = (ticket.file(&directory, ASKED), ticket.file(&directory, ANSWERED));
    let end = Instant::now() + PATIENCE;
    loop {
        std::thread::sleep(LOOK_FOR_ANSWER);
        match read(&answered, MAX_ANSWER) {
            Ok(text) => {
                let _ = fs::remove_file(&answered);
                return Answer::parse(&text).map(Holder::Theirs).ok_or(held);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Err(held),
        }
        let over = Instant::now() >= end;
        let lock = home.try_lock(command)?;
        // What was taken up already is not done a second time.
        let untouched = (lock.is_ok() || over) && fs::remove_file(&asked).is_ok();
        match lock {
            Ok(lock) if untouched => return Ok(Holder::Ours(lock)),
            // Its last word may have come just before it ended.
            Ok(lock) => {
                let answer = read(&answered, MAX_ANSWER).ok().and_then(|text| Answer::parse(&text));
                let _ = fs::remove_file(&answered);
                return Ok(answer.map_or(Holder::Ours(lock), Holder::Theirs));
            }
            Err(held) if over => {
                let text = if untouched {
                    format!("{held} It did not answer.")
                } else {
                    format!("{held} It was asked, and may still do it.")
                };
                return Err(Failure::new(held.exit, text));
            }
            Err(_) => {}
        }
    }
}

impl Ticket {
    fn new() -> Result<Self, Failure> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::new(Exit::Fault, format!("the operating system gives no randomness ({error})"))
        })?;
        Ok(Self(TransferId(bytes).to_string()))
    }

    fn file(&self, directory: &Path, kind: &str) -> PathBuf {
        directory.join(format!("{}.{kind}", self.0))
    }
}

/// The ticket and the kind of a file of the desk's; whatever else is there is left alone.
fn parse_name(name: &str) -> Option<(Ticket, &str)> {
    let (digits, kind) = name.split_once('.')?;
    parse_id(digits).map(|id| (Ticket(id.to_string()), kind))
}

fn is_stale(path: &Path) -> bool {
    let ours = path.file_name().and_then(|name| name.to_str()).and_then(parse_name).is_some();
    let age = || {
        let modified = path.symlink_metadata().ok()?.modified().ok()?;
        SystemTime::now().duration_since(modified).ok()
    };
    ours && age().is_some_and(|age| age > STALE)
}

/// A regular file's text.
fn read(path: &Path, most: u64) -> io::Result<String> {
    let unfit = || io::Error::from(io::ErrorKind::InvalidData);
    if !path.symlink_metadata()?.is_file() {
        return Err(unfit());
    }
    let mut text = String::new();
    File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > most { Err(unfit()) } else { Ok(text) }
}

fn write(directory: &Path, ticket: &Ticket, kind: &str, value: &Value) -> io::Result<()> {
    let draft = ticket.file(directory, DRAFT);
    let mut file = private::options().write(true).create_new(true).open(&draft)?;
    let written = writeln!(file, "{value}").and_then(|()| fs::rename(&draft, ticket.file(directory, kind)));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// A whole id: 32 hexadecimal digits in lower case.
pub(super) fn parse_id(text: &str) -> Option<TransferId> {
    let bytes = text.as_bytes();
    let mut id = [0; 16];
    if bytes.len() != 32 || bytes.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    for (byte, digits) in id.iter_mut().zip(bytes.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(TransferId(id))
}

impl Request {
    fn value(self) -> Value {
        match self {
            Self::List => json!({"do": "list"}),
            Self::Peers => json!({"do": "peers"}),
            Self::Doctor => json!({"do": "doctor"}),
            Self::Pause(transfer) => json!({"do": "pause", "transfer": transfer.to_string()}),
            Self::Resume(transfer) => json!({"do": "resume", "transfer": transfer.to_string()}),
            Self::Cancel(transfer) => json!({"do": "cancel", "transfer": transfer.to_string()}),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let transfer = || value["transfer"].as_str().and_then(parse_id);
        match value["do"].as_str()? {
            "list" => Some(Self::List),
            "peers" => Some(Self::Peers),
            "doctor" => Some(Self::Doctor),
            "pause" => transfer().map(Self::Pause),
            "resume" => transfer().map(Self::Resume),
            "cancel" => transfer().map(Self::Cancel),
            _ => None,
        }
    }
}

impl Answer {
    fn value(&self) -> Value {
        match self {
            Self::Transfers(rows) => {
                json!({"transfers": rows.iter().map(row_value).collect::<Vec<_>>()})
            }
            Self::Checks(checks) => json!({"checks": checks.iter().map(Check::value).collect::<Vec<_>>()}),
            Self::Around(Around { peers, nodes, visible }) => json!({
                "peers": peers.iter().map(PeerRow::value).collect::<Vec<_>>(),
                "nodes": nodes.as_ref().map(|nodes| nodes.iter().map(NodeRow::value).collect::<Vec<_>>()),
                "visible": visible.as_ref().map(|(name, left)| json!([name.as_str(), left.as_secs()])),
            }),
            Self::Done => json!({"done": true}),
            Self::Failed(failure) => json!({"failed": {"code": failure.exit.code(), "text": failure.text}}),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        if let Some(rows) = value["transfers"].as_array() {
            return rows.iter().map(parse_row).collect::<Option<_>>().map(Self::Transfers);
        }
        if let Some(checks) = value["checks"].as_array() {
            return checks.iter().map(Check::parse).collect::<Option<_>>().map(Self::Checks);
        }
        if let Some(peers) = value["peers"].as_array() {
            let peers = peers.iter().map(PeerRow::parse).collect::<Option<_>>()?;
            let nodes = value["nodes"].as_array();
            let nodes = match nodes {
                Some(nodes) => Some(nodes.iter().map(NodeRow::parse).collect::<Option<_>>()?),
                None => None,
            };
            let visible = match &value["visible"] {
                Value::Null => None,
                shown => {
                    let name = OpenName::new(shown[0].as_str()?).ok()?;
                    Some((name, Duration::from_secs(shown[1].as_u64()?)))
                }
            };
            return Some(Self::Around(Around { peers, nodes, visible }));
        }
        if value["done"] == true {
            return Some(Self::Done);
        }
        let failed = &value["failed"];
        let exit = Exit::ALL.into_iter().find(|exit| failed["code"] == exit.code())?;
        Some(Self::Failed(Failure::new(exit, failed["text"].as_str()?)))
    }
}

fn row_value(row: &Transfer) -> Value {
    json!({
        "transfer": row.transfer, "sending": row.sending, "peer": row.peer.to_string(), "contact": row.contact,
        "name": row.name, "done": row.done, "total": row.total, "state": row.state.name(), "folder": row.folder,
    })
}

fn parse_row(value: &Value) -> Option<Transfer> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    Some(Transfer {
        transfer: parse_id(value["transfer"].as_str()?)?.to_string(),
        sending: value["sending"].as_bool()?,
        peer: value["peer"].as_str()?.parse().ok()?,
        contact: text("contact"),
        name: text("name")?,
        done: value["done"].as_u64()?,
        total: value["total"].as_u64()?,
        state: TransferState::named(value["state"].as_str()?)?,
        folder: text("folder"),
    })
}

#[cfg(test)]
mod tests;
