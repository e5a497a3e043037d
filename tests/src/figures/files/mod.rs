//! The same data sent with Hither and with others, one after another in the same run.
//!
//! - `options`: what is asked for
//! - `data`: what is sent, and the check of what arrived
//! - `roads`: the hosts, and what leads from one to the other
//! - `process`: a process on a host
//! - `tool`: what files are sent with; each tool has a room of its own: `hither`, `ssh`, `rsync`, `sendme`,
//!   `wormhole`, `croc`, `copy`
//! - `rounds`: transfers, one tool after another
//! - `goal`: what is to be reached
//! - `table`: what is shown

mod copy;
mod croc;
mod data;
mod goal;
mod hither;
mod options;
mod process;
mod roads;
mod rounds;
mod rsync;
mod sendme;
mod ssh;
mod table;
mod tool;
mod wormhole;

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::fstatfs;

use super::{Failure, Report, temporary, temporary_in};
use options::Options;
use roads::Ends;
use rounds::Rounds;
use table::Table;
use tool::Tool;

pub(super) const HELP: &str = "\
usage: figures files [--runs N] [--size MIB] [--case CASE] [--road ROAD] [--tool TOOL] [--dir DIR]

Sends the same data with Hither and with others and prints tables in Markdown. Needs root, for network namespaces
that nothing leads out of: all runs in them. Programs that are not on the PATH are skipped.
  --runs N     how often each sends (5)
  --size MIB   size of the large file (1024)
  --case CASE  big, small, tiny or many; may be repeated, as the next two
  --road ROAD  loopback or namespaces
  --tool TOOL  compare Hither with that one: scp-aes128-gcm, scp-chacha20-poly1305, rsync-ssh, rsync-daemon, sendme,
               wormhole-rust, wormhole-python, croc; or copy, for the disk itself
  --dir DIR    where data is written, instead of below TMPDIR";

pub(super) fn measure(arguments: impl Iterator<Item = String>) -> Result<Report, Failure> {
    let options = Options::parse(arguments).map_err(|error| format!("{error}\n\n{HELP}"))?;
    let (_directory, path) = match &options.directory {
        Some(directory) => temporary_in(directory)?,
        None => temporary()?,
    };
    eprintln!("Data goes to {}.", path.display());
    let mut tables = Vec::new();
    let mut versions = None;
    for case in &options.cases {
        let at = path.join(case.name());
        fs::create_dir(&at)?;
        let data = case.make(&at, options.size)?;
        let mut columns = Vec::new();
        for road in &options.roads {
            // Anew for each case, so that nothing of one is left in the next.
            let ends = Ends::make(*road)?;
            versions.get_or_insert_with(|| told(&options.tools, &ends));
            let place = at.join(road.name());
            fs::create_dir(&place)?;
            let rounds = Rounds { case: *case, road: *road, data: &data, ends: &ends, place: &place };
            columns.push(rounds.run(&options)?);
        }
        fs::remove_dir_all(&at)?;
        tables.push(Table { case: *case, size: options.size, columns });
    }
    let shown: Vec<_> = tables.iter().map(ToString::to_string).collect();
    let text = format!(
        "{}\n\nMedians of {} (shortest to longest), seed {}, content on {}. {}",
        shown.join("\n\n"),
        options.runs,
        data::SEED,
        medium(&path)?,
        versions.unwrap_or_default(),
    );
    Ok(Report { text, reached: tables.iter().all(Table::is_reached) })
}

/// The versions of all tools that tell one.
fn told(tools: &[Tool], ends: &Ends) -> String {
    let mut versions: Vec<_> = tools.iter().filter_map(|tool| tool.version(ends.sender())).collect();
    versions.dedup();
    if versions.is_empty() { String::new() } else { format!("Versions: {}.", versions.join(", ")) }
}

/// Whether `path` is in memory or on something that lasts.
fn medium(path: &Path) -> Result<&'static str, Failure> {
    // TMPFS_MAGIC of linux/magic.h.
    let in_memory = fstatfs(File::open(path)?)?.f_type == 0x0102_1994;
    Ok(if in_memory { "a disk in memory (tmpfs)" } else { "a disk" })
}
