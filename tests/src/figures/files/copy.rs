//! A copy by this program itself, until it is on the disk: what any tool would take that was as fast as the disk.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use super::tool::{Sender, Taken};
use crate::figures::{Failure, content};

pub(super) struct Ready;

impl Sender for Ready {
    fn send(&mut self, source: &Path, into: &Path) -> Result<Taken, Failure> {
        let begun = Instant::now();
        content::copy(source, &into.join(source.file_name().unwrap_or_default()))?;
        rustix::fs::syncfs(File::open(into)?)?;
        Ok(begun.elapsed().into())
    }
}
