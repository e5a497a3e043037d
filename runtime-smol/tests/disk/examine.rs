use crate::common::*;

#[test]
fn an_offer_is_examined_without_writing() {
    let to = TempDir::new().unwrap();
    let into = to.path().join("into");
    let offer = [
        directory("photos"),
        file("photos/a.jpg"),
        file("photos/b.jpg"),
        directory("photos/deep"),
        file("photos/deep/c"),
        directory("blocked"),
        file("blocked/d"),
        file("report.tar.pdf"),
        file(".hidden"),
        file("free"),
    ];
    let nothing = examine(&into, &offer).unwrap();
    assert_eq!((nothing.existing, nothing.alternatives), (vec![], vec![]));
    assert!(nothing.free > 0);
    assert!(!into.exists(), "looking makes nothing");

    fs::create_dir_all(into.join("photos/deep")).unwrap();
    fs::create_dir(into.join("photos (1)")).unwrap();
    for name in ["photos/b.jpg", "photos/deep/c", "blocked", "report.tar.pdf", ".hidden"] {
        fs::write(into.join(name), "x").unwrap();
    }
    let found = examine(&into, &offer).unwrap();
    assert_eq!(found.existing, [2, 4, 6, 7, 8], "what is below a file cannot be put there either");
    let alternatives: Vec<(&str, &str)> =
        found.alternatives.iter().map(|(name, other)| (name.as_str(), other.as_str())).collect();
    let expected = [
        ("photos", "photos (2)"),
        ("blocked", "blocked (1)"),
        ("report.tar.pdf", "report.tar (1).pdf"),
        (".hidden", ".hidden (1)"),
    ];
    assert_eq!(alternatives, expected);

    // Neither another name of the offer, nor one that is too long.
    let long = "é".repeat(126) + ".md";
    fs::write(into.join(&long), "x").unwrap();
    fs::write(into.join("free"), "x").unwrap();
    let found = examine(&into, &[file("free"), file("free (1)"), file(&long)]).unwrap();
    assert_eq!(found.alternatives[0], ("free".into(), "free (2)".into()));
    assert_eq!(found.alternatives[1].1, "é".repeat(124) + " (1).md");
    assert!(RelativePath::new([found.alternatives[1].1.as_str()]).is_ok());
    let file_as_folder = examine(&into.join("blocked"), &offer);
    assert_eq!(file_as_folder, Err(StorageError::Denied));
}

#[cfg(unix)]
#[test]
fn links_count_as_taken_and_are_not_followed() {
    let (outside, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(outside.path().join("a"), "x").unwrap();
    std::os::unix::fs::symlink(outside.path(), to.path().join("top")).unwrap();
    let found = examine(to.path(), &[directory("top"), file("top/a"), file("top/b")]).unwrap();
    assert_eq!(found.existing, [1, 2]);
    assert_eq!(found.alternatives, [("top".to_owned(), "top (1)".to_owned())]);
}
