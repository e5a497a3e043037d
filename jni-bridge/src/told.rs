//! Events, told to Java.

use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::storage::ScanError;
use hither_protocol::transfer::{EntryKind, Manifest};
use hither_protocol::{
    CodeFailure, Decision, Event, LinkLoss, MessageState, Refusal, Road, Standing, TransferFailure,
    Unreachable,
};
use jni::Env;
use jni::objects::{JLongArray, JObjectArray, JString};

use crate::failure::{Failure, storage_text};
use crate::java::{FromNative, JEvent};

/// The event as Java has it. `None`: it is about what this library has no functions for.
pub(crate) fn event<'local>(env: &mut Env<'local>, event: &Event) -> Result<Option<JEvent<'local>>, Failure> {
    let told = match event {
        Event::Connected { peer, address, road } => {
            let (peer, address) = (env.new_string(peer.to_string())?, env.new_string(address.to_string())?);
            FromNative::connected(env, &peer, &address, is_lan(*road))
        }
        Event::Disconnected { peer, why } => {
            let (peer, why) = (env.new_string(peer.to_string())?, env.new_string(link_loss(*why))?);
            FromNative::disconnected(env, &peer, &why)
        }
        Event::Unreachable { peer, why } => {
            let (peer, why) = (env.new_string(peer.to_string())?, env.new_string(unreachable(*why))?);
            FromNative::unreachable(env, &peer, &why)
        }
        Event::Message { id, from, standing: who, text, time } => {
            let (id, from) = (env.new_string(id.to_string())?, env.new_string(from.to_string())?);
            let (who, text) = (env.new_string(standing(*who))?, env.new_string(text)?);
            FromNative::message(env, &id, &from, &who, &text, long(*time))
        }
        Event::MessageSent { id, to, state } => {
            let (id, to) = (env.new_string(id.to_string())?, env.new_string(to.to_string())?);
            let state = env.new_string(message_state(*state))?;
            FromNative::message_sent(env, &id, &to, &state)
        }
        Event::Offering { transfer, manifest, left_out } => {
            let (transfer, name) = (env.new_string(transfer.to_string())?, env.new_string(manifest.name())?);
            let left_out = paths(env, left_out)?;
            let (files, bytes) = (count(manifest.entries().len()), long(manifest.bytes()));
            FromNative::offering(env, &transfer, &name, files, bytes, &left_out)
        }
        Event::Offered { .. } => return offered(env, event).map(Some),
        Event::TurnedAway { transfer, from, name, files, bytes } => {
            let (transfer, from) = (env.new_string(transfer.to_string())?, env.new_string(from.to_string())?);
            let name = env.new_string(name)?;
            FromNative::turned_away(env, &transfer, &from, &name, int(*files), long(*bytes))
        }
        Event::Started { transfer, bytes, resumed } => {
            let transfer = env.new_string(transfer.to_string())?;
            FromNative::started(env, &transfer, long(*bytes), long(*resumed))
        }
        Event::Resuming { transfer, from, held, bytes, lost, changed, .. } => {
            let (transfer, from) = (env.new_string(transfer.to_string())?, env.new_string(from.to_string())?);
            let (held, bytes, lost) = (long(*held), long(*bytes), long(*lost));
            FromNative::resuming(env, &transfer, &from, held, bytes, lost, int(*changed))
        }
        Event::StartsOver { transfer, from, .. } => {
            let (transfer, from) = (env.new_string(transfer.to_string())?, env.new_string(from.to_string())?);
            FromNative::starts_over(env, &transfer, &from)
        }
        Event::Suspended { transfer, done, total } => {
            let transfer = env.new_string(transfer.to_string())?;
            FromNative::suspended(env, &transfer, long(*done), long(*total))
        }
        Event::Paused { transfer, paused } => {
            let transfer = env.new_string(transfer.to_string())?;
            FromNative::paused(env, &transfer, *paused)
        }
        Event::LinksLeftOut { transfer, links } => {
            let (transfer, links) = (env.new_string(transfer.to_string())?, paths(env, links)?);
            FromNative::links_left_out(env, &transfer, &links)
        }
        Event::Finished { transfer, bytes, resumed, took, road, root, paths: at } => {
            let (transfer, root) = (env.new_string(transfer.to_string())?, env.new_string(root.to_string())?);
            let at = paths(env, at)?;
            let (bytes, resumed, micros) = (long(*bytes), long(*resumed), micros(*took));
            FromNative::finished(env, &transfer, bytes, resumed, micros, is_lan(*road), &root, &at)
        }
        Event::Failed { transfer, why, kept, resumable } => {
            let (reason, detail) = transfer_failure(why);
            let (transfer, reason) = (env.new_string(transfer.to_string())?, env.new_string(reason)?);
            let detail = env.new_string(detail)?;
            FromNative::failed(env, &transfer, &reason, &detail, int(*kept), *resumable)
        }
        Event::CodeReady { id, expires, left } => {
            let id = env.new_string(id.to_string())?;
            FromNative::code_ready(env, &id, long(*expires), (*left).into())
        }
        Event::CodeAttempt { id, left } => {
            let id = env.new_string(id.to_string())?;
            FromNative::code_attempt(env, &id, (*left).into())
        }
        Event::CodeBurnt { id } => return code_ended(env, *id, "BURNT").map(Some),
        Event::CodeExpired { id } => return code_ended(env, *id, "EXPIRED").map(Some),
        Event::CodeUsed { id } => return code_ended(env, *id, "USED").map(Some),
        Event::CodeFailed { id, why } => return code_ended(env, *id, code_failure(*why)).map(Some),
        Event::CodeFound { id } => {
            let id = env.new_string(id.to_string())?;
            FromNative::code_found(env, &id)
        }
        Event::CodeProven { id, peer, transfer } => {
            let (id, peer) = (env.new_string(id.to_string())?, env.new_string(peer.to_string())?);
            let transfer = optional(env, transfer.map(|transfer| transfer.to_string()).as_deref())?;
            FromNative::code_proven(env, &id, &peer, &transfer)
        }
        Event::NearbyChanged => FromNative::peers_changed(env),
        Event::Hidden => FromNative::hidden(env),
        Event::StorageFailed(error) => {
            let detail = env.new_string(storage_text(error))?;
            FromNative::records_unusable(env, &detail)
        }
        // The first is awaited when a node is opened; the rest is about shares and tickets.
        _ => return Ok(None),
    };
    Ok(Some(told?))
}

