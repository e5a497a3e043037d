//! Brings a command line into the one order that argh takes: flags of every command, command, its flags, `--`, the
//! rest. So flags may stand anywhere, `--flag=value` works, and `-` or `help` can be a value.

use std::iter::Peekable;

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind};

/// Names that hands expect, and what they stand for.
const ALIASES: [(&str, &str); 4] =
    [("recv", "receive"), ("rx", "receive"), ("tx", "send"), ("peers", "list-peers")];

/// Flags whose value, a time, may be left out, and what is meant then.
const ALONE: [(&str, &str); 1] = [("--visible", "10m")];

pub(super) struct Line {
    pub(super) words: Vec<String>,
    /// The name of the command, once it is known.
    pub(super) command: Option<&'static str>,
    pub(super) version: bool,
}

/// Where the words go while they are sorted.
#[derive(Default)]
struct Sorted {
    /// The command and, under `contacts`, what to do.
    path: Vec<&'static str>,
    global: Vec<String>,
    local: Vec<String>,
    rest: Vec<String>,
    help: bool,
    version: bool,
}

pub(super) fn normalise(top: &CommandInfoWithArgs, words: Vec<String>) -> Result<Line, String> {
    let mut sorted = Sorted::default();
    // A flag may stand before its command, so the commands are found first.
    let path = command_path(top, &words)?;
    let mut words = words.into_iter().peekable();
    let mut to_come = path.iter();
    let mut flags_ended = false;
    while let Some(word) = words.next() {
        if !flags_ended && word == "--" {
            flags_ended = true;
        } else if !flags_ended && word.len() > 1 && word.starts_with('-') {
            sorted.flag(top, &path, &word, &mut words)?;
        } else if word == "help" && sorted.path.len() < 2 && sorted.rest.is_empty() && !flags_ended {
            sorted.help = true;
        } else if let Some(command) = to_come.next() {
            sorted.path.push(command.name);
        } else {
            sorted.rest.push(word);
        }
    }
    Ok(sorted.line())
}

impl Sorted {
    fn flag(
        &mut self,
        top: &CommandInfoWithArgs,
        path: &[&CommandInfoWithArgs],
        word: &str,
        words: &mut Peekable<impl Iterator<Item = String>>,
    ) -> Result<(), String> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word, None),
        };
        let bare = match name {
            "--help" | "-h" => Some(&mut self.help),
            "--version" | "-V" => Some(&mut self.version),
            _ => None,
        };
        if let Some(set) = bare {
            *set = true;
            return value.map_or(Ok(()), |_| Err(format!("{name} takes no value")));
        }
        let find = |flags: &[FlagInfo<'_>]| flags.iter().find(|flag| is_named(flag, name)).map(takes_value);
        let (takes_value, out) = if let Some(takes_value) = find(top.flags) {
            (takes_value, &mut self.global)
        } else if let Some(takes_value) = path.last().and_then(|command| find(command.flags)) {
            (takes_value, &mut self.local)
        } else {
            return Err(unknown_flag(top, path, name));
        };
        // The same switch twice says nothing new.
        if !takes_value && out.iter().any(|other| other == name) {
            return Ok(());
        }
        out.push(name.to_owned());
        let alone = alone(name, words.peek().map(String::as_str)).map(str::to_owned);
        match (takes_value, value.or(alone)) {
            (true, Some(value)) => out.push(value),
            (true, None) => out.push(words.next().ok_or_else(|| format!("{name} needs a value after it"))?),
            (false, Some(_)) => return Err(format!("{name} takes no value")),
            (false, None) => {}
        }
        Ok(())
    }

    fn line(self) -> Line {
        let command = self.path.first().copied();
        let mut words = self.global;
        words.extend(self.path.into_iter().map(str::to_owned));
        if self.help {
            // Alone after the command, so that nothing else in the line hides it.
            words.push("--help".to_owned());
        } else {
            words.extend(self.local);
            if !self.rest.is_empty() {
                words.push("--".to_owned());
                words.extend(self.rest);
            }
        }
        Line { words, command, version: self.version }
    }
}

