//! `hither transfers`: lists what is under way or was interrupted, lets it stand still, goes on with it, gives it up;
//! through the process that has the home, or with a node of its own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hither_protocol::transfer::TransferId;
use hither_protocol::{Event, LinkLoss, Rules, TransferView};

use super::desk::{self, Answer, Holder, Request, parse_id};
use super::inbox::{Inbox, Manner, Outcome};
use super::send::Sending;
use super::session::{Next, Part, Session};
use super::{Typed, course, failure, get, send};
use crate::args::{Global, TransferPrefix, TransfersCommand, TransfersResume};
use crate::exit::{Exit, Failure};
use crate::home::{Home, HomeLock};
use crate::inert::inert;
use crate::screen::{self, Screen, Transfer, TransferState, count, short, size};

/// How long a sender that is there may take to offer what it is asked for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(
    global: &Global,
    home: &Home,
    command: &TransfersCommand,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    match desk::ask(home, "transfers", Request::List)? {
        Holder::Ours(lock) => alone(lock, global, home, command, typed, screen),
        Holder::Theirs(answer) => through(home, rows(answer)?, global, command, screen),
    }
}

/// Nobody else has the home.
fn alone(
    lock: HomeLock,
    global: &Global,
    home: &Home,
    command: &TransfersCommand,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    if let TransfersCommand::Resume(resume) = command {
        return go_on(lock, global, home, resume, typed, screen);
    }
    let session = Session::open_locked(lock, global, home, Part::None, Rules::default(), screen)?;
    let act = |request: Request| {
        match request {
            Request::List | Request::Peers | Request::Doctor | Request::Resume(_) => return Ok(()),
            Request::Pause(transfer) => session.ask(move |node, now| node.pause(now, transfer)),
            Request::Cancel(transfer) => session.ask(move |node, now| node.cancel(now, transfer)),
        }
        .map_err(|_| failure::no_transfer())?;
        session.settle()
    };
    let outcome = carry_out(session.transfers(), global, command, act, screen);
    session.close();
    outcome
}

/// Another process has the home, and does what it is asked.
fn through(
    home: &Home,
    rows: Vec<Transfer>,
    global: &Global,
    command: &TransfersCommand,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let act = |request: Request| match desk::ask(home, "transfers", request)? {
        Holder::Theirs(Answer::Failed(failure)) => Err(failure),
        Holder::Theirs(_) => Ok(()),
        Holder::Ours(_) => {
            let text =
                "the hither that was running here has ended meanwhile. Nothing was changed; try again.";
            Err(Failure::new(Exit::TimedOut, text))
        }
    };
    carry_out(rows, global, command, act, screen)
}

fn rows(answer: Answer) -> Result<Vec<Transfer>, Failure> {
    match answer {
        Answer::Transfers(rows) => Ok(rows),
        Answer::Failed(failure) => Err(failure),
        Answer::Done | Answer::Around(_) | Answer::Checks(_) => {
            Err(Failure::new(Exit::Fault, "the hither that is running here lists no transfers"))
        }
    }
}

fn carry_out(
    rows: Vec<Transfer>,
    global: &Global,
    command: &TransfersCommand,
    act: impl Fn(Request) -> Result<(), Failure>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    match command {
        TransfersCommand::List(_) => list(rows, screen),
        TransfersCommand::Pause(pause) => {
            let (row, transfer) = find(rows, &pause.id)?;
            act(Request::Pause(transfer))?;
            let note = format!(
                "{} stands still until `hither transfers resume {}`, also if it is sent or received again.",
                named(&row),
                short(&row.transfer)
            );
            tell(row, TransferState::Paused, &note, screen)
        }
        TransfersCommand::Resume(resume) => {
            let (row, transfer) = find(rows, &resume.id)?;
            act(Request::Resume(transfer))?;
            let note = format!("the hither that is running here goes on with {}.", named(&row));
            let state = if row.state == TransferState::Paused {
                TransferState::Active
            } else {
                TransferState::Waiting
            };
            tell(row, state, &note, screen)
        }
        TransfersCommand::Cancel(cancel) => {
            let (row, transfer) = find(rows, &cancel.id)?;
            give_up(row, transfer, &act, screen)
        }
        TransfersCommand::Clean(_) => clean(rows, global, act, screen),
    }
}