fn offered<'local>(env: &mut Env<'local>, event: &Event) -> Result<JEvent<'local>, Failure> {
    let Event::Offered { transfer, from, standing: who, manifest, into, examined, decision, code } = event
    else {
        return Err(Failure::Null);
    };
    let (listed, sizes) = entries(env, manifest)?;
    let mut taken = Vec::with_capacity(examined.existing.len());
    taken.extend(examined.existing.iter().filter_map(|index| manifest.entry(*index)));
    let taken = texts(env, taken.len(), taken.iter().map(|entry| entry.path.as_str()))?;
    let (decision, refusal) = match decision {
        Decision::Ask => ("ASK", None),
        Decision::AskHow => ("ASK_HOW", None),
        Decision::Accepted => ("ACCEPTED", None),
        Decision::Refused(why) => ("REFUSED", Some(refusal(*why))),
    };
    let (transfer, from) = (env.new_string(transfer.to_string())?, env.new_string(from.to_string())?);
    let (who, name) = (env.new_string(standing(*who))?, env.new_string(manifest.name())?);
    let (into, decision) = (env.new_string(into.to_string_lossy())?, env.new_string(decision)?);
    let refusal = optional(env, refusal)?;
    let code = optional(env, code.map(|code| code.to_string()).as_deref())?;
    let free = long(examined.free);
    Ok(FromNative::offered(
        env, &transfer, &from, &who, &name, &listed, &sizes, &into, free, &taken, &decision, &refusal, &code,
    )?)
}

/// The paths of an offer, and their sizes: -1 of a directory, -2 of a symbolic link, -3 of a stream.
fn entries<'local>(
    env: &mut Env<'local>,
    manifest: &Manifest,
) -> Result<(JObjectArray<'local, JString<'local>>, JLongArray<'local>), Failure> {
    let entries = manifest.entries();
    let listed = texts(env, entries.len(), entries.iter().map(|entry| entry.path.as_str()))?;
    let sizes: Vec<i64> = entries
        .iter()
        .map(|entry| match &entry.kind {
            EntryKind::Directory => -1,
            EntryKind::Link(_) => -2,
            EntryKind::Stream => -3,
            EntryKind::File(size) => long(*size),
        })
        .collect();
    let array = JLongArray::new(env, sizes.len())?;
    array.set_region(env, 0, &sizes)?;
    Ok((listed, array))
}

fn code_ended<'local>(
    env: &mut Env<'local>,
    id: hither_protocol::CodeId,
    why: &str,
) -> Result<JEvent<'local>, Failure> {
    let (id, why) = (env.new_string(id.to_string())?, env.new_string(why)?);
    Ok(FromNative::code_ended(env, &id, &why)?)
}

/// Texts as an array. Each one's reference goes before the next comes.
pub(crate) fn texts<'local>(
    env: &mut Env<'local>,
    length: usize,
    texts: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<JObjectArray<'local, JString<'local>>, Failure> {
    let array = JObjectArray::<JString<'_>>::new(env, length, JString::null())?;
    for (index, text) in texts.into_iter().enumerate() {
        env.with_local_frame(4, |env| -> Result<(), Failure> {
            let text = env.new_string(text)?;
            Ok(array.set_element(env, index, &text)?)
        })?;
    }
    Ok(array)
}

pub(crate) fn paths<'local>(
    env: &mut Env<'local>,
    paths: &[PathBuf],
) -> Result<JObjectArray<'local, JString<'local>>, Failure> {
    texts(env, paths.len(), paths.iter().map(|path| path.to_string_lossy()))
}

