//! How fast the disk stores what a transfer brings, beside a plain rsync daemon's receiver on the same disk:
//! `cargo run -p hither-runtime-smol --example disk_speed -- FOLDER [THREADS [RUNS [small|big]]]`.
//!
//! Files come from memory and are asked for as a node would: 64 small chunks or 512 KiB to a write, 512 files or
//! 64 MiB to be put in place together, a checkpoint every 32 MiB. Runs alternate; medians are printed, and what the others take as a ratio.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hither_protocol::identity::{Identity, PeerId};
use hither_protocol::storage::{Done, FinishFile, PartialFile, ReadChunk, Work, WriteChunk};
use hither_protocol::transfer::hash::{CHUNK, ChunkValue, Root, chunk_count, chunk_length, chunk_value};
use hither_protocol::transfer::journal::StoredChunk;
use hither_protocol::transfer::{Entry, EntryKind, RelativePath, TransferId};
use hither_runtime_smol::disk::Disk;

const TRANSFER: TransferId = TransferId([7; 16]);
const MODIFIED: i64 = 1_000_000_000_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        return eprintln!("usage: disk_speed FOLDER [THREADS [RUNS [small|big]]]");
    };
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse()).expect("a number");
    let (threads, runs) = (number(3), number(5));
    let only = arguments.next();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    let mut small: Vec<_> =
        (0..10_000).map(|number| (format!("top/d{}/f{number}", number % 100), 4096)).collect();
    // In the order of a scan.
    small.sort();
    if wanted("small") {
        case("10,000 files of 4 KiB", &folder, (threads, runs), &small);
    }
    if wanted("big") {
        case("1 file of 1 GiB", &folder, (threads, runs), &[("top/big".into(), 1 << 30)]);
    }
}

/// What is in every file, and its chunks' values.
type Content = (Bytes, Vec<ChunkValue>);

