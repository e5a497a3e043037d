//! A peer's text cannot act on the terminal.

use hither_cli::inert::{inert, inert_content, is_hostile};
use proptest::prelude::*;

#[test]
fn plain_text_of_any_script_is_left_alone() {
    for text in ["notes.txt", "Füße – 5 €", "日本語", "שלום", "❤️ 👍", "C:\\a", "\u{a0}"] {
        assert_eq!(inert(text), text);
    }
}

#[test]
fn line_ends_and_tabs_are_shown() {
    assert_eq!(inert("a\nb\r\tc"), r"a\nb\r\tc");
    assert_eq!(inert("a\u{2028}b\u{2029}\u{85}\u{b}\u{c}"), r"a\u{2028}b\u{2029}\u{85}\u{b}\u{c}");
}

#[test]
fn lines_of_content_stay_lines() {
    assert_eq!(inert_content("a\tb\n\u{1b}[2Jé\r\n".as_bytes()), "a\tb\n\\u{1b}[2Jé\\r\n");
    assert_eq!(inert_content(&[b'a', 0xff, 0x9b, 0]), "a\u{fffd}\u{fffd}\\u{0}");
}

#[test]
fn terminal_escapes_are_shown() {
    assert_eq!(inert("\x1b[2J\x1b]0;title\x07"), r"\u{1b}[2J\u{1b}]0;title\u{7}");
    assert_eq!(inert("\u{9b}31m"), r"\u{9b}31m");
}

#[test]
fn other_control_characters_are_shown() {
    assert_eq!(inert("a\u{8}\u{0}\u{7f}"), r"a\u{8}\u{0}\u{7f}");
}

#[test]
fn bidi_controls_are_shown() {
    for code in (0x202a..=0x202e).chain(0x2066..=0x2069).chain([0x61c, 0x200e, 0x200f]) {
        let character = char::from_u32(code).unwrap();
        assert_eq!(inert(&format!("a{character}exe.txt")), format!("a\\u{{{code:x}}}exe.txt"));
    }
}

#[test]
fn what_shows_nothing_is_shown() {
    for code in [0xad, 0x200b, 0x200c, 0x200d, 0x2060, 0xfeff, 0x3164, 0xe0041, 0xe0101] {
        let character = char::from_u32(code).unwrap();
        assert_eq!(inert(&format!("a{character}b")), format!("a\\u{{{code:x}}}b"));
    }
}

proptest! {
    #[test]
    fn nothing_hostile_comes_out(text: String) {
        let out = inert(&text);
        prop_assert!(!out.chars().any(|c| c.is_control() || is_hostile(c)));
    }

    #[test]
    fn controls_between_other_text_do_not_come_out(text in "[\\x00-\\x1f\\x7f-\\x9fa\u{202a}-\u{202e}\u{200b}]{0,40}") {
        let out = inert(&text);
        prop_assert!(!out.chars().any(|c| c.is_control() || is_hostile(c)));
        prop_assert_eq!(inert(&out), out);
    }
}
