//! Where a symbolic link of an offer leads, in a form that can be held against the place of the link.

use std::fmt;

use super::path::{BadPath, MAX_DEPTH, RelativePath, check};

/// Longest target, in bytes, separators included: what Linux takes (`PATH_MAX`, with the NUL at its end).
pub const MAX_TARGET: usize = 4095;

/// What a symbolic link holds: from its own folder so many levels up, then down by plain names.
///
/// There is no way to write an absolute target, a name that [`RelativePath`] would refuse, or a `..` behind a name:
/// behind one that is a link itself it would lead who knows where. Whether the levels up stay inside the offer depends
/// on where the link is: [`LinkTarget::leads`], and a [`Manifest`](super::Manifest) holds no link that does not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkTarget(Box<str>);

impl LinkTarget {
    /// From the link's folder `up` levels up, then down by `names`, outermost first. Neither: the folder itself.
    pub fn new<'a>(up: usize, names: impl IntoIterator<Item = &'a str>) -> Result<Self, BadPath> {
        if up > MAX_DEPTH {
            return Err(BadPath::TooDeep);
        }
        let mut text = vec![".."; up].join("/");
        for (depth, name) in names.into_iter().enumerate() {
            check(name)?;
            if depth >= MAX_DEPTH {
                return Err(BadPath::TooDeep);
            }
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(name);
            if text.len() > MAX_TARGET {
                return Err(BadPath::TooLong);
            }
        }
        if text.is_empty() {
            text.push('.');
        }
        Ok(Self(text.into()))
    }

    /// The target in a file system's words, with `/` between the parts. It comes out in its shortest form: `./a//b/`
    /// is `a/b`.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        if text.is_empty() {
            return Err(BadPath::Empty);
        }
        if text.starts_with('/') {
            return Err(BadPath::Dots);
        }
        let (mut up, mut names) = (0_usize, Vec::new());
        for part in text.split('/').filter(|part| !matches!(*part, "" | ".")) {
            match part {
                ".." if !names.is_empty() => return Err(BadPath::Dots),
                ".." => up = up.saturating_add(1),
                name => names.push(name),
            }
        }
        Self::new(up, names)
    }

    /// How many levels up it goes first.
    pub fn up(&self) -> usize {
        self.0.split('/').take_while(|part| *part == "..").count()
    }

    /// The names by which it goes down then, outermost first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !matches!(*part, "." | ".."))
    }

    /// Where it leads from the link at `at`; `None`: out of the outermost entry that the link is in.
    pub fn leads(&self, at: &RelativePath) -> Option<RelativePath> {
        let depth = at.components().count();
        // Without the link's own name.
        let kept = depth.checked_sub(1)?.checked_sub(self.up()).filter(|kept| *kept > 0)?;
        RelativePath::new(at.components().take(kept).chain(self.names())).ok()
    }

    /// What the link holds, with `/` between the parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shown escaped: the characters come from a peer.
impl fmt::Debug for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
