//! An offer in words: what a person sees before they consent. Pure functions.

use std::path::Path;

use hither_protocol::storage::Examined;
use hither_protocol::transfer::{EntryKind, Manifest, safe_names};

use crate::inert::{inert, is_hostile};
use crate::screen::{count, size};

/// Names that are listed; the rest are counted.
const LISTED: usize = 10;
/// Endings that make a system run a file when it is opened.
const RUNNABLE: [&str; 14] =
    ["exe", "com", "scr", "bat", "cmd", "msi", "ps1", "vbs", "js", "jar", "lnk", "desktop", "app", "command"];

/// How many files there are.
pub(super) fn files(manifest: &Manifest) -> u64 {
    manifest.files().fold(0, |count, _| count + 1)
}

/// The lines of an offer: names and sizes, the total, and where it would go.
pub(super) fn lines(manifest: &Manifest, examined: Option<&Examined>, into: &Path) -> Vec<String> {
    let entries = manifest.entries();
    let mut lines: Vec<String> = Vec::new();
    // Files that need a look come first, so that none of them hides behind the count.
    let (odd, plain): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| suspicious(entry.path.as_str()).is_some());
    for entry in odd.iter().chain(&plain).take(LISTED) {
        let (slash, what) = match &entry.kind {
            EntryKind::File(bytes) => ("", size(*bytes)),
            EntryKind::Directory => ("/", "folder".to_owned()),
            EntryKind::Stream => ("", "a stream, of a size that is not known yet".to_owned()),
            EntryKind::Link(target) => ("", format!("link to {}", inert(target.as_str()))),
        };
        let mark = suspicious(entry.path.as_str()).map(|why| format!("  (!) {why}")).unwrap_or_default();
        lines.push(format!("    {}{slash}  {what}{mark}", inert(entry.path.as_str())));
    }
    let more = entries.len().saturating_sub(LISTED);
    if more > 0 {
        let odd = odd.len().saturating_sub(LISTED);
        let odd = if odd > 0 { format!(", {odd} of them with a suspicious name") } else { String::new() };
        lines.push(format!("    and {more} more{odd}"));
    }
    if cfg!(windows) {
        let places = safe_names(manifest).0;
        for (path, name) in places.iter().take(LISTED) {
            lines.push(format!("    {} is called {} here", inert(path), inert(name)));
        }
        if let more @ 1.. = places.len().saturating_sub(LISTED) {
            lines.push(format!("    and {more} more have other names here"));
        }
    }
    if let Some(examined) = examined {
        let into = inert(&into.to_string_lossy());
        let (total, free) = (size(manifest.bytes()), size(examined.free));
        let total = if manifest.is_stream() { "all of it".to_owned() } else { format!("{total} in all") };
        lines.push(format!("    {total}, into {into} ({free} free)"));
    }
    lines
}

/// The lines that say what exists already.
pub(super) fn existing(manifest: &Manifest, examined: &Examined) -> Vec<String> {
    let taken = examined.existing.iter().filter_map(|index| manifest.entry(*index));
    let mut lines: Vec<String> =
        taken.take(LISTED).map(|entry| format!("    exists here: {}", inert(entry.path.as_str()))).collect();
    let more = examined.existing.len().saturating_sub(LISTED);
    if more > 0 {
        let more = count(more.try_into().unwrap_or(u64::MAX), "name");
        lines.push(format!("    and {more} more"));
    }
    lines
}

/// Why a path deserves a second look, if it does.
pub(super) fn suspicious(path: &str) -> Option<&'static str> {
    if path.chars().any(is_hostile) {
        return Some("invisible or reordering characters in the name");
    }
    if path.split('/').any(|part| part.starts_with('.')) {
        return Some("hidden");
    }
    if path.split('/').any(|part| part.ends_with([' ', '.']) || part.starts_with(' ') || part.contains("   "))
    {
        return Some("spaces or dots that hide how the name ends");
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut parts = name.rsplit('.');
    let ending = parts.next().unwrap_or_default().to_ascii_lowercase();
    let runnable = name.contains('.') && RUNNABLE.contains(&ending.as_str());
    let doubled =
        parts.next().is_some_and(|before| (1..=4).contains(&before.len())) && parts.next().is_some();
    match (runnable, doubled) {
        (true, true) => Some("a program that looks like a document"),
        (true, false) => Some("a program"),
        (false, _) => None,
    }
}

#[cfg(test)]
mod tests;
