//! Interrupts, sent to this very process: alone in its file, since signals belong to the whole process.

#[cfg(unix)]
#[test]
fn interrupts_are_counted_and_end_nothing() {
    use hither_runtime_smol::interrupt::Interrupts;
    let mut interrupts = Interrupts::new().unwrap();
    for (number, signal) in [(1, "INT"), (2, "TERM")] {
        let status = std::process::Command::new("kill")
            .args(["-s", signal, &std::process::id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(interrupts.next_blocking(), number);
    }
}
