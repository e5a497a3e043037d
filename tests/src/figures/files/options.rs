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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, Failure> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn all_is_measured_unless_something_is_chosen() {
        let options = parse("").unwrap();
        assert_eq!((options.runs, options.size), (5, 1 << 30));
        assert_eq!((options.cases.as_slice(), options.roads.as_slice()), (Case::ALL, Road::ALL));
        assert_eq!(options.tools, Tool::ALL);
        let options =
            parse("--case tiny --case big --road namespaces --tool croc --runs 3 --size 64").unwrap();
        assert_eq!((options.runs, options.size), (3, 64 << 20));
        assert_eq!((options.cases, options.roads), (vec![Case::Tiny, Case::Big], vec![Road::Namespaces]));
    }

    #[test]
    fn hither_is_always_measured_and_once() {
        for text in ["--tool croc", "--tool croc --tool hither", "--tool hither --tool croc"] {
            assert_eq!(parse(text).unwrap().tools, [Tool::Hither, Tool::Croc], "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in ["--runs 0", "--runs", "--size x", "--case huge", "--tool ftp", "--fast yes"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
