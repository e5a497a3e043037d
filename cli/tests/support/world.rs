//! Machines on networks of their own, with a router between them: no multicast gets from one to another, and nothing
//! leads out. Some are behind home routers. Making them needs root.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Node, Running, alone};

/// Networks that are public and nobody's (RFC 5737, RFC 2544), so that every machine has a prefix of its own.
const NETWORKS: [&str; 5] = ["203.0.113", "198.51.100", "192.0.2", "198.18.0", "198.19.7"];

/// The machines, and the router between them.
pub struct World {
    machines: Vec<Machine>,
    _routers: Vec<Space>,
}

/// A home router: what goes out gets its address, and only what was written to gets in.
#[derive(Clone, Copy)]
pub enum Router {
    /// By one port for all.
    PortRestricted,
    /// By a port of its own for each that is written to.
    Symmetric,
}

/// A machine: a node's home, and the network that it is on.
pub struct Machine {
    pub node: Node,
    space: Space,
    /// Its address, or that of its router, which is public.
    pub address: String,
}

/// A network namespace, for as long as a process of ours lives in it.
struct Space {
    first: Child,
    network: File,
}

impl World {
    /// So many machines; `None`, with a word about it, where none can be made.
    pub fn make(machines: usize) -> Option<Self> {
        Self::with_routers(machines, &[])
    }

    /// So many machines, the last of them each behind one of these home routers.
    pub fn with_routers(machines: usize, routers: &[Router]) -> Option<Self> {
        let Some(router) = Space::make() else {
            eprintln!("SKIPPED: network namespaces cannot be made here; that needs root, `unshare` and `ip`");
            return None;
        };
        router.run("sysctl", "-qw net.ipv4.ip_forward=1");
        let first_behind = machines - routers.len();
        let mut spaces = Vec::new();
        let mut made = Vec::new();
        for (index, network) in NETWORKS.iter().take(machines).enumerate() {
            let mut space = Space::make().unwrap();
            router.connect(&format!("to{index}"), &space, "eth0", network);
            if let Some(kind) = index.checked_sub(first_behind).and_then(|at| routers.get(at)) {
                let machine = Space::make().unwrap();
                if let Err(why) = space.translate("eth0", *kind) {
                    eprintln!(
                        "SKIPPED: home routers cannot be made here, which needs `nft` and a kernel with NAT: {why}"
                    );
                    return None;
                }
                space.connect("lan", &machine, "eth0", "192.168.1");
                spaces.push(std::mem::replace(&mut space, machine));
            }
            made.push(Machine { node: Node::new(), space, address: format!("{network}.10") });
        }
        spaces.push(router);
        Some(Self { machines: made, _routers: spaces })
    }

    /// All of them.
    pub fn machines<const N: usize>(&self) -> [&Machine; N] {
        self.machines.iter().collect::<Vec<_>>().try_into().ok().unwrap()
    }
}

impl Machine {
    /// The command line `hither ARGUMENTS` on this machine's home, beginning with another machine if one is named.
    pub fn command(&self, begin: Option<&Self>, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hither"));
        command.arg("--home").arg(self.node.path("home"));
        if let Some(begin) = begin {
            command.args(["--bootstrap", &format!("{}:4242", begin.address)]);
        }
        command.args(arguments);
        alone(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it here, with `--json`.
    pub fn start(&self, begin: Option<&Self>, arguments: &[&str]) -> Running {
        let mut command = self.command(begin, arguments);
        command.arg("--json");
        self.space.inside(move || Running::start(&mut command))
    }

    /// Starts it here, for a person to read.
    pub fn start_in_words(&self, begin: Option<&Self>, arguments: &[&str]) -> Running {
        let mut command = self.command(begin, arguments);
        self.space.inside(move || Running::start(&mut command))
    }
}

impl Space {
    fn make() -> Option<Self> {
        let mut first = Command::new("unshare")
            .args(["--net", "sh", "-c", "ip link set lo up && echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(first.stdout.take()?).read_line(&mut line).ok()?;
        let network = File::open(format!("/proc/{}/ns/net", first.id()));
        match network {
            Ok(network) if line == "ready\n" => Some(Self { first, network }),
            _ => {
                let _ = first.kill();
                let _ = first.wait();
                None
            }
        }
    }

    /// Puts a machine on a network of its own, in which this is the way to all others.
    fn connect(&self, own_end: &str, other: &Self, its_end: &str, network: &str) {
        let pid = other.first.id();
        self.run("ip", &format!("link add {own_end} type veth peer name {its_end} netns {pid}"));
        self.run("ip", &format!("address add {network}.1/24 dev {own_end}"));
        self.run("ip", &format!("link set {own_end} up"));
        other.run("ip", &format!("address add {network}.10/24 dev {its_end}"));
        other.run("ip", &format!("link set {its_end} up"));
        other.run("ip", &format!("route add default via {network}.1"));
    }

    /// Becomes a home router. What comes too early is dropped rather than remembered, or it would be in the way of what goes
    /// out.
    fn translate(&self, outside: &str, kind: Router) -> Result<(), String> {
        let how = match kind {
            Router::PortRestricted => "masquerade",
            Router::Symmetric => "masquerade random",
        };
        self.try_run("sysctl", "-qw net.ipv4.ip_forward=1")?;
        self.try_run("nft", "add table ip home")?;
        self.try_run("nft", "add chain ip home out { type nat hook postrouting priority 100 ; }")?;
        self.try_run("nft", "add chain ip home in { type nat hook prerouting priority -100 ; }")?;
        self.try_run("nft", &format!("add rule ip home out oifname {outside} {how}"))?;
        self.try_run("nft", "add chain ip home strangers { type filter hook input priority 0 ; }")?;
        self.try_run("nft", &format!("add rule ip home strangers iifname {outside} ct state new drop"))
    }

    fn run(&self, program: &str, arguments: &str) {
        self.try_run(program, arguments).unwrap();
    }

    fn try_run(&self, program: &str, arguments: &str) -> Result<(), String> {
        let mut command = Command::new(program);
        command.args(arguments.split(' '));
        let output = self.inside(move || command.output());
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Does something on a thread that is in this namespace; what it starts is there too.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let enter = || {
                move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            };
            scope.spawn(enter).join().unwrap()
        })
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}
