//! How a command ends: the exit codes that scripts lean on, and what went wrong in words.

use std::fmt;
use std::process::ExitCode;

/// The exit codes. Numbers and names never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All that was asked for was done.
    Done,
    /// A fault of Hither's.
    Fault,
    /// The command line, or what it stands on, needs a change.
    Usage,
    /// The other side, or the person here, said no.
    Refused,
    /// The code was not the right one.
    WrongCode,
    /// The peer was not found or could not be reached.
    Unreachable,
    /// Nothing came in time.
    TimedOut,
    /// The connection was lost; what was transferred is kept and can be resumed.
    ConnectionLost,
    /// The content is not what was offered.
    NotVerified,
    /// The disk is full or cannot be written.
    NotWritable,
    /// Something is there already, and nobody said what to do with it.
    WouldOverwrite,
    /// The peer is too old or too new.
    Version,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// All of them, by code.
    pub const ALL: [Self; 13] = [
        Self::Done,
        Self::Fault,
        Self::Usage,
        Self::Refused,
        Self::WrongCode,
        Self::Unreachable,
        Self::TimedOut,
        Self::ConnectionLost,
        Self::NotVerified,
        Self::NotWritable,
        Self::WouldOverwrite,
        Self::Version,
        Self::Interrupted,
    ];

    /// The number that the process exits with.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Fault => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::WrongCode => 4,
            Self::Unreachable => 5,
            Self::TimedOut => 6,
            Self::ConnectionLost => 7,
            Self::NotVerified => 8,
            Self::NotWritable => 9,
            Self::WouldOverwrite => 10,
            Self::Version => 11,
            Self::Interrupted => 130,
        }
    }

    /// The `name` in the JSON event `error`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Fault => "fault",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::WrongCode => "wrong_code",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::ConnectionLost => "connection_lost",
            Self::NotVerified => "not_verified",
            Self::NotWritable => "not_writable",
            Self::WouldOverwrite => "would_overwrite",
            Self::Version => "version",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a command did not do what was asked: what happened, what is safe, what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// The words. What a peer said must be made inert before it goes in here.
    pub text: String,
}

impl Failure {
    /// A failure with its words.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
