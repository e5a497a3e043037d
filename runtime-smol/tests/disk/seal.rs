use crate::common::*;

/// When links and directories were modified.
#[cfg(unix)]
const MODIFIED: i64 = 1_000_000_000_123;

/// Makes links and sets the times of directories.
#[cfg(unix)]
fn seal(
    disk: &Disk,
    into: &Path,
    links: &[(&str, &str)],
    directories: &[&str],
    overwrite: bool,
) -> Vec<Result<bool, StorageError>> {
    let links = (1..).zip(links).map(|(number, (at, target))| MakeLink {
        path: path(at),
        identity: FileIdentity([number; 16]),
        target: LinkTarget::parse(target).unwrap(),
        modified: MODIFIED,
    });
    let work = Work::Seal {
        transfer: TRANSFER,
        into: into.into(),
        links: links.collect(),
        directories: directories.iter().map(|name| (path(name), MODIFIED)).collect(),
        overwrite,
    };
    match disk.perform(work) {
        Done::Sealed(results) => results,
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
fn modified(path: &Path) -> SystemTime {
    fs::symlink_metadata(path).unwrap().modified().unwrap()
}

#[cfg(unix)]
fn expected() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(MODIFIED as u64)
}

#[cfg(unix)]
#[test]
fn links_are_made_found_and_replaced_but_never_followed() {
    use std::os::unix::fs::symlink;
    let (to, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(outside.path().join("victim"), "precious").unwrap();
    let disk = Disk::new();
    prepare(&disk, to.path(), &["d", "d/e"]).unwrap();
    put(&disk, to.path(), 0, "d/f", b"x").unwrap();
    let at = |name: &str| to.path().join(name);
    let held = |name: &str| fs::read_link(at(name)).unwrap();
    let links = [("d/l", "f"), ("d/e/up", "../f"), ("d/none", "nowhere/at/all"), ("d/here", ".")];
    for _ in 0..2 {
        assert_eq!(seal(&disk, to.path(), &links, &[], false), [Ok(true), Ok(true), Ok(true), Ok(true)]);
    }
    for (name, target) in links {
        assert_eq!(held(name), Path::new(target));
    }
    assert_eq!(modified(&at("d/l")), expected());
    assert_eq!(fs::read(at("d/e/up")).unwrap(), b"x");

    // What is in the way stays, or is replaced: itself, not what it leads to.
    symlink(outside.path().join("victim"), at("d/theirs")).unwrap();
    for name in ["d/theirs", "d/f", "d/e"] {
        assert_eq!(seal(&disk, to.path(), &[(name, "l")], &[], false), [Err(StorageError::Exists)]);
    }
    // Left over from before, under the name that a link waits under: gone, and not followed either.
    let waiting = at("d").join(partial_name(TRANSFER, FileIdentity([1; 16])));
    symlink(outside.path().join("victim"), &waiting).unwrap();
    assert_eq!(seal(&disk, to.path(), &[("d/theirs", "l")], &[], true), [Ok(true)]);
    assert_eq!(seal(&disk, to.path(), &[("d/f", "l")], &[], true), [Ok(true)]);
    assert_eq!(seal(&disk, to.path(), &[("d/e", "l")], &[], true), [Err(StorageError::Exists)]);
    assert_eq!([held("d/theirs"), held("d/f")], [Path::new("l"), Path::new("l")]);
    assert_eq!(names(&at("d")), ["e", "f", "here", "l", "none", "theirs"]);
    assert_eq!(fs::read(outside.path().join("victim")).unwrap(), b"precious");
}

#[cfg(unix)]
#[test]
fn no_link_is_made_through_a_link() {
    use std::os::unix::fs::symlink;
    let (to, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let disk = Disk::new();
    symlink(outside.path(), to.path().join("d")).unwrap();
    assert_eq!(seal(&disk, to.path(), &[("d/l", "x")], &["d"], true), [Err(StorageError::Exists)]);
    assert_eq!(names(outside.path()), [] as [&str; 0]);
    assert!(modified(to.path()) > expected() && modified(outside.path()) > expected());
}

/// What a sender without scruples could say; none of it gets as far as this disk.
#[test]
fn a_hostile_manifest_is_none() {
    let d = || directory("d");
    let manifest = |entries| Manifest::new("x".into(), entries).map(drop);
    for target in ["..", "../..", "../../../etc/passwd", "../d/../../x"] {
        match LinkTarget::parse(target) {
            Ok(_) => {
                assert_eq!(manifest(vec![d(), link("d/l", target)]), Err(BadManifest::Escape), "{target}")
            }
            Err(why) => assert_eq!(why, BadPath::Dots, "{target}"),
        }
    }
    assert_eq!(LinkTarget::parse("/etc/passwd"), Err(BadPath::Dots));
    // Through another link: what is behind a name goes on down only.
    assert_eq!(LinkTarget::parse("other/../../x"), Err(BadPath::Dots));
    for below in [file("d/l/f"), directory("d/l/e"), link("d/l/m", ".")] {
        assert_eq!(manifest(vec![d(), link("d/l", "."), below]), Err(BadManifest::Orphan));
    }
    assert_eq!(manifest(vec![link("l", "."), file("l/f")]), Err(BadManifest::Escape));
    // In two directories of one name, so to say: whichever comes second is refused.
    assert_eq!(manifest(vec![d(), link("d/l", "."), directory("d/l")]), Err(BadManifest::Duplicate));
}

/// Links through links resolve inside, whatever they are made of.
#[cfg(unix)]
#[test]
fn links_through_links_stay_inside() {
    let to = TempDir::new().unwrap();
    let outside = to.path().join("secret");
    fs::write(&outside, "secret").unwrap();
    let into = to.path().join("in");
    let disk = Disk::new();
    prepare(&disk, &into, &["top", "top/a", "top/a/b"]).unwrap();
    let links = [
        ("top/deep", "a/b"),
        ("top/a/b/up", "../.."),
        ("top/round", "deep/up/deep/up"),
        ("top/try", "round/secret"),
        ("top/again", "deep/up/secret"),
    ];
    let entries = [directory("top"), directory("top/a"), directory("top/a/b")].into_iter();
    let all = entries.chain(links.map(|(at, target)| link(at, target))).collect();
    assert!(Manifest::new("x".into(), all).is_ok());
    assert!(seal(&disk, &into, &links, &[], false).iter().all(|made| *made == Ok(true)));
    for name in ["top/try", "top/again"] {
        assert!(fs::read(into.join(name)).is_err(), "{name}");
    }
    assert_eq!(
        fs::canonicalize(into.join("top/round")).unwrap(),
        fs::canonicalize(into.join("top")).unwrap()
    );
}

#[cfg(unix)]
#[test]
fn directories_get_their_times_after_everything_in_them() {
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    let all = ["d", "d/e", "d/e/f", "d/empty"];
    prepare(&disk, to.path(), &all).unwrap();
    put(&disk, to.path(), 0, "d/e/f/x", b"x").unwrap();
    put(&disk, to.path(), 1, "d/y", b"y").unwrap();
    let links = [("d/e/l", "f"), ("d/l", "y")];
    assert_eq!(seal(&disk, to.path(), &links, &all, false), [Ok(true), Ok(true)]);
    for name in all {
        assert_eq!(modified(&to.path().join(name)), expected(), "{name}");
    }
    // Again, as when an interrupted transfer is gone on with.
    put(&Disk::new(), to.path(), 2, "d/e/z", b"z").unwrap();
    assert!(modified(&to.path().join("d/e")) > expected());
    seal(&Disk::new(), to.path(), &links, &all, false);
    assert_eq!(modified(&to.path().join("d/e")), expected());
    // One that is not there any more is no reason to fail.
    assert_eq!(seal(&disk, to.path(), &[], &["gone", "d/gone"], false), []);
}

#[cfg(unix)]
#[test]
fn a_link_that_is_there_as_it_is_is_not_in_the_way() {
    use std::os::unix::fs::symlink;
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join("d")).unwrap();
    symlink("x", to.path().join("d/same")).unwrap();
    symlink("y", to.path().join("d/other")).unwrap();
    fs::write(to.path().join("d/file"), "").unwrap();
    let entries =
        [directory("d"), link("d/same", "x"), link("d/other", "x"), link("d/file", "x"), link("d/new", "x")];
    assert_eq!(examine(to.path(), &entries).unwrap().existing, [2, 3]);
}

#[cfg(unix)]
#[test]
fn scans_list_links_where_they_are_asked_for() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let from = TempDir::new().unwrap();
    let top = from.path().join("top");
    fs::create_dir_all(top.join("sub")).unwrap();
    fs::write(top.join("file"), "x").unwrap();
    fs::write(from.path().join("secret"), "x").unwrap();
    for (at, target) in [
        ("a", "file"),
        ("b", "./sub//"),
        ("sub/up", "../file"),
        ("sub/all", ".."),
        ("dangling", "no/where"),
        ("abs", "/etc/passwd"),
        ("out", "../secret"),
        ("sub/out", "../../secret"),
        ("through", "b/../../secret"),
        ("line", "a\nb"),
    ] {
        symlink(target, top.join(at)).unwrap();
    }
    symlink(std::ffi::OsStr::from_bytes(b"\xff"), top.join("bytes")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
    let scanned = scan_links(&[&top]).unwrap();
    let links: Vec<_> = scanned
        .entries
        .iter()
        .filter_map(|entry| Some((entry.path.as_str(), entry.target()?.as_str())))
        .collect();
    assert_eq!(
        links,
        [
            ("top/a", "file"),
            ("top/b", "sub"),
            ("top/dangling", "no/where"),
            ("top/sub/all", ".."),
            ("top/sub/up", "../file")
        ]
    );
    let left: Vec<_> =
        scanned.left_out.iter().map(|path| path.strip_prefix(&top).unwrap().to_owned()).collect();
    assert_eq!(left, ["abs", "bytes", "line", "out", "socket", "sub/out", "through"].map(PathBuf::from));
    assert!(Manifest::new("x".into(), scanned.entries).is_ok(), "what a scan gives can be offered");

    // A path that is a link itself has nothing to lead to.
    let alias = from.path().join("alias");
    symlink("top", &alias).unwrap();
    assert!(matches!(scan_links(&[&alias]), Err(ScanError::OnlyALink(path)) if path == alias));
    let both = scan_links(&[&alias, &top]).unwrap();
    assert_eq!((both.entries[0].path.as_str(), &both.left_out[0]), ("top", &alias));
    assert_eq!(scan(&[&alias]).unwrap().entries[0].path.as_str(), "alias", "without links it is followed");
}

/// FAT knows no links: that is said, and the rest of the transfer stands.
#[cfg(target_os = "linux")]
#[test]
fn a_file_system_without_links_is_no_error() {
    let image = TempDir::new().unwrap();
    let image = image.path().join("fat");
    fs::File::create(&image).unwrap().set_len(4 * 1024 * 1024).unwrap();
    let made = std::process::Command::new("mkfs.vfat").arg(&image).output();
    if !made.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no mkfs.vfat");
        return;
    }
    let Some((place, _unmount)) = mounted(&["-o", "loop", image.to_str().unwrap()]) else { return };
    let disk = Disk::new();
    prepare(&disk, place.path(), &["d"]).unwrap();
    assert_eq!(seal(&disk, place.path(), &[("d/l", "x")], &["d"], false), [Ok(false)]);
    assert_eq!(names(&place.path().join("d")), [] as [&str; 0]);
}

/// Names that differ only in case, or only in how their letters are composed, are two names where the disk tells
/// them apart; where it does not, the second is a name that is taken, and nothing is lost silently.
#[test]
fn names_that_differ_little_both_arrive_or_the_second_is_refused() {
    for (one, other) in
        [("readme", "README"), ("\u{e9}t\u{e9}", "e\u{301}te\u{301}"), ("stra\u{df}e", "STRASSE")]
    {
        let to = TempDir::new().unwrap();
        let disk = Disk::new();
        prepare(&disk, to.path(), &[]).unwrap();
        assert_eq!(put(&disk, to.path(), 0, one, b"first"), Ok(()));
        let second = put(&disk, to.path(), 1, other, b"second");
        assert_eq!(fs::read(to.path().join(one)).unwrap(), b"first");
        match second {
            Ok(()) => assert_eq!(fs::read(to.path().join(other)).unwrap(), b"second"),
            Err(error) => assert_eq!(error, StorageError::Exists),
        }
        assert!(!cfg!(target_os = "linux") || names(to.path()).len() == 2, "{:?}", names(to.path()));
    }
}

/// Names that Windows cannot hold are names like others here; too long a name is none anywhere.
#[cfg(target_os = "linux")]
#[test]
fn names_that_are_hard_for_windows_arrive_as_they_are() {
    let hard = ["CON", "nul.txt", "a:b", "dot.", "space ", "what?*", "com1", "<pipe|>", "\"quoted\""];
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    prepare(&disk, to.path(), &[]).unwrap();
    for (number, name) in (0..).zip(hard) {
        assert_eq!(put(&disk, to.path(), number, name, name.as_bytes()), Ok(()));
        assert_eq!(fs::read(to.path().join(name)).unwrap(), name.as_bytes());
    }
    let mut sorted = hard;
    sorted.sort_unstable();
    assert_eq!(names(to.path()), sorted);
    assert_eq!(RelativePath::new(["x".repeat(256).as_str()]), Err(BadPath::TooLong));
    let longest = "x".repeat(255);
    assert_eq!(put(&disk, to.path(), 20, &longest, b"x"), Ok(()));
}
