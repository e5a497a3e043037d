use super::Reason;

/// The names are written twice, here and in Java: they must be the same.
#[test]
fn every_reason_has_a_constant_in_java() {
    let java = include_str!("../../java/src/main/java/dev/hither/HitherException.java");
    for reason in Reason::ALL {
        let constant = java.lines().any(|line| line.trim().trim_end_matches([',', ';']) == reason.name());
        assert!(constant, "{} is no constant of HitherException.Reason", reason.name());
    }
}
