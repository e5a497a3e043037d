//! What a record says: one thing about the link or one of its channels.

use bytes::{Buf, Bytes};

use crate::wire::Malformed;

/// Bytes in front of a channel's: kind and number.
pub(super) const HEADER: usize = 5;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// That its sender is there.
    Alive,
    /// The next bytes of the control channel.
    Control(Bytes),
    /// The next bytes of a one-way channel of the sender's.
    Data(u32, Bytes),
    /// Something that is said in a few bytes.
    Note(Note),
    /// The last record: why the link is closed.
    Close(u32),
}

/// What is said of a one-way channel in a few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// The sender opens it. Numbers go up from 0.
    Open(u32),
    /// The sender has written all of it.
    End(u32),
    /// The sender gives it up.
    Reset(u32),
    /// The receiver wants no more of it.
    Stop(u32),
}

const ALIVE: u8 = 0;
const CONTROL: u8 = 1;
const DATA: u8 = 2;
const OPEN: u8 = 3;
const END: u8 = 4;
const RESET: u8 = 5;
const STOP: u8 = 6;
const CLOSE: u8 = 7;

impl Record {
    /// Reads a record. What it carries is not copied.
    pub(super) fn parse(plaintext: Vec<u8>) -> Result<Self, Malformed> {
        let mut rest = Bytes::from(plaintext);
        let kind = rest.try_get_u8().map_err(|_| Malformed)?;
        match kind {
            ALIVE => return if rest.is_empty() { Ok(Self::Alive) } else { Err(Malformed) },
            CONTROL => return if rest.is_empty() { Err(Malformed) } else { Ok(Self::Control(rest)) },
            _ => {}
        }
        let number = rest.try_get_u32().map_err(|_| Malformed)?;
        let record = match kind {
            DATA if !rest.is_empty() => return Ok(Self::Data(number, rest)),
            OPEN => Self::Note(Note::Open(number)),
            END => Self::Note(Note::End(number)),
            RESET => Self::Note(Note::Reset(number)),
            STOP => Self::Note(Note::Stop(number)),
            CLOSE => Self::Close(number),
            _ => return Err(Malformed),
        };
        if rest.is_empty() { Ok(record) } else { Err(Malformed) }
    }
}

/// Begins a record of channel data.
pub(super) fn write_data(channel: u32, out: &mut Vec<u8>) {
    write(DATA, channel, out);
}

/// Begins a record of the control channel.
pub(super) fn write_control(out: &mut Vec<u8>) {
    out.push(CONTROL);
}

/// Writes the record that says nothing but that its sender is there.
pub(super) fn write_alive(out: &mut Vec<u8>) {
    out.push(ALIVE);
}

/// Writes the last record.
pub(super) fn write_close(code: u32, out: &mut Vec<u8>) {
    write(CLOSE, code, out);
}

/// Writes what is said of a channel.
pub(super) fn write_note(note: Note, out: &mut Vec<u8>) {
    match note {
        Note::Open(channel) => write(OPEN, channel, out),
        Note::End(channel) => write(END, channel, out),
        Note::Reset(channel) => write(RESET, channel, out),
        Note::Stop(channel) => write(STOP, channel, out),
    }
}

fn write(kind: u8, number: u32, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&number.to_be_bytes());
}
