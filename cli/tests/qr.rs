//! What is drawn can be read by a scanner.

use hither_cli::qr::qr;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, PeerId};

/// The modules of a drawn code, `true` for light: two lines for each line of text.
fn modules(drawn: &str) -> Vec<Vec<bool>> {
    let half = |line: &str, drawn: [char; 2]| line.chars().map(|c| drawn.contains(&c)).collect();
    drawn.lines().flat_map(|line| [half(line, ['█', '▀']), half(line, ['█', '▄'])]).collect()
}

fn scan(drawn: &str) -> (rqrr::MetaData, String) {
    const SCALE: usize = 4;
    let modules = modules(drawn);
    let light = |x: usize, y: usize| modules[y / SCALE][x / SCALE];
    let (width, height) = (modules[0].len() * SCALE, modules.len() * SCALE);
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| if light(x, y) { 255 } else { 0 });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap()
}

#[test]
fn an_id_is_read_back_from_a_small_code() {
    for seed in 0..8 {
        let id = Identity::generate(&mut Entropy::new(Seed::new([seed; 32])).stream("test")).peer_id();
        let drawn = qr(&id.to_string().to_uppercase()).unwrap();
        let (meta, text) = scan(&drawn);
        assert_eq!(text.parse::<PeerId>(), Ok(id));
        assert!(meta.version.0 <= 6, "{}", meta.version.0);
        assert!(drawn.lines().all(|line| line.chars().count() <= 50));
    }
}

#[test]
fn any_text_is_read_back() {
    let text = "hi1… Straße 日本";
    assert_eq!(scan(&qr(text).unwrap()).1, text);
    assert_eq!(qr(&"a".repeat(5000)), None);
}