fn case(name: &str, folder: &Path, (threads, runs): (usize, usize), files: &[(String, u64)]) {
    let size = files[0].1;
    let data: Bytes = content(size).into();
    let value = |index| {
        let offset = index * CHUNK;
        let length = u64::from(chunk_length(size, offset).expect("a chunk"));
        chunk_value(size, offset, &data[offset as usize..(offset + length) as usize])
    };
    let values = (0..chunk_count(size)).map(value).collect();
    let source = tempfile::TempDir::new_in("/dev/shm").expect("memory for the source");
    for (path, _) in files {
        let at = source.path().join(path);
        fs::create_dir_all(at.parent().expect("below the top")).expect("a directory");
        fs::write(at, &data).expect("a source");
    }
    let content: Content = (data, values);
    let rsync = Rsync::start(folder);
    let mut rows: Vec<(&str, Vec<Duration>)> = Vec::new();
    let mut used = 0;
    let mut row = |name, run: &mut dyn FnMut(&Path)| {
        let into = folder.join("into");
        fs::create_dir_all(&into).expect("the folder");
        sync();
        let begun = Instant::now();
        run(&into);
        let took = begun.elapsed();
        eprintln!("{name}: {} ms", took.as_millis());
        match rows.iter_mut().find(|(of, _)| *of == name) {
            Some((_, all)) => all.push(took),
            None => rows.push((name, vec![took])),
        }
        sync();
        // Removed at the end: ext4 is slow to make files where others were removed some minutes ago.
        used += 1;
        fs::rename(&into, folder.join(format!("used{used}"))).expect("another name");
    };
    for _ in 0..runs {
        row("hither, journal", &mut |into| receive(into, threads, files, &content, true));
        row("hither, no journal", &mut |into| receive(into, threads, files, &content, false));
        if let Some(rsync) = &rsync {
            row("rsync daemon", &mut |_| rsync.send(source.path()));
            row("rsync daemon and sync", &mut |_| {
                rsync.send(source.path());
                sync();
            });
        }
        row("reading", &mut |_| read(source.path(), threads));
    }
    for used in 1..=used {
        fs::remove_dir_all(folder.join(format!("used{used}"))).expect("what was made");
    }
    println!("{name}, {threads} threads:");
    let medians: Vec<_> = rows.into_iter().map(|(name, times)| (name, median(times))).collect();
    for (name, time) in &medians {
        let ratio = time.as_secs_f64() / medians[0].1.as_secs_f64();
        println!("  {name:22} {:7.0} ms  {ratio:.2}", time.as_secs_f64() * 1000.0);
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn content(size: u64) -> Vec<u8> {
    (0..size).map(|at| (at ^ (at >> 8) ^ (at >> 17)) as u8).collect()
}

fn sync() {
    let _ = Command::new("sync").status();
}

/// A transfer that is received as a node would.
struct Transfer<'a> {
    files: &'a [(String, u64)],
    targets: Vec<PartialFile>,
    into: Arc<PathBuf>,
    data: Bytes,
    /// The peer says them.
    values: &'a [ChunkValue],
    journal: bool,
    /// The next chunk to write: file, number.
    next: (usize, u64),
    /// Chunks that each file lacks.
    left: Vec<u64>,
    unnoted: Vec<StoredChunk>,
    noting: bool,
    whole: Vec<usize>,
    placed: usize,
    writing: usize,
}

/// What was asked, to be told from its result.
enum Asked {
    Write(Vec<(usize, StoredChunk)>),
    Checkpoint,
    Finish(usize),
}

fn receive(into: &Path, threads: usize, files: &[(String, u64)], content: &Content, journal: bool) {
    let mut transfer = Transfer::new(into, files, content, journal);
    let disk = Arc::new(Disk::new());
    assert!(matches!(disk.perform(transfer.prepare()), Done::Prepared(Ok(_))));
    let (work, queue) = channel::<(Asked, Work)>();
    let (results, done) = channel();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..threads {
        let (queue, results, disk) = (queue.clone(), results.clone(), disk.clone());
        std::thread::spawn(move || {
            loop {
                let Ok((asked, work)) = queue.lock().expect("no panic").recv() else { return };
                let _ = results.send((asked, disk.perform(work)));
            }
        });
    }
    while transfer.placed < files.len() || transfer.noting {
        while let Some(next) = transfer.next_work() {
            work.send(next).expect("threads");
        }
        let (asked, result) = done.recv().expect("threads");
        transfer.take(asked, result);
    }
    disk.perform(Work::Close { transfer: TRANSFER, into: into.into(), complete: true });
}

impl<'a> Transfer<'a> {
    fn new(into: &Path, files: &'a [(String, u64)], (data, values): &'a Content, journal: bool) -> Self {
        let targets = (0..).zip(files).map(|(file, (name, size))| {
            let (path, kind) = (path(name), EntryKind::File(*size));
            let entry = Entry { path, kind, modified: MODIFIED, executable: false };
            PartialFile { file, identity: entry.identity(), path: entry.path }
        });
        Self {
            files,
            targets: targets.collect(),
            into: Arc::new(into.into()),
            data: data.clone(),
            values,
            journal,
            next: (0, 0),
            left: files.iter().map(|(_, size)| chunk_count(*size)).collect(),
            unnoted: Vec::new(),
            noting: false,
            whole: Vec::new(),
            placed: 0,
            writing: 0,
        }
    }

    fn prepare(&self) -> Work {
        let above =
            |(name, _): &(String, u64)| std::iter::successors(path(name).parent(), RelativePath::parent);
        let mut directories: Vec<_> = self.files.iter().flat_map(above).collect();
        directories.sort();
        directories.dedup();
        let (into, journal) = (self.into.to_path_buf(), self.journal);
        Work::Prepare { transfer: TRANSFER, sender: sender(), into, directories, journal }
    }

    fn next_work(&mut self) -> Option<(Asked, Work)> {
        let all = self.left.iter().all(|left| *left == 0);
        let bytes: u64 = self.whole.iter().map(|file| self.files[*file].1).sum();
        if !self.whole.is_empty() && (all || self.whole.len() >= 512 || bytes >= 64 << 20) {
            let whole = std::mem::take(&mut self.whole);
            return Some((Asked::Finish(whole.len()), self.finish(whole)));
        }
        if self.journal && !self.noting && !all && self.unnoted.len() as u64 * CHUNK >= 32 << 20 {
            self.noting = true;
            let chunks = std::mem::take(&mut self.unnoted);
            let of = |target: &&PartialFile| chunks.iter().any(|chunk| chunk.file == target.identity);
            let files = self.targets.iter().filter(of).cloned().collect();
            let into = self.into.clone();
            return Some((Asked::Checkpoint, Work::Checkpoint { transfer: TRANSFER, into, files, chunks }));
        }
        if self.writing >= 32 {
            return None;
        }
        let mut chunks = Vec::new();
        let mut bytes = 0;
        while chunks.len() < 64 && bytes < 512 * 1024 {
            let Some(chunk) = self.next_chunk() else { break };
            bytes += chunk.data.len();
            chunks.push(chunk);
        }
        if chunks.is_empty() {
            return None;
        }
        self.writing += 1;
        let stored = chunks.iter().map(|chunk| {
            let (file, index) = (chunk.target.identity, chunk.offset / CHUNK);
            (chunk.target.file as usize, StoredChunk { file, index, value: chunk.expected })
        });
        Some((Asked::Write(stored.collect()), Work::Write(chunks)))
    }

    fn next_chunk(&mut self) -> Option<WriteChunk> {
        let (file, index) = self.next;
        let size = self.files.get(file)?.1;
        self.next = if index + 1 < chunk_count(size) { (file, index + 1) } else { (file + 1, 0) };
        let offset = index * CHUNK;
        let length = chunk_length(size, offset)? as usize;
        let data = self.data.slice(offset as usize..offset as usize + length);
        let expected = self.values[index as usize];
        let (transfer, into, target) = (TRANSFER, self.into.clone(), self.targets[file].clone());
        Some(WriteChunk { transfer, into, target, size, offset, data, expected })
    }

    fn finish(&self, files: Vec<usize>) -> Work {
        let files = files.into_iter().map(|file| FinishFile {
            transfer: TRANSFER,
            into: self.into.clone(),
            target: self.targets[file].clone(),
            root: Root([0; 32]),
            modified: MODIFIED,
            executable: false,
            overwrite: false,
        });
        Work::Finish(files.collect())
    }

    fn take(&mut self, asked: Asked, done: Done) {
        match (asked, done) {
            (Asked::Write(chunks), Done::Written(results)) => {
                assert!(results.iter().all(Result::is_ok), "{results:?}");
                self.writing -= 1;
                for (file, chunk) in chunks {
                    self.left[file] -= 1;
                    if self.left[file] == 0 {
                        self.whole.push(file);
                    }
                    if self.files[file].1 > CHUNK {
                        self.unnoted.push(chunk);
                    }
                }
            }
            (Asked::Checkpoint, Done::Checkpointed(Ok(()))) => self.noting = false,
            (Asked::Finish(count), Done::Finished(results)) => {
                assert!(results.iter().all(Result::is_ok), "{results:?}");
                self.placed += count;
            }
            (_, other) => panic!("{other:?}"),
        }
    }
}

/// Everything below a directory, as a node reads it to send it.
fn read(source: &Path, threads: usize) {
    let disk = Disk::new();
    let Done::Scanned(Ok(scanned)) =
        disk.perform(Work::Scan { paths: vec![source.join("top")], links: false })
    else {
        panic!("no scan")
    };
    let mut work = Vec::new();
    for ((file, entry), source) in (0..).zip(&scanned.entries).zip(&scanned.sources) {
        let source = Arc::new(source.clone());
        let chunks = (0..chunk_count(entry.size())).map(|index| ReadChunk {
            transfer: TRANSFER,
            file,
            source: source.clone(),
            size: entry.size(),
            modified: entry.modified,
            offset: index * CHUNK,
            length: chunk_length(entry.size(), index * CHUNK).unwrap_or_default(),
        });
        work.extend(chunks.filter(|_| entry.is_file()));
    }
    let batches = Mutex::new(work.chunks(4).map(<[_]>::to_vec));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(batch) = batches.lock().expect("no panic").next() else { return };
                    let Done::Read(results) = disk.perform(Work::Read(batch)) else { return };
                    assert!(results.iter().all(Result::is_ok));
                }
            });
        }
    });
}