fn list(rows: Vec<Transfer>, screen: &mut Screen) -> Result<(), Failure> {
    if rows.is_empty() {
        screen.note("no transfer is under way or was interrupted.")?;
    }
    rows.into_iter().try_for_each(|row| screen.event(&screen::Event::Transfer(row)))
}

fn give_up(
    row: Transfer,
    transfer: TransferId,
    act: &impl Fn(Request) -> Result<(), Failure>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    act(Request::Cancel(transfer))?;
    let what = match (row.sending, &row.folder) {
        (true, _) => "it is not sent any further; nothing of yours was changed".to_owned(),
        (false, Some(folder)) => {
            format!("its partial files and its journal in {} are gone; whole files stay", inert(folder))
        }
        (false, None) => "nothing partial of it is left; whole files stay".to_owned(),
    };
    let note = format!("{} is given up: {what}.", named(&row));
    tell(row, TransferState::Cancelled, &note, screen)
}

/// What nobody is at work on goes; what is under way stays.
fn clean(
    rows: Vec<Transfer>,
    global: &Global,
    act: impl Fn(Request) -> Result<(), Failure>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let at_rest = |row: &Transfer| matches!(row.state, TransferState::Interrupted | TransferState::Paused);
    let (rows, busy): (Vec<_>, Vec<_>) = rows.into_iter().partition(at_rest);
    for row in &busy {
        screen.note(&format!("{} is under way and stays.", named(row)))?;
    }
    if rows.is_empty() {
        return screen.note("there is nothing to clean up.");
    }
    for row in &rows {
        let what = match (row.sending, &row.folder) {
            (false, Some(folder)) => format!("{} received, in {}", size(row.done), inert(folder)),
            (false, None) => format!("{} received", size(row.done)),
            (true, _) => "sending: only forgotten, your files stay".to_owned(),
        };
        screen.note(&format!("    {}  {what}", named(row)))?;
    }
    let number = count(u64::try_from(rows.len()).unwrap_or(u64::MAX), "transfer");
    let question = format!("Give up {number} for good, partial files removed, whole files kept?");
    if !global.yes && screen.ask(&question, false, "--yes", || true)? != Some(true) {
        return Err(Failure::new(Exit::Refused, "nothing was changed."));
    }
    for row in rows {
        if let Some(transfer) = parse_id(&row.transfer) {
            give_up(row, transfer, &act, screen)?;
        }
    }
    Ok(())
}

/// The transfer whose id begins so.
fn find(rows: Vec<Transfer>, prefix: &TransferPrefix) -> Result<(Transfer, TransferId), Failure> {
    let mut fitting = rows.into_iter().filter(|row| prefix.fits(&row.transfer));
    let found = fitting.next().and_then(|row| parse_id(&row.transfer).map(|transfer| (row, transfer)));
    let text = match (found, fitting.next()) {
        (Some(found), None) => return Ok(found),
        (Some(_), Some(_)) => format!("several transfers begin with {prefix}: give more of the id."),
        (None, _) => format!("no transfer begins with {prefix}."),
    };
    Err(Failure::new(Exit::Usage, format!("{text} `hither transfers` lists them. Nothing was changed.")))
}

/// The note for people, the transfer as it is now for scripts.
fn tell(row: Transfer, state: TransferState, note: &str, screen: &mut Screen) -> Result<(), Failure> {
    if screen.is_json() {
        return screen.event(&screen::Event::Transfer(Transfer { state, ..row }));
    }
    screen.note(note)
}

fn named(row: &Transfer) -> String {
    let who = row.contact.as_deref().map_or_else(|| row.peer.to_string(), inert);
    let way = if row.sending { "to" } else { "from" };
    let name = if row.name.is_empty() { short(&row.transfer).to_owned() } else { inert(&row.name) };
    format!("{name} ({way} {who})")
}

