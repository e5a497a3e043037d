//! What is asked for on the command line.

use std::path::PathBuf;

use super::data::Case;
use super::roads::Road;
use super::tool::Tool;
use crate::figures::Failure;

pub(super) struct Options {
    pub(super) runs: usize,
    /// Bytes of the large file.
    pub(super) size: u64,
    pub(super) cases: Vec<Case>,
    pub(super) roads: Vec<Road>,
    pub(super) tools: Vec<Tool>,
    /// Where data is written, or else below TMPDIR.
    pub(super) directory: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = arguments;
        let (mut runs, mut mebibytes, mut directory) = (5, 1024, None);
        let (mut cases, mut roads, mut tools) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{flag} wants a value"))?;
            match flag.as_str() {
                "--runs" => runs = number(&flag, &value)?,
                "--size" => mebibytes = number(&flag, &value)?,
                "--case" => cases.push(choice(&flag, &value, Case::ALL, Case::name)?),
                "--road" => roads.push(choice(&flag, &value, Road::ALL, Road::name)?),
                "--tool" => tools.push(choice(&flag, &value, Tool::ALL, Tool::name)?),
                "--dir" => directory = Some(PathBuf::from(value)),
                _ => return Err(format!("there is no flag {flag}").into()),
            }
        }
        Ok(Self {
            runs: usize::try_from(runs)?,
            size: u64::from(mebibytes) << 20,
            cases: or_all(cases, Case::ALL),
            roads: or_all(roads, Road::ALL),
            tools: with_hither(or_all(tools, Tool::ALL)),
            directory,
        })
    }
}

fn number(flag: &str, text: &str) -> Result<u32, Failure> {
    let number = text.parse().ok().filter(|number| *number > 0);
    Ok(number.ok_or_else(|| format!("{flag} wants a number of at least 1"))?)
}

fn choice<T: Copy>(flag: &str, text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, Failure> {
    let found = all.iter().copied().find(|one| name(*one) == text);
    let names = || all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", ");
    Ok(found.ok_or_else(|| format!("{flag} wants one of: {}", names()))?)
}

fn or_all<T: Copy>(chosen: Vec<T>, all: &[T]) -> Vec<T> {
    if chosen.is_empty() { all.to_vec() } else { chosen }
}

/// Whatever else is measured is compared with it.
fn with_hither(mut tools: Vec<Tool>) -> Vec<Tool> {
    tools.retain(|tool| *tool != Tool::Hither);
    tools.insert(0, Tool::Hither);
    tools
}
