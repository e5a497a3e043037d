//! What keys do to a line.

use super::{Editor, Key};

fn typed(keys: &str) -> Editor {
    let mut editor = Editor::new("> ");
    for byte in keys.bytes() {
        assert!(matches!(editor.key(byte), Key::Draw(_)), "{keys:?}");
    }
    editor
}

fn line(keys: &str) -> String {
    match typed(keys).key(b'\r') {
        Key::Line(line) => line,
        other => panic!("{keys:?}: {other:?}"),
    }
}

#[test]
fn keys_make_a_line() {
    assert_eq!(line("abandon-zoo zebra"), "abandon-zoo zebra");
    assert_eq!(line("abx\x7f\x08andon"), "aandon");
    assert_eq!(line("abandon zoo\x17zebra"), "abandon zebra");
    assert_eq!(line("abandon zoo \x17"), "abandon ");
    assert_eq!(line("abandon\x15zoo"), "zoo");
    // Arrows and other keys do nothing, and leave nothing behind.
    assert_eq!(line("zo\x1b[D\x1bOA\x1b[3~o\u{e4}1"), "zoo");
    assert_eq!(line(&"a".repeat(1000)).len(), 128);
    assert_eq!(typed("").key(4), Key::End);
    assert_eq!(typed("a").key(4), Key::Draw("\x07".to_owned()));
    assert_eq!(typed("zo").draw(), "\r\x1b[K> zo");
}

#[test]
fn tab_completes_words() {
    assert_eq!(line("aban\t"), "abandon-");
    assert_eq!(line("aban\tzeb\tzoo"), "abandon-zebra-zoo");
    assert_eq!(line("zoo zoo zoo zoo zoo zoo zoo zeb\t"), "zoo zoo zoo zoo zoo zoo zoo zebra");
    // As far as the letters decide.
    assert_eq!(line("abs\t"), "abs");
    assert_eq!(line("ze\t"), "ze");
    assert_eq!(line("acro\t"), "across-");
    for keys in ["\t", "qx\t", "abandon-\t"] {
        assert_eq!(typed(&keys[..keys.len() - 1]).key(b'\t'), Key::Draw("\x07".to_owned()), "{keys:?}");
    }
    let Key::Draw(drawn) = typed("ze").key(b'\t') else { panic!() };
    assert_eq!(drawn, "\r\x1b[Kzebra zero\r\n\r\x1b[K> ze");
    let Key::Draw(drawn) = typed("a").key(b'\t') else { panic!() };
    assert!(drawn.contains("abandon") && drawn.contains(" ..."), "{drawn:?}");
}
