//! Why a call failed: a reason that Java has an enum constant for, and a sentence for people who read logs.

use std::fmt;
use std::io;

use hither_protocol::identity::{KeyFileError, ParsePeerAddressError, ParsePeerIdError};
use hither_protocol::storage::StorageError;
use hither_protocol::{AnswerError, BadCode, CodeError, ContactError, OfferError, SendError};
use hither_runtime_smol::StartError;
use jni::Env;
use jni::errors::ErrorPolicy;
use jni::objects::JThrowable;
use jni::strings::JNIString;

use crate::java::FromNative;

/// Every reason; [`Reason::name`] is that of the constant of `dev.hither.HitherException.Reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Closed,
    InUse,
    NotWritable,
    KeyUnusable,
    Network,
    InvalidId,
    InvalidArgument,
    InvalidDescriptor,
    #[cfg_attr(unix, allow(dead_code, reason = "there are descriptors on Unix"))]
    Unsupported,
    UnknownTransfer,
    UnknownContact,
    InvalidName,
    NameTaken,
    Oneself,
    Blocked,
    TooLong,
    TooMany,
    RecordsUnusable,
    Internal,
}

impl Reason {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 19] = [
        Self::Closed,
        Self::InUse,
        Self::NotWritable,
        Self::KeyUnusable,
        Self::Network,
        Self::InvalidId,
        Self::InvalidArgument,
        Self::InvalidDescriptor,
        Self::Unsupported,
        Self::UnknownTransfer,
        Self::UnknownContact,
        Self::InvalidName,
        Self::NameTaken,
        Self::Oneself,
        Self::Blocked,
        Self::TooLong,
        Self::TooMany,
        Self::RecordsUnusable,
        Self::Internal,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::InUse => "IN_USE",
            Self::NotWritable => "NOT_WRITABLE",
            Self::KeyUnusable => "KEY_UNUSABLE",
            Self::Network => "NETWORK",
            Self::InvalidId => "INVALID_ID",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::InvalidDescriptor => "INVALID_DESCRIPTOR",
            Self::Unsupported => "UNSUPPORTED",
            Self::UnknownTransfer => "UNKNOWN_TRANSFER",
            Self::UnknownContact => "UNKNOWN_CONTACT",
            Self::InvalidName => "INVALID_NAME",
            Self::NameTaken => "NAME_TAKEN",
            Self::Oneself => "ONESELF",
            Self::Blocked => "BLOCKED",
            Self::TooLong => "TOO_LONG",
            Self::TooMany => "TOO_MANY",
            Self::RecordsUnusable => "RECORDS_UNUSABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// For a reason of Hither's.
    Hither(Reason, String),
    /// A reference is null that must not be.
    Null,
    /// A Java exception is on its way already.
    Thrown,
}

