use std::path::Path;

use hither_protocol::storage::Examined;
use hither_protocol::transfer::{Entry, EntryKind, Manifest, RelativePath};

use super::{existing, files, lines, suspicious};

fn manifest(entries: &[(&str, Option<u64>)]) -> Manifest {
    let entries = entries.iter().map(|(path, bytes)| Entry {
        path: RelativePath::new(path.split('/')).unwrap(),
        kind: bytes.map_or(EntryKind::Directory, EntryKind::File),
        modified: 0,
        executable: false,
    });
    Manifest::new("it".into(), entries.collect()).unwrap()
}

fn examined(existing: Vec<u32>) -> Examined {
    Examined { free: 5_000_000_000, existing, alternatives: Vec::new() }
}

#[test]
fn names_that_deceive_are_marked() {
    for name in ["a\u{202e}gpj.exe", "a\u{200b}b", "zero\u{feff}"] {
        assert_eq!(suspicious(name), Some("invisible or reordering characters in the name"), "{name:?}");
    }
    assert_eq!(suspicious("d/.bashrc"), Some("hidden"));
    assert_eq!(suspicious(".ssh/config"), Some("hidden"));
    assert_eq!(suspicious("photo.jpg.exe"), Some("a program that looks like a document"));
    assert_eq!(suspicious("Setup.EXE"), Some("a program"));
    assert!(suspicious("photo.jpg      .exe").is_some());
    assert!(suspicious("report.pdf ").is_some());
    for name in ["photo.jpg", "a b.txt", "exe", "d/e/f", "archive.tar.gz", "über.txt"] {
        assert_eq!(suspicious(name), None, "{name}");
    }
}

#[test]
fn an_offer_shows_names_sizes_total_and_space() {
    let offer = manifest(&[("d", None), ("d/a", Some(1500)), ("d/\u{202e}b", Some(1))]);
    assert_eq!(files(&offer), 2);
    let shown = lines(&offer, Some(&examined(vec![])), Path::new("/tmp/\u{1b}x"));
    assert_eq!(
        shown,
        [
            r"    d/\u{202e}b  1 B  (!) invisible or reordering characters in the name",
            "    d/  folder",
            "    d/a  1.5 kB",
            r"    1.5 kB in all, into /tmp/\u{1b}x (5.0 GB free)",
        ]
    );
}

#[test]
fn a_long_offer_is_counted_and_its_odd_names_are_not_lost() {
    let names: Vec<String> = (0..30).map(|i| format!("f{i:02}")).collect();
    let mut entries: Vec<(&str, Option<u64>)> = names.iter().map(|name| (name.as_str(), Some(1))).collect();
    entries.push(("z.exe", Some(1)));
    let offer = manifest(&entries);
    let shown = lines(&offer, None, Path::new("."));
    assert_eq!(shown.len(), 11);
    assert!(shown[0].contains("z.exe"));
    assert_eq!(shown[10], "    and 21 more");
    assert_eq!(existing(&offer, &examined((0..12).collect())).last().unwrap(), "    and 2 names more");
    assert_eq!(existing(&offer, &examined(vec![1])), ["    exists here: f01"]);
}
