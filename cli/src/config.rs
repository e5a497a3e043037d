//! The configuration: `config.toml` in the home, read whole or not at all, and changed without touching the rest of it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fs, io};

use hither_protocol::{Limits, OpenName};
use hither_runtime_smol::private;
use toml_edit::{Document, DocumentMut, Item, Table, TableLike};

use crate::args::{Network, Rate, Span, nearest};
use crate::exit::{Exit, Failure};
use crate::inert::{inert, is_hostile};

/// Longest file that is read, in bytes.
const MAX_READ: u64 = 64 * 1024;

/// What the owner of a home has chosen. Flags of a command say more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `name`: what strangers are shown while this node is visible.
    pub name: Option<OpenName>,
    /// `visible`: how long `up` and `receive` show name and id from their start, where no flag says so.
    pub visible: Option<Span>,
    /// `interface`: the one network interface to keep to.
    pub interface: Option<String>,
    /// `network`, `mainline` and `bootstrap`: how others beyond the local network are found.
    pub network: Network,
    /// `[limits]`: `both`, and `up` and `down`, which say more about their direction.
    pub limits: Limits,
    /// `[rules]`.
    pub rules: OwnRules,
}

/// The rules of consent, for what no flag, no trust and no code decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnRules {
    /// `strangers`.
    pub strangers: FromStrangers,
    /// `contacts`.
    pub contacts: FromContacts,
}

/// What becomes of offers and messages of strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FromStrangers {
    /// Asked about on a terminal, refused elsewhere.
    #[default]
    Ask,
    /// Refused.
    Refuse,
}

/// What becomes of offers of contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FromContacts {
    /// Asked about on a terminal, refused elsewhere.
    #[default]
    Ask,
    /// Accepted.
    Accept,
}

impl FromStrangers {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Refuse => "refuse",
        }
    }

    /// What it means, on a line.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ask => {
                "strangers: ask (you are asked on a terminal; where there is none, they are refused)"
            }
            Self::Refuse => "strangers: refuse (nothing of theirs is taken, and you are not asked)",
        }
    }
}

impl FromStr for FromStrangers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Ask, Self::Refuse]
            .into_iter()
            .find(|rule| rule.name() == text)
            .ok_or_else(|| "for strangers the rule is `ask` or `refuse`".to_owned())
    }
}

impl FromContacts {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Accept => "accept",
        }
    }

    /// What it means, on a line.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ask => "contacts: ask (you are asked on a terminal; where there is none, they are refused)",
            Self::Accept => "contacts: accept (what they send is taken without asking)",
        }
    }
}

impl FromStr for FromContacts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Ask, Self::Accept]
            .into_iter()
            .find(|rule| rule.name() == text)
            .ok_or_else(|| "for contacts the rule is `ask` or `accept`".to_owned())
    }
}

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub text: String,
}

/// Something that can be set by a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `name`.
    Name(OpenName),
    /// `strangers` in `[rules]`.
    Strangers(FromStrangers),
    /// `contacts` in `[rules]`.
    Contacts(FromContacts),
}

impl Config {
    /// Reads the file; there need not be one.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let Some(text) = read(path)? else { return Ok(Self::default()) };
        Self::parse(&text).map_err(|wrong| damaged(path, &wrong))
    }

    /// What a text says.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let file = File(text);
        let document = Document::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Wrong { line: file.line(at), text: inert(error.message().trim()) }
        })?;
        let mut config = Self::default();
        let (mut both, mut limits, mut rules) = (None, Limits::default(), OwnRules::default());
        file.each(
            document.as_table(),
            "",
            &["name", "visible", "interface", "network", "mainline", "bootstrap", "limits", "rules"],
            |key, item| {
                match key {
                    "name" => config.name = Some(file.name(item)?),
                    "visible" => config.visible = Some(file.parsed(item)?),
                    "interface" => config.interface = Some(file.text(item)?.to_owned()),
                    "network" => config.network.on = Some(file.switch(item)?),
                    "mainline" => config.network.mainline = Some(file.switch(item)?),
                    "bootstrap" => config.network.bootstrap = file.list(item)?,
                    "limits" => {
                        file.each(file.table(item)?, "limits", &["both", "up", "down"], |key, item| {
                            let rate = Some(file.parsed::<Rate>(item)?.bytes());
                            match key {
                                "up" => limits.send = rate,
                                "down" => limits.receive = rate,
                                _ => both = rate,
                            }
                            Ok(())
                        })?
                    }
                    _ => file.each(file.table(item)?, "rules", &["strangers", "contacts"], |key, item| {
                        match key {
                            "strangers" => rules.strangers = file.parsed(item)?,
                            _ => rules.contacts = file.parsed(item)?,
                        }
                        Ok(())
                    })?,
                }
                Ok(())
            },
        )?;
        config.limits = Limits { send: limits.send.or(both), receive: limits.receive.or(both) };
        config.rules = rules;
        Ok(config)
    }

    /// Changes one thing in the file, which is made if it is not there. The rest stays as it is, comments included.
    pub fn set(path: &Path, setting: &Setting) -> Result<(), Failure> {
        let text = read(path)?.unwrap_or_default();
        let changed = changed(&text, setting).map_err(|wrong| damaged(path, &wrong))?;
        private::write_over(path, changed.as_bytes()).map_err(|error| {
            let text = format!("{} cannot be written: {error}. Nothing was changed.", shown(path));
            Failure::new(Exit::NotWritable, text)
        })
    }
}