/// Goes on with a transfer until it ends.
fn go_on(
    lock: HomeLock,
    global: &Global,
    home: &Home,
    resume: &TransfersResume,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    // No offers are taken before it is known whose.
    let session = Session::open_locked(lock, global, home, Part::Reachable, Rules::default(), screen)?;
    let outcome = find(session.transfers(), &resume.id)
        .and_then(|(_, transfer)| session.transfer(transfer).ok_or_else(failure::no_transfer))
        .and_then(|view| {
            if let Some(address) = resume.at {
                let peer = view.peer;
                session.ask(move |node, now| node.add_address(now, peer, address));
            }
            if view.sending {
                let what = Sending::Paths { paths: view.paths, links: view.links };
                send::transfer(&session, view.peer, what, typed.line(), screen)
            } else if let Some(ticket) = &view.ticket {
                let manner =
                    Manner { again: Some(typed.line().to_owned()), ..Manner::new(global, PathBuf::new()) };
                get::rest(&session, &view, ticket, manner, screen)
            } else {
                receive_rest(&session, &view, global, typed, screen)
            }
        });
    session.close();
    outcome
}

/// Asks the sender of a transfer for the rest, and receives it.
fn receive_rest(
    session: &Session,
    view: &TransferView,
    global: &Global,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let (transfer, peer) = (view.transfer, view.peer);
    let into = view.paths.first().cloned().unwrap_or_default();
    let manner = Manner { again: Some(typed.line().to_owned()), ..Manner::new(global, into) };
    let mut rules = manner.rules(screen.can_ask());
    rules.only_expected = true;
    rules.expected.insert(peer);
    session
        .ask(move |node, now| {
            node.set_rules(rules);
            node.resume(now, transfer)
        })
        .map_err(|_| failure::no_transfer())?;
    let who = session.who(peer);
    screen.note(&format!("asking {who} for the rest (Ctrl-C stops; it can be resumed)"))?;
    let mut inbox = Inbox::new(manner);
    let (mut since, mut begun) = (None, false);
    loop {
        match session.next()? {
            Next::Event(Event::Unreachable { peer: lost, why }) if lost == peer && !begun => {
                return Err(failure::sender_not_there(why, &who));
            }
            Next::Event(Event::Disconnected { peer: lost, why }) if lost == peer && !begun => {
                since = None;
                if why == LinkLoss::Closed {
                    return Err(failure::sender_silent(&who));
                }
                session
                    .ask(move |node, now| node.resume(now, transfer))
                    .map_err(|_| failure::no_transfer())?;
            }
            Next::Event(event) => {
                match &event {
                    Event::Connected { peer: there, .. } if *there == peer => since = Some(Instant::now()),
                    Event::Resuming { transfer: of, .. }
                    | Event::StartsOver { transfer: of, .. }
                    | Event::Offered { transfer: of, .. } => begun |= *of == transfer,
                    _ => {}
                }
                let ours = matches!(
                    &event,
                    Event::Finished { transfer: of, .. } | Event::Failed { transfer: of, .. } if *of == transfer
                );
                match inbox.handle(event, session, screen)? {
                    Outcome::Finished if ours => return Ok(()),
                    Outcome::Failed(failure) if ours || !inbox.is_busy() => return Err(failure),
                    Outcome::Open | Outcome::Finished | Outcome::Failed(_) => {}
                }
            }
            Next::Told(transfer, paused) => course::told(transfer, paused, screen)?,
            Next::Tick => inbox.idle(session),
            Next::Interrupted => {
                let left = course::left(session, transfer);
                let next =
                    left.map(|left| format!("{} are kept here. {}", left.part(), left.next(typed.line())));
                return Err(session.interrupted(&next.unwrap_or_default()));
            }
        }
        inbox.tick(session, screen)?;
        if !begun && since.is_some_and(|since: Instant| since.elapsed() > PATIENCE) {
            return Err(failure::sender_silent(&who));
        }
    }
}