fn path(text: &str) -> RelativePath {
    RelativePath::new(text.split('/')).expect("a path")
}

fn sender() -> PeerId {
    let secrets = (0..=u8::MAX).map(|byte| [byte; 32]);
    secrets.into_iter().find_map(|secret| Identity::from_secret(&secret).ok()).expect("a key").peer_id()
}

/// An rsync daemon on loopback that writes into the folder.
struct Rsync {
    daemon: Child,
    port: u16,
    _place: tempfile::TempDir,
}

impl Rsync {
    /// `None` where there is no rsync.
    fn start(folder: &Path) -> Option<Self> {
        let place = tempfile::TempDir::new().expect("a place");
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port").port();
        let configuration = place.path().join("rsyncd.conf");
        let user = if is_root() { "uid = root\ngid = root\n" } else { "" };
        let into = folder.join("into");
        let text = format!(
            "use chroot = no\n{user}address = 127.0.0.1\nport = {port}\n[into]\npath = {}\nread only = no\n",
            into.display()
        );
        fs::write(&configuration, text).expect("a configuration");
        let daemon = Command::new("rsync")
            .args(["--daemon", "--no-detach", "--config"])
            .arg(&configuration)
            .stdin(std::process::Stdio::null())
            .spawn();
        let Ok(daemon) = daemon else {
            println!("skipped: no rsync");
            return None;
        };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { daemon, port, _place: place })
    }

    fn send(&self, source: &Path) {
        let to = format!("rsync://127.0.0.1:{}/into/", self.port);
        let sent = Command::new("rsync").args(["-rtW"]).arg(source.join("top")).arg(to).status();
        assert!(sent.expect("rsync").success());
    }
}

/// Whether the daemon would become somebody else.
fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    false
}

impl Drop for Rsync {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
