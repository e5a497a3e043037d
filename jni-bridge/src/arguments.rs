//! What Java hands over, parsed once into what cannot be wrong. Text is measured before it is copied.

use std::net::SocketAddr;
use std::path::PathBuf;

use hither_protocol::identity::PeerId;
use hither_protocol::transfer::TransferId;
use hither_protocol::{CodeId, Conflict};
use jni::Env;
use jni::objects::{JObjectArray, JString};

use crate::failure::{Failure, Reason};

/// Longest texts, in UTF-16 units as Java counts: an id and an address, a name, a path, a message (whose bytes the node
/// counts).
const MAX_ID: usize = 256;
const MAX_NAME: usize = 1024;
const MAX_PATH: usize = 32 * 1024;
const MAX_MESSAGE: usize = 32 * 1024;
/// Most texts in a list.
const MAX_LIST: usize = 10_000;

/// A text of at most so many units.
fn text(env: &mut Env<'_>, text: &JString<'_>, most: usize) -> Result<String, Failure> {
    if text.is_null() {
        return Err(Failure::Null);
    }
    let length = text.as_char_sequence().length(env)?;
    if usize::try_from(length).is_ok_and(|length| length <= most) {
        Ok(text.try_to_string(env)?)
    } else {
        Err(Failure::new(Reason::TooLong, format!("{length} characters where at most {most} can be")))
    }
}

/// The same, or nothing.
fn optional(env: &mut Env<'_>, it: &JString<'_>, most: usize) -> Result<Option<String>, Failure> {
    if it.is_null() { Ok(None) } else { text(env, it, most).map(Some) }
}

/// The text of an id or an address, not parsed.
pub(crate) fn id_text(env: &mut Env<'_>, it: &JString<'_>) -> Result<String, Failure> {
    text(env, it, MAX_ID).map_err(|failure| match failure {
        Failure::Hither(Reason::TooLong, text) => Failure::new(Reason::InvalidId, text),
        failure => failure,
    })
}

pub(crate) fn peer(env: &mut Env<'_>, it: &JString<'_>) -> Result<PeerId, Failure> {
    Ok(id_text(env, it)?.parse::<PeerId>()?)
}

pub(crate) fn transfer(env: &mut Env<'_>, it: &JString<'_>) -> Result<TransferId, Failure> {
    hexadecimal(&id_text(env, it)?).map(TransferId)
}

pub(crate) fn code(env: &mut Env<'_>, it: &JString<'_>) -> Result<CodeId, Failure> {
    hexadecimal(&id_text(env, it)?).map(CodeId)
}

pub(crate) fn name(env: &mut Env<'_>, it: &JString<'_>) -> Result<String, Failure> {
    text(env, it, MAX_NAME)
}

pub(crate) fn optional_name(env: &mut Env<'_>, it: &JString<'_>) -> Result<Option<String>, Failure> {
    optional(env, it, MAX_NAME)
}

pub(crate) fn message(env: &mut Env<'_>, it: &JString<'_>) -> Result<String, Failure> {
    text(env, it, MAX_MESSAGE)
}

pub(crate) fn path(env: &mut Env<'_>, it: &JString<'_>) -> Result<PathBuf, Failure> {
    absolute(text(env, it, MAX_PATH)?)
}

pub(crate) fn optional_path(env: &mut Env<'_>, it: &JString<'_>) -> Result<Option<PathBuf>, Failure> {
    optional(env, it, MAX_PATH)?.map(absolute).transpose()
}

/// What this process calls by a relative path, another run of it may not find there.
fn absolute(path: String) -> Result<PathBuf, Failure> {
    std::path::absolute(&path)
        .map_err(|error| Failure::new(Reason::InvalidArgument, format!("a path: {error}")))
}

pub(crate) fn paths(
    env: &mut Env<'_>,
    list: &JObjectArray<'_, JString<'_>>,
) -> Result<Vec<PathBuf>, Failure> {
    texts(env, list, MAX_PATH)?.into_iter().map(absolute).collect()
}

/// Addresses with ports, as Java writes the numbers.
pub(crate) fn addresses(
    env: &mut Env<'_>,
    list: &JObjectArray<'_, JString<'_>>,
) -> Result<Vec<SocketAddr>, Failure> {
    let address = |text: String| match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(address),
        _ => Err(Failure::new(Reason::InvalidArgument, format!("{text} is no address and port of a node"))),
    };
    texts(env, list, MAX_ID)?.into_iter().map(address).collect()
}

pub(crate) fn ids(env: &mut Env<'_>, list: &JObjectArray<'_, JString<'_>>) -> Result<Vec<String>, Failure> {
    texts(env, list, MAX_ID)
}

fn texts(
    env: &mut Env<'_>,
    list: &JObjectArray<'_, JString<'_>>,
    most: usize,
) -> Result<Vec<String>, Failure> {
    if list.is_null() {
        return Err(Failure::Null);
    }
    let length = list.len(env)?;
    if length > MAX_LIST {
        return Err(Failure::new(Reason::TooLong, format!("{length} texts where at most {MAX_LIST} can be")));
    }
    let mut texts = Vec::with_capacity(length);
    for index in 0..length {
        // A frame for each: its reference goes before the next comes.
        let element = env.with_local_frame(4, |env| -> Result<String, Failure> {
            let element = list.get_element(env, index)?;
            text(env, &element, most)
        })?;
        texts.push(element);
    }
    Ok(texts)
}

pub(crate) fn conflict(env: &mut Env<'_>, it: &JString<'_>) -> Result<Conflict, Failure> {
    match name(env, it)?.as_str() {
        "REFUSE" => Ok(Conflict::Refuse),
        "OVERWRITE" => Ok(Conflict::Overwrite),
        "RENAME" => Ok(Conflict::Rename),
        "SKIP" => Ok(Conflict::Skip),
        other => Err(Failure::new(Reason::InvalidArgument, format!("{other:?} is no way to take an offer"))),
    }
}

/// 16 bytes in 32 hexadecimal digits.
fn hexadecimal(text: &str) -> Result<[u8; 16], Failure> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u128::from_str_radix(text, 16) {
        Ok(number) if digits => Ok(number.to_be_bytes()),
        _ => Err(Failure::new(Reason::InvalidId, "an id has 32 hexadecimal digits")),
    }
}

#[cfg(test)]
mod tests;
