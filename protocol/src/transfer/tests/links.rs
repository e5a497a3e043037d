use proptest::prelude::*;

use super::{ID, receiver};
use crate::storage::{MakeLink, StorageError, Work};
use crate::transfer::hash::collection_root;
use crate::transfer::receiver::WriteFailure;
use crate::transfer::{
    BadManifest, BadPath, Entry, EntryKind, LinkTarget, MAX_TARGET, Manifest, RelativePath,
};
use crate::wire::EntrySet;

fn path(text: &str) -> RelativePath {
    RelativePath::new(text.split('/')).unwrap()
}

fn entry(at: &str, kind: EntryKind) -> Entry {
    Entry { path: path(at), kind, modified: 7, executable: false }
}

fn link(at: &str, target: &str) -> Entry {
    entry(at, EntryKind::Link(LinkTarget::parse(target).unwrap()))
}

fn directory(at: &str) -> Entry {
    entry(at, EntryKind::Directory)
}

fn manifest(entries: Vec<Entry>) -> Result<Manifest, BadManifest> {
    Manifest::new("x".into(), entries)
}

#[test]
fn a_target_comes_in_its_shortest_form() {
    for (held, short) in [
        ("a", "a"),
        ("./a//b/", "a/b"),
        ("../../x", "../../x"),
        (".", "."),
        ("./", "."),
        ("..", ".."),
        ("./../y", "../y"),
    ] {
        let target = LinkTarget::parse(held).unwrap();
        assert_eq!(target.as_str(), short);
        assert_eq!(LinkTarget::parse(short), Ok(target.clone()));
        assert_eq!(LinkTarget::new(target.up(), target.names()), Ok(target));
    }
}

#[test]
fn a_target_that_could_lead_anywhere_is_none() {
    let long = vec!["x".repeat(255); 17].join("/");
    let deep = vec![".."; 129].join("/");
    let cases = [
        ("", BadPath::Empty),
        ("/etc/passwd", BadPath::Dots),
        ("a/../../b", BadPath::Dots),
        ("a/..", BadPath::Dots),
        ("a\0b", BadPath::Control),
        ("a\nb", BadPath::Control),
        ("..\\..\\b", BadPath::Separator),
        (".hither-1.journal", BadPath::Reserved),
        (long.as_str(), BadPath::TooLong),
        (deep.as_str(), BadPath::TooDeep),
    ];
    for (held, why) in cases {
        assert_eq!(LinkTarget::parse(held), Err(why), "{held:?}");
    }
    assert!(LinkTarget::parse(long.get(..MAX_TARGET).unwrap()).is_ok());
    for name in ["..", ".", "", "a/b"] {
        assert!(LinkTarget::new(0, [name]).is_err(), "{name:?}");
    }
}

#[test]
fn a_link_stays_inside_its_outermost_entry() {
    let leads = |at: &str, target: &str| {
        LinkTarget::parse(target).unwrap().leads(&path(at)).map(|path| path.as_str().to_owned())
    };
    assert_eq!(leads("top/a/l", "../b"), Some("top/b".into()));
    assert_eq!(leads("top/a/l", ".."), Some("top".into()));
    assert_eq!(leads("top/l", "."), Some("top".into()));
    assert_eq!(leads("top/l", "a/b"), Some("top/a/b".into()));
    for (at, target) in [("top/l", ".."), ("top/l", "../top/a"), ("top/a/l", "../.."), ("l", "a"), ("l", ".")]
    {
        assert_eq!(leads(at, target), None, "{at} {target}");
    }
}

#[test]
fn a_manifest_takes_no_link_that_leads_out_and_nothing_below_a_link() {
    assert!(
        manifest(vec![directory("d"), link("d/l", "x"), directory("d/e"), link("d/e/l", "../x")]).is_ok()
    );
    assert_eq!(manifest(vec![directory("d"), link("d/l", "..")]), Err(BadManifest::Escape));
    assert_eq!(manifest(vec![directory("d"), link("d/l", "../../etc")]), Err(BadManifest::Escape));
    assert_eq!(manifest(vec![link("l", "x")]), Err(BadManifest::Escape));
    let file = entry("d/l/f", EntryKind::File(1));
    assert_eq!(
        manifest(vec![directory("d"), directory("d/x"), link("d/l", "x"), file]),
        Err(BadManifest::Orphan)
    );
    let twice = vec![directory("d"), link("d/l", "x"), directory("d/l")];
    assert_eq!(manifest(twice), Err(BadManifest::Duplicate));
}