impl Failure {
    pub(crate) fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self::Hither(reason, text.into())
    }

    /// The node was closed, or never was.
    pub(crate) fn closed() -> Self {
        Self::new(Reason::Closed, "this node is closed")
    }

    /// A file or directory of the home cannot be used.
    pub(crate) fn unusable(path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(Reason::NotWritable, format!("{} cannot be used: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hither(reason, text) => write!(f, "{}: {text}", reason.name()),
            Self::Null => f.write_str("null"),
            Self::Thrown => f.write_str("a Java exception"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<jni::errors::Error> for Failure {
    fn from(error: jni::errors::Error) -> Self {
        match error {
            jni::errors::Error::NullPtr(_) => Self::Null,
            jni::errors::Error::JavaException => Self::Thrown,
            error => Self::new(Reason::Internal, error.to_string()),
        }
    }
}

impl From<ParsePeerIdError> for Failure {
    fn from(error: ParsePeerIdError) -> Self {
        Self::new(Reason::InvalidId, error.to_string())
    }
}

impl From<ParsePeerAddressError> for Failure {
    fn from(error: ParsePeerAddressError) -> Self {
        match error {
            ParsePeerAddressError::Id(error) => error.into(),
            error => Self::new(Reason::InvalidArgument, error.to_string()),
        }
    }
}

impl From<BadCode> for Failure {
    /// Exceptions get into logs, and the word that is most like what was typed may be a secret one: it is left out.
    fn from(error: BadCode) -> Self {
        let text = match error {
            BadCode::Unknown { position, .. } => format!("word {position} is not one that codes are made of"),
            BadCode::TooFew | BadCode::TooMany => error.to_string(),
        };
        Self::new(Reason::InvalidArgument, text)
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self::new(Reason::KeyUnusable, error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let reason = match error {
            StartError::PortTaken(_) | StartError::NoInterface(_) | StartError::Network(_) => Reason::Network,
            StartError::NoEntropy | StartError::NoThread(_) => Reason::Internal,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        let (reason, text) = match error {
            SendError::Empty => (Reason::InvalidArgument, "there is nothing in the message"),
            SendError::TooLong => (Reason::TooLong, "a message has at most 32 KiB"),
            SendError::OutboxFull => (Reason::TooMany, "too many messages wait for this peer"),
            SendError::Oneself => (Reason::Oneself, "a message to oneself"),
            SendError::Blocked => (Reason::Blocked, "this contact is blocked"),
            SendError::NotReady => (Reason::RecordsUnusable, "the records cannot be used"),
        };
        Self::new(reason, text)
    }
}

impl From<OfferError> for Failure {
    fn from(error: OfferError) -> Self {
        let (reason, text) = match error {
            OfferError::Nothing => (Reason::InvalidArgument, "nothing is named that could be offered"),
            OfferError::Oneself => (Reason::Oneself, "an offer to oneself"),
            OfferError::Blocked => (Reason::Blocked, "this contact is blocked"),
            OfferError::TooMany => (Reason::TooMany, "too many transfers at once"),
        };
        Self::new(reason, text)
    }
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        let (reason, text) = match error {
            AnswerError::Unknown => (Reason::UnknownTransfer, "no transfer of this id waits for that"),
            AnswerError::BadName => (Reason::InvalidName, "the offer cannot go by this name"),
        };
        Self::new(reason, text)
    }
}

impl From<ContactError> for Failure {
    fn from(error: ContactError) -> Self {
        let (reason, text) = match error {
            ContactError::NameTaken => (Reason::NameTaken, "another contact has this name"),
            ContactError::BadFolder => (Reason::InvalidArgument, "the folder's path is not Unicode"),
            ContactError::BadName => (
                Reason::InvalidName,
                "a name has 1 to 64 bytes, no control characters, and does not look like an id or a flag",
            ),
            ContactError::Unknown => (Reason::UnknownContact, "there is no such contact"),
            ContactError::Oneself => (Reason::Oneself, "this is the node's own id"),
            ContactError::TooMany => (Reason::TooMany, "there are as many contacts as can be kept"),
            ContactError::NotReady => (Reason::RecordsUnusable, "the records cannot be used"),
        };
        Self::new(reason, text)
    }
}

impl From<CodeError> for Failure {
    fn from(error: CodeError) -> Self {
        let reason = match error {
            CodeError::NotReady => Reason::RecordsUnusable,
            CodeError::TooMany => Reason::TooMany,
            CodeError::BadOptions => Reason::InvalidArgument,
        };
        Self::new(reason, error.to_string())
    }
}

/// What went wrong with a disk, in words.
pub(crate) fn storage_text(error: &StorageError) -> &str {
    match error {
        StorageError::Full => "no space is left",
        StorageError::Denied => "it may not be written or read",
        StorageError::Missing => "it is not there",
        StorageError::Exists => "the name is taken",
        StorageError::Changed => "it has changed meanwhile",
        StorageError::Mismatch => "the content is not what it should be",
        StorageError::Closed => "nobody takes what is written",
        StorageError::Unsupported => "this disk cannot do that",
        StorageError::Other(text) => text,
    }
}

/// Throws failures, and panics as [`Reason::Internal`].
#[derive(Debug)]
pub(crate) struct Throw;

impl<T: Default> ErrorPolicy<T, Failure> for Throw {
    type Captures<'unowned_env_local: 'native_method, 'native_method> = ();

    fn on_error<'unowned_env_local: 'native_method, 'native_method>(
        env: &mut Env<'unowned_env_local>,
        (): &mut (),
        failure: Failure,
    ) -> jni::errors::Result<T> {
        throw(env, failure)?;
        Ok(T::default())
    }

    fn on_panic<'unowned_env_local: 'native_method, 'native_method>(
        env: &mut Env<'unowned_env_local>,
        (): &mut (),
        payload: Box<dyn std::any::Any + Send + 'static>,
    ) -> jni::errors::Result<T> {
        let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (None, Some(text)) => text.clone(),
            (None, None) => "a panic".to_owned(),
        };
        throw(env, Failure::new(Reason::Internal, text))?;
        Ok(T::default())
    }
}

fn throw(env: &mut Env<'_>, failure: Failure) -> jni::errors::Result<()> {
    // What is thrown already says more.
    if env.exception_check() {
        return Ok(());
    }
    let thrown = match failure {
        Failure::Hither(reason, text) => {
            let reason = env.new_string(reason.name())?;
            let text = env.new_string(text)?;
            let exception: JThrowable<'_> = FromNative::failure(env, &reason, &text)?.into();
            env.throw(exception)
        }
        Failure::Null => {
            env.throw_new(jni::jni_str!("java/lang/NullPointerException"), JNIString::from("null"))
        }
        Failure::Thrown => Ok(()),
    };
    match thrown {
        // That is what throwing looks like.
        Err(jni::errors::Error::JavaException) => Ok(()),
        thrown => thrown,
    }
}

#[cfg(test)]
mod tests;