/// The command that the words name, and its own command where it has some.
fn command_path<'a>(
    top: &'a CommandInfoWithArgs,
    words: &[String],
) -> Result<Vec<&'a CommandInfoWithArgs>, String> {
    let mut path: Vec<&CommandInfoWithArgs> = Vec::new();
    let mut words = words.iter().map(String::as_str).peekable();
    let mut asked = false;
    while let Some(word) = words.next() {
        asked |= matches!(word, "help" | "--help" | "-h" | "--version" | "-V");
        if word == "--" {
            break;
        }
        if word.len() > 1 && word.starts_with('-') {
            // Any command's flag, as its command may be still to come.
            let name = if word.starts_with("--") { word.split('=').next().unwrap_or(word) } else { word };
            let mut flags = top.commands.iter().flat_map(|sub| sub.command.flags).chain(top.flags);
            match flags.find(|flag| is_named(flag, name)) {
                Some(flag)
                    if takes_value(flag) && name == word && alone(name, words.peek().copied()).is_none() =>
                {
                    words.next();
                }
                None if !matches!(name, "--help" | "-h") => return Err(unknown_flag(top, &path, name)),
                _ => {}
            }
            continue;
        }
        if word == "help" {
            continue;
        }
        let at = path.last().copied().unwrap_or(top);
        if at.commands.is_empty() {
            break;
        }
        let name =
            ALIASES.iter().find(|(alias, _)| path.is_empty() && *alias == word).map_or(word, |found| found.1);
        match at.commands.iter().find(|sub| sub.name == name) {
            Some(sub) => path.push(&sub.command),
            None => return Err(unknown_command(at, path.first().copied(), word)),
        }
    }
    if path.is_empty() && !asked {
        return Err("say what to do, such as: hither send FILE --to PEER\nFor help: hither --help".to_owned());
    }
    Ok(path)
}

fn unknown_command(at: &CommandInfoWithArgs, parent: Option<&CommandInfoWithArgs>, word: &str) -> String {
    let parent = parent.map(|parent| format!(" {}", parent.name)).unwrap_or_default();
    let aliases = ALIASES.iter().map(|(alias, _)| *alias).filter(|_| parent.is_empty());
    let names = at.commands.iter().map(|sub| sub.name).chain(aliases);
    let meant = nearest(word, names).map(|name| format!("; did you mean `hither{parent} {name}`?"));
    let (shown, meant) = (crate::inert::inert(word), meant.unwrap_or_default());
    format!("there is no command `hither{parent} {shown}`{meant}\nFor help: hither{parent} --help")
}

fn unknown_flag(top: &CommandInfoWithArgs, path: &[&CommandInfoWithArgs], name: &str) -> String {
    let flags = path.last().map_or(&[][..], |command| command.flags).iter().chain(top.flags);
    let names: Vec<&str> = flags.map(|flag| flag.long).chain(["--help"]).collect();
    let meant =
        nearest(name, names.into_iter()).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    let command = path.first().map(|command| format!(" {}", command.name)).unwrap_or_default();
    let shown = crate::inert::inert(name);
    format!(
        "there is no flag {shown} here{meant} (what starts with - and is no flag goes after --)\n\
         For help: hither{command} --help"
    )
}

fn is_named(flag: &FlagInfo<'_>, name: &str) -> bool {
    name == flag.long
        || flag.short.is_some_and(|short| name.strip_prefix('-') == Some(short.encode_utf8(&mut [0; 4])))
}

/// What a flag is worth that takes a value and stands without one, before this word.
fn alone(name: &str, next: Option<&str>) -> Option<&'static str> {
    let (_, value) = ALONE.iter().find(|(flag, _)| *flag == name)?;
    // A code may begin with a digit too, but has words behind it.
    let is_value = |word: &str| word.starts_with(|it: char| it.is_ascii_digit()) && !word.contains('-');
    (!next.is_some_and(is_value)).then_some(value)
}

fn takes_value(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}

/// The name that `word` was most likely meant to be, if any is near.
pub(crate) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let prefixed = |name: &str| word.len() >= 3 && (name.starts_with(word) || word.starts_with(name));
    names
        .map(|name| (if prefixed(name) { 1 } else { distance(word, name) }, name))
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many single-character changes lead from one to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut diagonal = line;
        row[0] = line + 1;
        for (column, b) in to.chars().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
