//! The exit codes as the README gives them.

use hither_cli::exit::Exit;

#[test]
fn codes_and_names_are_these() {
    let all: Vec<(u8, &str)> = Exit::ALL.iter().map(|exit| (exit.code(), exit.name())).collect();
    assert_eq!(
        all,
        [
            (0, "done"),
            (1, "fault"),
            (2, "usage"),
            (3, "refused"),
            (4, "wrong_code"),
            (5, "unreachable"),
            (6, "timed_out"),
            (7, "connection_lost"),
            (8, "not_verified"),
            (9, "not_writable"),
            (10, "would_overwrite"),
            (11, "version"),
            (130, "interrupted"),
        ]
    );
}
