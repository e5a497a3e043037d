//! A file's name, without the folder it is in.

use std::fmt;
use std::str::FromStr;

use hither_protocol::transfer::{BadPath, RelativePath};

use crate::inert::is_hostile;

/// A name that a file may arrive under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

/// Why a text is no file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseFileNameError {
    /// No receiver would take it.
    Bad(BadPath),
    /// Something in it cannot be seen.
    Invisible,
}

impl FileName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What standard input is called, where nothing else is said.
    pub(super) fn of_input() -> Self {
        Self("stdin".to_owned())
    }

    /// What text is called, where nothing else is said.
    pub(super) fn of_text() -> Self {
        Self("text.txt".to_owned())
    }
}

impl FromStr for FileName {
    type Err = ParseFileNameError;

    fn from_str(text: &str) -> Result<Self, ParseFileNameError> {
        RelativePath::new([text]).map_err(ParseFileNameError::Bad)?;
        if text.chars().any(is_hostile) {
            return Err(ParseFileNameError::Invisible);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ParseFileNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::Bad(BadPath::Separator) => "it names a folder too",
            Self::Bad(BadPath::Reserved) => "it is one that hither gives to its own files",
            Self::Bad(BadPath::Empty) => "it is empty",
            Self::Bad(BadPath::Dots) => "it is a folder's",
            Self::Bad(BadPath::TooLong | BadPath::TooDeep) => "it is over 255 bytes long",
            Self::Bad(BadPath::Control) | Self::Invisible => "it holds invisible characters",
        };
        write!(f, "this is no file's name ({why}); give one such as dir.tar")
    }
}

impl std::error::Error for ParseFileNameError {}
