//! Keeps files and directories to their owner on Windows, where access lists say who may open what.
//!
//! What is made in a profile inherits a list that is the owner's alone, but a home may be anywhere (`--home D:\hither`),
//! and there everyone can read by default.

use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use windows_permissions::constants::{SeObjectType, SecurityInformation};
use windows_permissions::utilities::current_process_sid;
use windows_permissions::wrappers::{
    ConvertSecurityDescriptorToStringSecurityDescriptor, GetSecurityInfo, SetSecurityInfo,
};
use windows_permissions::{LocalBox, SecurityDescriptor, Sid};

/// READ_CONTROL and WRITE_DAC, to read and to change the access list, FILE_READ_ATTRIBUTES, to tell directories from
/// files, and nothing else.
const LIST: u32 = 0x0002_0000 | 0x0004_0000 | 0x0080;
/// FILE_FLAG_BACKUP_SEMANTICS: opens directories too.
const DIRECTORIES_TOO: u32 = 0x0200_0000;
/// Who may do everything anyway: the system, and administrators.
const ABOVE_LISTS: [&str; 2] = ["S-1-5-18", "S-1-5-32-544"];
/// OWNER RIGHTS: whoever owns the file.
const OWNER: &str = "S-1-3-4";

/// Leaves a file or directory, and what is made in it from now on, to this user, the system and its administrators.
/// Nothing of the list above it is inherited any more.
pub(crate) fn keep_to_owner(path: &Path) -> io::Result<()> {
    let mut file = open(path)?;
    // Those of a directory go on to what is in it: to objects (OI) and to containers (CI).
    let inherited = if file.metadata()?.is_dir() { "OICI" } else { "" };
    let owner = current_process_sid()?.to_string();
    // In SDDL: protected from what is inherited; allow, all of a file's rights.
    let entries = ABOVE_LISTS.iter().copied().chain([owner.as_str()]);
    let entries: String = entries.map(|who| format!("(A;{inherited};FA;;;{who})")).collect();
    let list: LocalBox<SecurityDescriptor> = format!("D:P{entries}").parse()?;
    let what = SecurityInformation::Dacl | SecurityInformation::ProtectedDacl;
    SetSecurityInfo(&mut file, SeObjectType::SE_FILE_OBJECT, what, None, None, list.dacl(), None)
}

/// Whether anyone may open the file but this user and those who may open everything.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    let file = open(path)?;
    let list = GetSecurityInfo(&file, SeObjectType::SE_FILE_OBJECT, SecurityInformation::Dacl)?;
    let list = ConvertSecurityDescriptorToStringSecurityDescriptor(&list, SecurityInformation::Dacl)?;
    let Some(allowed) = allowed(&list.to_string_lossy()) else { return Ok(true) };
    let mut known = vec![current_process_sid()?];
    for who in ABOVE_LISTS.into_iter().chain([OWNER]) {
        known.push(who.parse::<LocalBox<Sid>>()?);
    }
    // Names that cannot be read are somebody else's.
    let is_known =
        |who: &String| who.parse::<LocalBox<Sid>>().is_ok_and(|who| known.iter().any(|one| **one == *who));
    Ok(!allowed.iter().all(is_known))
}

fn open(path: &Path) -> io::Result<File> {
    File::options().access_mode(LIST).custom_flags(DIRECTORIES_TOO).open(path)
}

/// Whom a list in SDDL, `D:PAI(A;;FA;;;SY)…`, allows anything. `None`: everyone, there is no list, or it cannot be read.
/// Entries are `(type;flags;rights;object;inherited object;who)`.
fn allowed(list: &str) -> Option<Vec<String>> {
    let entries = list.trim_end_matches('\0').strip_prefix("D:")?;
    if entries.contains("NO_ACCESS_CONTROL") {
        return None;
    }
    let mut allowed = Vec::new();
    for entry in entries.split('(').skip(1) {
        let fields: Vec<&str> = entry.strip_suffix(')')?.split(';').collect();
        let [kind, flags, _, _, _, who] = fields.as_slice() else { return None };
        // Type D and its relatives deny; IO is for what is made below, and not for this.
        if !kind.ends_with('D') && !flags.contains("IO") {
            allowed.push((*who).to_owned());
        }
    }
    Some(allowed)
}

#[cfg(test)]
mod tests;
