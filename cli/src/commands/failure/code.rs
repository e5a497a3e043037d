//! How codes end that came to nothing.

use std::path::Path;

use hither_protocol::{CodeError, CodeFailure, WIDE_WORDS};

use super::super::code::Aim;
use crate::exit::{Exit, Failure};
use crate::screen::left;

/// A code cannot be made or entered.
pub(in crate::commands) fn cannot(error: CodeError, home: &Path) -> Failure {
    let exit = match error {
        CodeError::NotReady => return super::records(&hither_protocol::storage::StorageError::Denied, home),
        CodeError::TooMany => Exit::Fault,
        CodeError::BadOptions => Exit::Usage,
    };
    Failure::new(exit, format!("{error}. Nothing was sent."))
}

/// How the other side of a code was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) struct Searched {
    /// For how many seconds.
    pub(in crate::commands) seconds: u64,
    /// Whether beyond the local network too.
    pub(in crate::commands) wide: bool,
}

/// A code that was typed came to nothing.
pub(in crate::commands) fn entered(why: CodeFailure, aim: Aim, searched: Searched) -> Failure {
    let other = aim.other_command();
    let again = aim.other_makes();
    let (exit, text) = match why {
        CodeFailure::NotFound if searched.wide => (
            Exit::Unreachable,
            format!(
                "nobody was found in {} who has this code, neither on this network nor beyond. The first two words may \
                 be wrong, or {other} is not running any more on the other side, or it cannot be reached from here: \
                 `hither doctor` says on either side what its network lets through.",
                left(searched.seconds)
            ),
        ),
        CodeFailure::NotFound => (
            Exit::Unreachable,
            format!(
                "nobody was found on this network in {} who has this code. The first word may be wrong, or {other} is \
                 not running any more on the other side, or on another network: codes of {WIDE_WORDS} words are looked \
                 for beyond this one too (--words {WIDE_WORDS}).",
                left(searched.seconds)
            ),
        ),
        CodeFailure::NoAnswer => (
            Exit::Unreachable,
            format!(
                "someone may have this code, and did not answer. Is {other} still running there, and does a firewall \
                 let its UDP port through?"
            ),
        ),
        CodeFailure::WrongCode => (
            Exit::WrongCode,
            "this is not the other side's code: at least one word is wrong. The other side is told, and has one try \
             less. Compare the words and type them again."
                .to_owned(),
        ),
        CodeFailure::Burnt => {
            (Exit::WrongCode, format!("this code is burnt: three wrong ones were tried on it. {again}"))
        }
        CodeFailure::Expired => (Exit::WrongCode, format!("the time of this code is over. {again}")),
        CodeFailure::AlreadyUsed => (
            Exit::WrongCode,
            format!(
                "this code was used already, as often as it was made for. If that was not you, the other side should \
                 know. {again}"
            ),
        ),
        CodeFailure::DifferentPurpose => (
            Exit::Usage,
            "the code is right, and was made for something else. It is as good as before: type it with `hither \
             receive CODE` if it was made by `hither send`, `hither send FILE --code CODE` if by `hither receive \
             --new-code`, `hither pair CODE` if by `hither pair`."
                .to_owned(),
        ),
        CodeFailure::Busy => (
            Exit::WrongCode,
            "the other side is busy with others who try its code. Try again in a moment.".to_owned(),
        ),
        CodeFailure::TooMany => (
            Exit::WrongCode,
            format!(
                "more answer under the first word of this code than can be tried: somebody here disturbs. {again}"
            ),
        ),
        CodeFailure::Oneself => {
            (Exit::Usage, "this code was made here: it is to be typed on the other side.".to_owned())
        }
        CodeFailure::CannotOffer(error) => return super::offer(error),
    };
    let safe = if aim == Aim::Pair { "Nobody was added." } else { "Nothing was sent or received." };
    let safe = if exit == Exit::Usage { String::new() } else { format!(" {safe}") };
    Failure::new(exit, format!("{text}{safe}"))
}

/// A code that was made here was tried too often.
pub(in crate::commands) fn burnt() -> Failure {
    let text = "three wrong codes were tried, so this code is burnt: nobody can use it any more, and whoever tried has \
                learnt nothing. Run the same command again for another code; if the other side did not mistype, \
                someone else here is guessing, so take more words (--words 5).";
    Failure::new(Exit::WrongCode, text)
}

/// Nobody came in time, or not everybody.
pub(in crate::commands) fn expired(came: u16, of: u16) -> Failure {
    let who = match (came, of) {
        (0, _) => "nobody has used it".to_owned(),
        (came, of) => format!("{came} of {of} have used it"),
    };
    let text = format!(
        "the time of the code is over: {who}. Run the same command again for another code; --expire 2h lets it last \
         longer."
    );
    Failure::new(Exit::TimedOut, text)
}

/// The other side proved the code, left, and offered nothing.
pub(in crate::commands) fn left_without_offer(who: &str) -> Failure {
    let text = format!(
        "{who} left before anything was offered. Nothing was received. Their screen says why; the code is used up, so \
         ask for another."
    );
    Failure::new(Exit::ConnectionLost, text)
}
