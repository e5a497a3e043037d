use proptest::prelude::*;

use crate::transfer::{
    Entry, EntryKind, MAX_COMPONENT, Manifest, RelativePath, safe_name, safe_names, windows_reinterprets,
};

fn manifest(paths: &[String]) -> Option<Manifest> {
    let entries = paths.iter().map(|path| {
        let kind = EntryKind::Directory;
        let path = RelativePath::new(path.split('/')).ok()?;
        Some(Entry { path, kind, modified: 0, executable: false })
    });
    Manifest::new("x".into(), entries.collect::<Option<_>>()?).ok()
}

fn here(paths: &[&str]) -> Vec<String> {
    let manifest = manifest(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()).unwrap();
    let places = safe_names(&manifest);
    manifest.entries().iter().map(|entry| places.of(&entry.path).as_str().to_owned()).collect()
}

#[test]
fn plain_names_stay_and_others_are_told_apart() {
    assert_eq!(here(&["a", "a/b.txt", "ünï"]), ["a", "a/b.txt", "ünï"]);
    let hard = here(&["CON", "con", "a:b.txt", "a_b.txt", "dot.", "dot", "space ", "nul.tar.gz", "x?"]);
    for name in &hard {
        assert!(!windows_reinterprets(name), "{name}");
    }
    assert!(hard[2].starts_with("a_b~") && hard[2].ends_with(".txt"), "{}", hard[2]);
    assert_eq!((hard[3].as_str(), hard[5].as_str()), ("a_b.txt", "dot"));
    let cased = here(&["Readme", "README", "readme", "d", "d/X", "d/x", "e", "e/X"]);
    assert_eq!((cased[0].as_str(), cased[4].as_str(), cased[7].as_str()), ("Readme", "d/X", "e/X"));
    assert!(
        cased[1].starts_with("README~") && cased[2].starts_with("readme~") && cased[5].starts_with("d/x~")
    );
}

#[test]
fn what_is_below_a_renamed_directory_goes_with_it() {
    let moved = here(&["aux", "aux/b", "aux/b/c:d"]);
    let (top, last) = (moved[0].as_str(), moved[2].as_str());
    assert_eq!(moved[1], format!("{top}/b"));
    assert!(last.starts_with(&format!("{top}/b/c_d~")), "{last}");
}

#[test]
fn a_name_that_looks_like_a_safe_one_does_not_collide_with_it() {
    let safe = safe_name("CON", 0);
    let both = here(&[safe.as_str(), "CON"]);
    assert_eq!((both[0] == safe, both[1] != safe), (true, true));
}

#[test]
fn names_that_windows_takes_for_others() {
    for name in [
        "CON", "con.txt", "nul", "NUL .x", "com1", "LPT9.log", "com¹", "CONOUT$", "a:b", "end.", "end ",
        "what?", "a*b", "a|b", "<a", "a>", "a\"b",
    ] {
        assert!(windows_reinterprets(name), "{name:?}");
    }
    for name in ["console", "com", "com10", "comX", "a.con", ".hidden", "nul1", "a b", "ünï.txt", "LPT"] {
        assert!(!windows_reinterprets(name), "{name:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_safe_names_are_one_and_all_are_safe(
        names in prop::collection::vec("([a-bA-B:. ]{1,4}|(?i)(con|nul|com1)(\\.[ab])?|[ß-ü]{100,127})", 1..12),
    ) {
        let Some(manifest) = manifest(&names) else { return Ok(()) };
        let places = safe_names(&manifest);
        let mut seen = std::collections::BTreeSet::new();
        for entry in manifest.entries() {
            let here = places.of(&entry.path);
            prop_assert!(!windows_reinterprets(here.name()), "{here:?}");
            prop_assert!(here.name().len() <= MAX_COMPONENT);
            prop_assert!(seen.insert(here.name().to_lowercase()), "{here:?}");
        }
    }
}