/// The text with one thing changed.
pub fn changed(text: &str, setting: &Setting) -> Result<String, Wrong> {
    // What was damaged before is not made worse.
    Config::parse(text)?;
    let mut document: DocumentMut =
        text.parse().map_err(|_| Wrong { line: 1, text: "this is not TOML".to_owned() })?;
    let table: &mut dyn TableLike = match setting {
        Setting::Name(_) => document.as_table_mut(),
        Setting::Strangers(_) | Setting::Contacts(_) => {
            let rules = document.entry("rules").or_insert_with(|| Item::Table(Table::new()));
            rules
                .as_table_like_mut()
                .ok_or_else(|| Wrong { line: 1, text: "`rules` is no table".to_owned() })?
        }
    };
    let (key, value) = match setting {
        Setting::Name(name) => ("name", name.as_str()),
        Setting::Strangers(rule) => ("strangers", rule.name()),
        Setting::Contacts(rule) => ("contacts", rule.name()),
    };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        // What stands around it stays.
        Some(old) => {
            let decor = old.decor().clone();
            *old = value.into();
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(key, toml_edit::value(value));
        }
    }
    Ok(document.to_string())
}

/// The text, to tell lines.
#[derive(Clone, Copy)]
struct File<'a>(&'a str);

impl File<'_> {
    fn line(self, at: usize) -> usize {
        let before = self.0.as_bytes().get(..at).unwrap_or(self.0.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn wrong(self, item: &Item, text: impl Into<String>) -> Wrong {
        Wrong { line: self.line(item.span().map_or(0, |span| span.start)), text: text.into() }
    }

    /// Every entry of a table, each of which must be known.
    fn each(
        self,
        table: &dyn TableLike,
        name: &str,
        known: &[&str],
        mut take: impl FnMut(&str, &Item) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        for (key, item) in table.iter() {
            if known.contains(&key) {
                take(key, item)?;
                continue;
            }
            let at = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
            let of = if name.is_empty() { String::new() } else { format!(" in [{name}]") };
            let hint = match nearest(key, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are `{}`", known.join("`, `")),
            };
            let text = format!("there is no `{}`{of}: {hint}", inert(key));
            return Err(Wrong { line: self.line(at.map_or(0, |span| span.start)), text });
        }
        Ok(())
    }

    fn table(self, item: &Item) -> Result<&dyn TableLike, Wrong> {
        item.as_table_like().ok_or_else(|| self.wrong(item, "this must be a table"))
    }

    fn text(self, item: &Item) -> Result<&str, Wrong> {
        item.as_str().ok_or_else(|| self.wrong(item, "this must be a text in quotation marks"))
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(self, item: &Item) -> Result<T, Wrong> {
        self.text(item)?.parse().map_err(|error: T::Err| self.wrong(item, error.to_string()))
    }

    fn switch(self, item: &Item) -> Result<bool, Wrong> {
        item.as_bool().ok_or_else(|| self.wrong(item, "this must be `true` or `false`"))
    }

    /// A list of texts; what is wrong with one of them is on its line.
    fn list<T: FromStr<Err: std::fmt::Display>>(self, item: &Item) -> Result<Vec<T>, Wrong> {
        let must = "this must be a list of texts, such as [\"one\", \"another\"]";
        let list = item.as_array().ok_or_else(|| self.wrong(item, must))?;
        let parsed = list.iter().map(|value| {
            let wrong = |text: String| {
                let at = value.span().or_else(|| item.span());
                Wrong { line: self.line(at.map_or(0, |span| span.start)), text }
            };
            let text = value.as_str().ok_or_else(|| wrong(must.to_owned()))?;
            text.parse().map_err(|error: T::Err| wrong(error.to_string()))
        });
        parsed.collect()
    }

    fn name(self, item: &Item) -> Result<OpenName, Wrong> {
        own_name(self.text(item)?).map_err(|text| self.wrong(item, text))
    }
}

/// A name that the owner of a node may show to others.
pub fn own_name(text: &str) -> Result<OpenName, String> {
    if let Some(bad) = text.chars().find(|character| is_hostile(*character)) {
        return Err(format!("a name cannot hold {}", bad.escape_default()));
    }
    OpenName::new(text).map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    use io::Read;
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_READ + 1).read_to_string(&mut text));
    match read {
        Ok(length) if u64::try_from(length).unwrap_or(u64::MAX) > MAX_READ => Err(damaged(
            path,
            &Wrong { line: 1, text: "this is far too long for a configuration".to_owned() },
        )),
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let text = format!("{} cannot be read: {error}. Nothing was done.", shown(path));
            Err(Failure::new(Exit::Usage, text))
        }
    }
}

fn damaged(path: &Path, wrong: &Wrong) -> Failure {
    let text = format!(
        "{}, line {}: {}. Nothing was done; mend or remove the file.",
        shown(path),
        wrong.line,
        wrong.text.trim_end_matches('.')
    );
    Failure::new(Exit::Usage, text)
}

fn shown(path: &Path) -> String {
    inert(&path.to_string_lossy())
}

/// The name of this machine, for those who gave none.
pub fn host_name() -> OpenName {
    let named = std::env::var_os("COMPUTERNAME").filter(|_| cfg!(windows));
    let named = named.and_then(|name| name.into_string().ok());
    // Android and other systems without it have no name worth showing either.
    let of_kernel = || fs::read_to_string(PathBuf::from("/proc/sys/kernel/hostname")).ok();
    let name = named.or_else(of_kernel).and_then(|name| own_name(name.trim()).ok());
    name.or_else(|| OpenName::new("someone with Hither").ok()).unwrap_or_else(|| unreachable!("it is a name"))
}
