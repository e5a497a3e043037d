//! Names that Windows cannot hold, or takes for others, mapped to names that it can: no two to the same.

use std::collections::BTreeSet;

use super::manifest::{Manifest, Places};
use super::path::MAX_COMPONENT;

/// What Windows allows in no name, besides control characters and separators.
const FORBIDDEN: [char; 7] = ['<', '>', ':', '"', '|', '?', '*'];

/// Whether Windows would take a name for something else: a device, another stream, or a name without its end.
///
/// Source: "Naming Files, Paths, and Namespaces", Microsoft Learn.
pub fn windows_reinterprets(component: &str) -> bool {
    component.contains(FORBIDDEN) || component.ends_with(['.', ' ']) || is_device(component)
}

fn is_device(component: &str) -> bool {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let stem = component.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|port| {
        stem.strip_prefix(port).is_some_and(|rest| {
            let mut rest = rest.chars();
            matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    });
    numbered || DEVICES.contains(&stem.as_str())
}

/// The entries of a manifest that go by another name on Windows: those with names that it does not take as they are,
/// and those whose name differs only in case from one that comes before it in the same directory. Each new name ends in
/// eight digits of the old one's hash, before its extension, so it is the same every time.
pub fn safe_names(manifest: &Manifest) -> Places {
    let mut places = Places::default();
    let mut taken = BTreeSet::new();
    for entry in manifest.entries() {
        let parent = entry.path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        let name = entry.path.name();
        let candidates = std::iter::once((!windows_reinterprets(name)).then(|| name.to_owned()))
            .flatten()
            .chain((0_u32..).map(|attempt| safe_name(name, attempt)));
        for candidate in candidates {
            if taken.insert((parent, folded(&candidate))) {
                if candidate != name {
                    places.0.insert(entry.path.as_str().to_owned(), candidate);
                }
                break;
            }
        }
    }
    places
}

/// A name that Windows takes as it is, made from any component. Attempts after the first give others.
pub fn safe_name(name: &str, attempt: u32) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 safe name");
    hasher.update(&attempt.to_le_bytes()).update(name.as_bytes());
    let hash = hasher.finalize().to_hex();
    let hash: String = hash.chars().take(8).collect();
    let plain: String = name.chars().map(|char| if FORBIDDEN.contains(&char) { '_' } else { char }).collect();
    let plain = plain.trim_end_matches(['.', ' ']);
    let (stem, extension) = match plain.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() < 16 => (stem, extension),
        _ => (plain, ""),
    };
    let dot = if extension.is_empty() { "" } else { "." };
    let device = if is_device(plain) { "_" } else { "" };
    let rest = hash.len().saturating_add(extension.len()).saturating_add(3);
    let mut most = MAX_COMPONENT.saturating_sub(rest).min(stem.len());
    while !stem.is_char_boundary(most) {
        most = most.saturating_sub(1);
    }
    let stem = stem.get(..most).unwrap_or_default();
    format!("{device}{stem}~{hash}{dot}{extension}")
}

/// What names that Windows takes for one have in common, as far as Unicode's own case goes.
fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}
