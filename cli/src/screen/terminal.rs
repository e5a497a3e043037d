//! The mode of the terminal: lines that it edits itself, or keys as they are pressed.

use std::io::IsTerminal;

/// Whether reading from standard input is for this process: one in the background would be stopped for it.
pub(super) fn is_ours() -> bool {
    std::io::stdin().is_terminal() && system::is_foreground()
}

/// Lets the terminal give keys as they are pressed, Ctrl-C excepted. `false`: it cannot.
pub(super) fn give_keys() -> bool {
    std::io::stderr().is_terminal() && system::give_keys()
}

/// Lets the terminal give lines as it did before.
pub(super) fn give_lines() {
    system::give_lines();
}

#[cfg(unix)]
mod system {
    use std::sync::{Mutex, PoisonError};

    use rustix::process::getpgrp;
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

    /// The mode from before.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    pub(super) fn is_foreground() -> bool {
        // Where it is not the controlling terminal, nobody is stopped.
        tcgetpgrp(std::io::stdin()).map_or(true, |group| group == getpgrp())
    }

    pub(super) fn give_keys() -> bool {
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        if before.is_some() {
            return true;
        }
        let Ok(mode) = tcgetattr(std::io::stdin()) else { return false };
        let mut keys = mode.clone();
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        let set = tcsetattr(std::io::stdin(), OptionalActions::Now, &keys).is_ok();
        *before = set.then_some(mode);
        set
    }

    pub(super) fn give_lines() {
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mode) = before.take() {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &mode);
        }
    }
}

#[cfg(not(unix))]
mod system {
    pub(super) fn is_foreground() -> bool {
        true
    }

    pub(super) fn give_keys() -> bool {
        false
    }

    pub(super) fn give_lines() {}
}
