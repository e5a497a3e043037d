use super::*;

#[test]
fn a_plain_line_is_due_at_first_and_then_at_each_beat() {
    let start = Instant::now();
    let last = ("t".to_owned(), start);
    assert!(is_due(None, "t", start));
    assert!(!is_due(Some(&last), "t", start + BEAT - Duration::from_millis(1)));
    assert!(is_due(Some(&last), "t", start + BEAT));
    assert!(is_due(Some(&last), "another", start));
}
