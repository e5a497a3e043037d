//! A name that a peer sent, in a form that cannot leave the folder it is put into.

use std::fmt;

use crate::storage::is_reserved;

/// Longest component, in bytes: what every common file system allows.
pub const MAX_COMPONENT: usize = 255;
/// Longest path, in bytes, separators included.
pub const MAX_PATH: usize = 4096;
/// Most components.
pub const MAX_DEPTH: usize = 128;

/// A relative path of plain components, below a folder that the receiver chose.
///
/// There is no way to write an absolute path, a `..`, a separator of any platform inside a component, or a control
/// character. Components are kept as they were sent otherwise; what one platform takes for something else (`CON`,
/// `C:`, `a:b`) is that platform's storage to refuse or to map.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(Box<str>);

/// Why a path is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPath {
    /// No component, or an empty one.
    Empty,
    /// `.` or `..`.
    Dots,
    /// `/` or `\` inside a component.
    Separator,
    /// A control character (C0, DEL, C1), NUL included.
    Control,
    /// A component over 255 bytes, or the whole over 4096.
    TooLong,
    /// More than 128 components.
    TooDeep,
    /// A name that Hither gives to its own files.
    Reserved,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a part of the name is empty",
            Self::Dots => "the name points outside its folder",
            Self::Separator => "the name holds a path separator",
            Self::Control => "the name holds a control character",
            Self::TooLong => "the name is too long",
            Self::Reserved => "the name is one that hither gives to its own files",
            Self::TooDeep => "the folders are nested too deep",
        })
    }
}

impl std::error::Error for BadPath {}

impl RelativePath {
    /// Joins components, outermost first, if every one of them is harmless.
    pub fn new<'a>(components: impl IntoIterator<Item = &'a str>) -> Result<Self, BadPath> {
        let mut path = String::new();
        for (depth, component) in components.into_iter().enumerate() {
            check(component)?;
            if depth >= MAX_DEPTH {
                return Err(BadPath::TooDeep);
            }
            if depth > 0 {
                path.push('/');
            }
            path.push_str(component);
            if path.len() > MAX_PATH {
                return Err(BadPath::TooLong);
            }
        }
        if path.is_empty() { Err(BadPath::Empty) } else { Ok(Self(path.into())) }
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The outermost component.
    pub fn top(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path without its last component, unless that was the only one.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// The same path under another outermost component.
    pub fn with_top(&self, top: &str) -> Result<Self, BadPath> {
        Self::new(std::iter::once(top).chain(self.components().skip(1)))
    }

    /// The components joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn check(component: &str) -> Result<(), BadPath> {
    match component {
        "" => Err(BadPath::Empty),
        "." | ".." => Err(BadPath::Dots),
        _ if component.len() > MAX_COMPONENT => Err(BadPath::TooLong),
        _ if component.contains(['/', '\\']) => Err(BadPath::Separator),
        _ if component.chars().any(char::is_control) => Err(BadPath::Control),
        _ if is_reserved(component) => Err(BadPath::Reserved),
        _ => Ok(()),
    }
}

/// Shown escaped: the characters come from a peer.
impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