#[test]
fn digest_identity_and_root_tell_kinds_and_targets_apart() {
    let with = |kind| manifest(vec![directory("d"), entry("d/x", kind)]).unwrap();
    let target = |text| EntryKind::Link(LinkTarget::parse(text).unwrap());
    let all = [EntryKind::Directory, EntryKind::File(0), target("a"), target("b")].map(with);
    let roots = Default::default();
    for (number, one) in all.iter().enumerate() {
        for other in &all[..number] {
            assert_ne!(one.digest(), other.digest());
            assert_ne!(one.entries()[1].identity(), other.entries()[1].identity());
            assert_ne!(collection_root(one, &roots), collection_root(other, &roots));
        }
    }
}

#[test]
fn links_are_made_once_everything_is_in_place_and_those_that_are_kept_are_not() {
    let entries = vec![directory("d"), link("d/a", "x"), link("d/b", "x"), directory("d/e")];
    let manifest = std::sync::Arc::new(manifest(entries).unwrap());
    let mut skip = EntrySet::default();
    skip.insert(1);
    let mut receiver = receiver(&manifest, skip);
    assert_eq!(receiver.root(), Some(collection_root(&manifest, &Default::default())));
    let Some(Work::Seal { transfer, links, directories, overwrite, .. }) = receiver.next_seal() else {
        panic!()
    };
    let [MakeLink { path: at, target, modified: 7, .. }] = links.as_slice() else { panic!("{links:?}") };
    assert_eq!((transfer, at.as_str(), target.as_str(), overwrite), (ID, "d/b", "x", false));
    assert_eq!(directories, [(path("d"), 7), (path("d/e"), 7)]);
    assert!(receiver.next_seal().is_none(), "once");
    assert_eq!(receiver.handle_sealed(vec![Ok(true)]), Ok(vec![]));
    assert_eq!(receiver.handle_sealed(vec![Ok(false)]), Ok(vec!["/in/d/b".into()]));
    assert_eq!(receiver.handle_sealed(vec![Err(StorageError::Exists)]), Err(WriteFailure::Exists));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Follows every link as a kernel would, from its physical folder, through whatever other links there are.
    #[test]
    fn no_way_through_any_links_leads_out(
        links in prop::collection::vec(("[ab](/[ab]){1,3}", "(\\.\\./){0,3}[ab.](/[ab]){0,3}"), 1..8),
        walk in prop::collection::vec(prop::sample::select(vec!["a", "b", ".."]), 0..12),
    ) {
        let mut entries = Vec::new();
        for top in ["a", "b"] {
            for at in [top.to_owned(), format!("{top}/a"), format!("{top}/a/b")] {
                entries.push(directory(&at));
            }
        }
        for (at, target) in &links {
            let Ok(target) = LinkTarget::parse(target) else { continue };
            let mut more = entries.clone();
            more.push(entry(at, EntryKind::Link(target)));
            if manifest(more.clone()).is_ok() {
                entries = more;
            }
        }
        let held: std::collections::BTreeMap<String, LinkTarget> = entries.iter()
            .filter_map(|entry| Some((entry.path.as_str().to_owned(), entry.target()?.clone())))
            .collect();
        // `..` of the walker's own may go up, but never above where it has been let in: only links are tested.
        let (mut at, mut steps) = (vec!["a".to_owned()], 0);
        for step in walk {
            let mut rest: Vec<String> = vec![step.to_owned()];
            while let Some(part) = rest.pop() {
                steps += 1;
                if steps > 200 {
                    return Ok(());
                }
                match part.as_str() {
                    "." => {}
                    ".." => drop(at.pop()),
                    name => {
                        at.push(name.to_owned());
                        if let Some(target) = held.get(&at.join("/")) {
                            at.pop();
                            let parts = target.as_str().split('/').rev().map(str::to_owned);
                            rest.extend(parts);
                        }
                    }
                }
                // The link's own parts may never empty it.
                prop_assert!(!at.is_empty() || part == step, "left through a link");
            }
            if at.is_empty() {
                at.push("a".to_owned());
            }
        }
    }
}