/// A text, or null.
pub(crate) fn optional<'local>(
    env: &mut Env<'local>,
    text: Option<&str>,
) -> Result<JString<'local>, Failure> {
    Ok(match text {
        Some(text) => env.new_string(text)?,
        None => JString::null(),
    })
}

/// Java has no unsigned numbers: what does not fit is as much as fits.
pub(crate) fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn is_lan(road: Road) -> bool {
    road == Road::Lan
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Contact => "CONTACT",
        Standing::Expected => "EXPECTED",
        Standing::Stranger => "STRANGER",
    }
}

fn message_state(state: MessageState) -> &'static str {
    match state {
        MessageState::Delivered => "DELIVERED",
        MessageState::Waiting => "WAITING",
        MessageState::Refused => "REFUSED",
    }
}

fn link_loss(why: LinkLoss) -> &'static str {
    match why {
        LinkLoss::Closed => "CLOSED",
        LinkLoss::TimedOut => "TIMED_OUT",
        LinkLoss::Broken => "BROKEN",
        LinkLoss::Ours => "OURS",
    }
}

fn unreachable(why: Unreachable) -> &'static str {
    match why {
        Unreachable::NotFound => "NOT_FOUND",
        Unreachable::NoAnswer => "NO_ANSWER",
        Unreachable::OtherVersion => "OTHER_VERSION",
    }
}

fn refusal(why: Refusal) -> &'static str {
    match why {
        Refusal::Declined => "DECLINED",
        Refusal::Stranger => "STRANGER",
        Refusal::WouldOverwrite => "WOULD_OVERWRITE",
        Refusal::NoSpace => "NO_SPACE",
        Refusal::NotWritable => "NOT_WRITABLE",
        Refusal::BadManifest => "BAD_MANIFEST",
        Refusal::Busy => "BUSY",
        Refusal::TooMany => "TOO_MANY",
    }
}

fn code_failure(why: CodeFailure) -> &'static str {
    match why {
        CodeFailure::NotFound => "NOT_FOUND",
        CodeFailure::NoAnswer => "NO_ANSWER",
        CodeFailure::WrongCode => "WRONG_CODE",
        CodeFailure::Burnt => "BURNT",
        CodeFailure::Expired => "EXPIRED",
        CodeFailure::AlreadyUsed => "USED",
        CodeFailure::DifferentPurpose => "DIFFERENT_PURPOSE",
        CodeFailure::Busy => "BUSY",
        CodeFailure::TooMany => "TOO_MANY",
        CodeFailure::Oneself => "ONESELF",
        CodeFailure::CannotOffer(_) => "CANNOT_OFFER",
    }
}

/// The reason, and what else there is to say in words.
fn transfer_failure(why: &TransferFailure) -> (&'static str, String) {
    let plain = |reason| (reason, String::new());
    match why {
        TransferFailure::Scan(error) => ("CANNOT_READ", scan_text(error)),
        TransferFailure::Refused(why) => ("REFUSED", refusal(*why).to_owned()),
        TransferFailure::Cancelled => plain("CANCELLED"),
        TransferFailure::CancelledByPeer => plain("CANCELLED_BY_PEER"),
        TransferFailure::SourceChanged(path) => {
            ("SOURCE_CHANGED", path.as_ref().map(|path| path.display().to_string()).unwrap_or_default())
        }
        TransferFailure::Mismatch => plain("MISMATCH"),
        TransferFailure::DiskFull => plain("DISK_FULL"),
        TransferFailure::WouldOverwrite => plain("WOULD_OVERWRITE"),
        TransferFailure::Disk(error) => {
            ("DISK", error.as_ref().map(|error| storage_text(error).to_owned()).unwrap_or_default())
        }
        TransferFailure::LinkLost(why) => ("LINK_LOST", link_loss(*why).to_owned()),
        TransferFailure::TimedOut => plain("TIMED_OUT"),
        TransferFailure::Unreachable(why) => ("UNREACHABLE", unreachable(*why).to_owned()),
        TransferFailure::Violation => plain("VIOLATION"),
        TransferFailure::NobodyHasIt => plain("NOBODY_HAS_IT"),
        TransferFailure::PeerTooOld => plain("PEER_TOO_OLD"),
        TransferFailure::TooLarge => plain("TOO_LARGE"),
    }
}

fn scan_text(error: &ScanError) -> String {
    match error {
        ScanError::Unreadable(path, error) => format!("{}: {}", path.display(), storage_text(error)),
        ScanError::NotUnicode(path) => format!("{}: the name is not Unicode", path.display()),
        ScanError::BadName(path, why) => format!("{}: {why}", path.display()),
        ScanError::Duplicate(path) => format!("{}: another path ends in the same name", path.display()),
        ScanError::NotAFile(path) => format!("{}: neither a file nor a directory", path.display()),
        ScanError::OnlyALink(path) => format!("{}: a symbolic link", path.display()),
        ScanError::TooMany => "too many files".to_owned(),
    }
}

#[cfg(test)]
mod tests;
