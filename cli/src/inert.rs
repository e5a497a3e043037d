//! Makes a peer's text harmless for a terminal: what could move, colour, reorder or hide is shown as an escape.

/// `text` on one line, with every character that a terminal would act on, or not show, written out: a newline
/// as `\n`, the escape character as `\u{1b}`, a right-to-left override as `\u{202e}`.
///
/// Every name, message or other text of a peer's goes through here before it is shown, and nothing else does.
pub fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hostile(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// The same for content that goes to a terminal: lines stay lines, tabs tabs, and what is no text is shown as such.
pub fn inert_content(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => out.push(character),
            _ if is_hostile(character) => out.extend(character.escape_default()),
            _ => out.push(character),
        }
    }
    out
}

/// Whether a terminal would act on this character, or show nothing for it.
pub fn is_hostile(character: char) -> bool {
    character.is_control() || INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// Characters without a shape: they reorder, join, annotate or hide (Unicode's format characters, default
/// ignorables and line separators). The variation selectors 15 and 16, which only choose how an emoji looks,
/// are left out.
const INVISIBLE: [(char, char); 20] = [
    ('\u{ad}', '\u{ad}'),       // soft hyphen
    ('\u{34f}', '\u{34f}'),     // combining grapheme joiner
    ('\u{600}', '\u{605}'),     // Arabic number signs
    ('\u{61c}', '\u{61c}'),     // Arabic letter mark (bidi)
    ('\u{6dd}', '\u{6dd}'),     // Arabic end of ayah
    ('\u{70f}', '\u{70f}'),     // Syriac abbreviation mark
    ('\u{115f}', '\u{1160}'),   // Hangul fillers
    ('\u{17b4}', '\u{17b5}'),   // Khmer inherent vowels
    ('\u{180b}', '\u{180f}'),   // Mongolian selectors
    ('\u{200b}', '\u{200f}'),   // zero width, left-to-right and right-to-left marks
    ('\u{2028}', '\u{202e}'),   // line and paragraph separators, bidi embeddings and overrides
    ('\u{2060}', '\u{206f}'),   // word joiner, invisible operators, bidi isolates
    ('\u{2800}', '\u{2800}'),   // braille blank
    ('\u{3164}', '\u{3164}'),   // Hangul filler
    ('\u{fe00}', '\u{fe0d}'),   // variation selectors 1 to 14
    ('\u{feff}', '\u{feff}'),   // zero width no-break space
    ('\u{ffa0}', '\u{ffa0}'),   // half-width Hangul filler
    ('\u{fff0}', '\u{fffb}'),   // unassigned specials, interlinear annotation
    ('\u{1bca0}', '\u{1bca3}'), // shorthand format controls
    ('\u{e0000}', '\u{e0fff}'), // tags and more variation selectors
];
