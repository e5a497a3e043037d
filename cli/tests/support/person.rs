//! A person at a pseudo-terminal.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::Receiver;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{LIMIT, Node, Running, read_pieces};

/// What they type is read by the program as from a terminal.
pub struct Person(pub File);

impl Person {
    /// Someone at the terminal of `hither ARGUMENTS`.
    pub fn at(node: &Node, arguments: &[&str]) -> (Self, Running) {
        let (person, terminal) = Self::and_terminal();
        (person, Running::start(node.command(arguments).stdin(terminal)))
    }

    pub fn and_terminal() -> (Self, File) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(name.as_bytes());
        let terminal = OpenOptions::new().read(true).write(true).open(path).unwrap();
        (Self(master.into()), terminal)
    }

    pub fn types(&mut self, line: &str) {
        writeln!(self.0, "{line}").unwrap();
    }
}

/// Someone at a terminal on which the program draws too.
pub struct Watcher {
    pub person: Person,
    pub program: Child,
    drawn: Receiver<String>,
    /// What was drawn and not looked for.
    rest: String,
}

impl Watcher {
    /// Someone at the terminal of `hither ARGUMENTS`.
    pub fn at(node: &Node, arguments: &[&str]) -> Self {
        let (person, terminal) = Person::and_terminal();
        let mut command = node.command(arguments);
        command.stdin(terminal.try_clone().unwrap()).stdout(Stdio::null()).stderr(terminal);
        let program = command.spawn().unwrap();
        let drawn = read_pieces(person.0.try_clone().unwrap());
        Self { person, program, drawn, rest: String::new() }
    }

    /// Waits for a text on the terminal, and gives what came before it. What comes after it is looked at next.
    pub fn sees(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = self.rest.find(wanted) {
                let rest = self.rest.split_off(at + wanted.len());
                return std::mem::replace(&mut self.rest, rest);
            }
            match self.drawn.recv_timeout(LIMIT) {
                Ok(piece) => self.rest += &piece,
                Err(why) => panic!("no {wanted} came ({why}): {:?}", self.rest),
            }
        }
    }

    /// Ctrl-C, as from elsewhere: this terminal controls nobody.
    pub fn interrupt(&self) {
        let process = rustix::process::Pid::from_child(&self.program);
        rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    }

    /// How the program ended.
    pub fn end(mut self) -> Option<i32> {
        self.program.wait().unwrap().code()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
