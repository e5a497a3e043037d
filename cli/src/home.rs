//! Where a node's key and state live, who is using them, and the key at first use.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use etcetera::{AppStrategy, AppStrategyArgs};
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, KeyFile, KeyFileError, PassphraseCost};
use hither_runtime_smol::lock::Locked;
use hither_runtime_smol::private;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::inert::inert;

/// Names a file whose first line is the passphrase of the key. The passphrase itself is no argument and no
/// environment variable, as other processes can read those.
pub const PASSPHRASE_FILE: &str = "HITHER_PASSPHRASE_FILE";
/// How often a wrong passphrase may be typed.
const TRIES: usize = 3;

/// The directories of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    data: PathBuf,
    state: PathBuf,
}

impl Home {
    /// The home that `--home` names, else HITHER_HOME, else the platform's directories. Makes them, for their owner
    /// only.
    pub fn open(chosen: Option<&Path>) -> Result<Self, Failure> {
        let chosen = chosen.map(Path::to_owned);
        let chosen =
            chosen.or_else(|| std::env::var_os("HITHER_HOME").filter(|dir| !dir.is_empty()).map(Into::into));
        let home = match chosen {
            Some(directory) => Self { state: directory.join("state"), data: directory },
            None => Self::of_platform()?,
        };
        for directory in [&home.data, &home.state] {
            private::make_directory(directory)
                .map_err(|error| unusable(directory, &error, "use another with --home DIR"))?;
        }
        Ok(home)
    }

    fn of_platform() -> Result<Self, Failure> {
        let args = AppStrategyArgs {
            top_level_domain: String::new(),
            author: String::new(),
            app_name: "hither".to_owned(),
        };
        let dirs = etcetera::choose_app_strategy(args).map_err(|_| {
            Failure::new(Exit::Usage, "your home directory is not known: name one with --home DIR")
        })?;
        let data = dirs.data_dir();
        Ok(Self { state: dirs.state_dir().unwrap_or_else(|| data.join("state")), data })
    }

    /// The key file.
    pub fn key_file(&self) -> PathBuf {
        self.data.join("key")
    }

    /// The configuration. It need not exist.
    pub fn config_file(&self) -> PathBuf {
        self.data.join("config.toml")
    }

    /// The contacts and the history.
    pub fn contacts(&self) -> PathBuf {
        self.data.join("contacts")
    }

    /// The directory of journals and what else can be made again.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The directory in which a second process asks the one that has the home. It need not exist.
    pub fn desk(&self) -> PathBuf {
        self.state.join("desk")
    }

    /// Makes this process the only one on this home for as long as the result lives. `command` is what another
    /// process is told, such as `up`.
    pub fn lock(&self, command: &str) -> Result<HomeLock, Failure> {
        self.try_lock(command)?
    }

    /// The same; where another process has the home, the inner failure says which.
    pub fn try_lock(&self, command: &str) -> Result<Result<HomeLock, Failure>, Failure> {
        let path = self.data.join("lock");
        let file = private::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| unusable(&path, &error, "use another with --home DIR"))?;
        // Beside the lock file, as on Windows a locked file cannot be read by others.
        let holder = self.data.join("lock.holder");
        let locked =
            Locked::new(file).map_err(|error| unusable(&path, &error, "use another with --home DIR"))?;
        let Some(locked) = locked else { return Ok(Err(held(&self.data, &holder))) };
        let text = format!("{} {command}\n", std::process::id());
        let written = private::options()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&holder)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| unusable(&holder, &error, "use another with --home DIR"))?;
        Ok(Ok(HomeLock { _locked: locked, holder }))
    }

    /// The identity of this home, made at first use.
    pub fn identity(&self) -> Result<Opened, Failure> {
        let path = self.key_file();
        let bytes = match private::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.first_identity(),
            Err(error) => return Err(unusable(&path, &error, "nothing was changed")),
        };
        let tightened = private::tighten(&path)
            .map_err(|error| unusable(&path, &error, "make it readable by you only"))?;
        let wrong = |error: KeyFileError| key_failure(&path, error);
        let file = KeyFile::parse(&bytes).map_err(wrong)?;
        let identity =
            if file.needs_passphrase() { unlock(&file, &path)? } else { file.open(None).map_err(wrong)? };
        Ok(Opened { identity, made: false, tightened })
    }

    fn first_identity(&self) -> Result<Opened, Failure> {
        let mut entropy = entropy()?;
        let identity = Identity::generate(&mut entropy.stream("identity"));
        let bytes = match passphrase_from_file()? {
            None => KeyFile::encode_plain(&identity),
            Some(passphrase) => {
                let mut stream = entropy.stream("key file");
                KeyFile::encode_sealed(&identity, &passphrase, PassphraseCost::DEFAULT, &mut stream)
                    .map_err(|error| key_failure(&self.key_file(), error))?
            }
        };
        match private::write_new(&self.key_file(), &bytes) {
            Ok(()) => Ok(Opened { identity, made: true, tightened: false }),
            // Another process was faster: its key counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.identity(),
            Err(error) => Err(unusable(&self.key_file(), &error, "no key was made")),
        }
    }
}

