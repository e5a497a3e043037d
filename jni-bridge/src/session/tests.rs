use super::reachable;

#[test]
fn a_wildcard_is_reached_at_each_address_of_its_kind() {
    let ips = ["192.168.1.7", "10.0.0.2", "2001:db8::7"].map(|ip| ip.parse().unwrap());
    let bound = ["0.0.0.0:4242".parse().unwrap()];
    let at = ["192.168.1.7:4242", "10.0.0.2:4242"].map(|at| at.parse().unwrap());
    assert_eq!(reachable(&ips, &bound), at);
}

#[test]
fn a_socket_of_one_address_is_reached_at_no_other() {
    let ips = ["192.168.1.7", "127.0.0.1"].map(|ip| ip.parse().unwrap());
    let bound = ["127.0.0.1:4242".parse().unwrap(), "[::1]:4243".parse().unwrap()];
    assert_eq!(reachable(&ips, &bound), ["127.0.0.1:4242".parse().unwrap()]);
}