/// This process is the only one on its home while this lives.
#[derive(Debug)]
pub struct HomeLock {
    _locked: Locked,
    holder: PathBuf,
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        // A note for people; the lock itself goes with its file.
        let _ = fs::remove_file(&self.holder);
    }
}

/// An identity, and what happened on the way to it.
pub struct Opened {
    /// The identity.
    pub identity: Identity,
    /// It was made now.
    pub made: bool,
    /// Others could read the key file until now. The owner should be told.
    pub tightened: bool,
}

/// Randomness of the operating system.
pub fn entropy() -> Result<Entropy, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|error| {
        Failure::new(
            Exit::Fault,
            format!("the operating system gives no randomness ({error}); nothing was done"),
        )
    })?;
    Ok(Entropy::new(Seed::new(*seed)))
}

fn held(home: &Path, holder: &Path) -> Failure {
    let text = fs::read_to_string(holder).unwrap_or_default();
    let who = match text.trim().split_once(' ') {
        Some((pid, command)) => format!("`hither {}` (process {})", inert(command), inert(pid)),
        None => "another hither".to_owned(),
    };
    let home = inert(&home.to_string_lossy());
    Failure::new(
        Exit::Usage,
        format!(
            "{who} is using {home}; end it first, or take another home with --home DIR. Nothing was changed."
        ),
    )
}

fn unlock(file: &KeyFile, path: &Path) -> Result<Identity, Failure> {
    if let Some(passphrase) = passphrase_from_file()? {
        return file.open(Some(&passphrase)).map_err(|error| key_failure(path, error));
    }
    if !io::stdin().is_terminal() {
        let text = format!(
            "the key {} is under a passphrase, and there is no terminal to ask at: put it into a file that only you \
             can read and name that file in {PASSPHRASE_FILE}",
            inert(&path.to_string_lossy())
        );
        return Err(Failure::new(Exit::Usage, text));
    }
    let mut result = Err(KeyFileError::PassphraseNeeded);
    for _ in 0..TRIES {
        let typed = rpassword::prompt_password("Passphrase of your key: ")
            .map(Zeroizing::new)
            .map_err(|error| Failure::new(Exit::Usage, format!("no passphrase could be read: {error}")))?;
        result = file.open(Some(&typed));
        if !matches!(result, Err(KeyFileError::WrongPassphrase)) {
            break;
        }
    }
    result.map_err(|error| key_failure(path, error))
}

fn passphrase_from_file() -> Result<Option<Zeroizing<String>>, Failure> {
    let Some(path) = std::env::var_os(PASSPHRASE_FILE).filter(|path| !path.is_empty()).map(PathBuf::from)
    else {
        return Ok(None);
    };
    let bytes = private::read(&path)
        .map_err(|error| unusable(&path, &error, "it is named in HITHER_PASSPHRASE_FILE"))?;
    let line =
        std::str::from_utf8(&bytes).ok().and_then(|text| text.lines().next()).filter(|line| !line.is_empty());
    let line = line.ok_or_else(|| {
        let text = format!("{} has no passphrase in its first line", inert(&path.to_string_lossy()));
        Failure::new(Exit::Usage, text)
    })?;
    Ok(Some(Zeroizing::new(line.to_owned())))
}

fn key_failure(path: &Path, error: KeyFileError) -> Failure {
    Failure::new(Exit::Usage, format!("{}: {error}", inert(&path.to_string_lossy())))
}

fn unusable(path: &Path, error: &io::Error, next: &str) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem => {
            Exit::NotWritable
        }
        io::ErrorKind::PermissionDenied => Exit::NotWritable,
        _ => Exit::Usage,
    };
    Failure::new(exit, format!("{} cannot be used: {error}; {next}", inert(&path.to_string_lossy())))
}
