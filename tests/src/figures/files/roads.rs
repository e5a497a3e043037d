//! Where the two sides are: hosts that nothing leads out of, so that no tool reaches anything but its other side.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::figures::Failure;

/// How the two sides reach each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Road {
    /// Both on one host, over its loopback.
    Loopback,
    /// Each on a host of its own, over a veth pair of MTU 1500.
    Namespaces,
}

impl Road {
    pub(super) const ALL: &[Self] = &[Self::Loopback, Self::Namespaces];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Namespaces => "namespaces",
        }
    }

    /// In the table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Namespaces => "between namespaces, MTU 1500",
        }
    }
}

/// Both ends of a road.
pub(super) struct Ends {
    sender: Host,
    /// Where it is not the sender's host too.
    receiver: Option<Host>,
}

impl Ends {
    pub(super) fn make(road: Road) -> Result<Self, Failure> {
        if road == Road::Loopback {
            let sender = Host::make("lo", Ipv4Addr::LOCALHOST)?;
            // magic-wormhole offers no address of 127.0.0.0/8.
            sender.ip("address add 192.0.2.1/32 dev lo")?;
            return Ok(Self { sender, receiver: None });
        }
        let sender = Host::make("eth0", Ipv4Addr::new(192, 0, 2, 1))?;
        let receiver = Host::make("eth0", Ipv4Addr::new(192, 0, 2, 2))?;
        let other = receiver.namespace("net");
        sender.ip(&format!("link add eth0 type veth peer name eth0 netns {other}"))?;
        for host in [&sender, &receiver] {
            host.ip(&format!("address add {}/24 dev eth0", host.address))?;
            host.ip("link set eth0 mtu 1500 up")?;
            // Some of the tools look around by multicast.
            host.ip("route add 224.0.0.0/4 dev eth0")?;
        }
        Ok(Self { sender, receiver: Some(receiver) })
    }

    pub(super) fn sender(&self) -> &Host {
        &self.sender
    }

    pub(super) fn receiver(&self) -> &Host {
        self.receiver.as_ref().unwrap_or(&self.sender)
    }
}

/// A network namespace and a process namespace. The first process in it reads a pipe of ours to its end: however
/// this program ends, so does that process, the kernel ends all others in there, and nothing of it stays.
pub(super) struct Host {
    first: Child,
    network: File,
    processes: File,
    pub(super) interface: &'static str,
    pub(super) address: Ipv4Addr,
}

impl Host {
    fn make(interface: &'static str, address: Ipv4Addr) -> Result<Self, Failure> {
        let mut first = Command::new("unshare")
            .args(["--net", "--pid", "--fork", "--kill-child", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(first.stdout.take().ok_or("a process without output")?).read_line(&mut line)?;
        if line.is_empty() {
            first.wait()?;
            return Err("network namespaces cannot be made: that needs root".into());
        }
        let id = first.id();
        let open = |kind| File::open(namespace(id, kind));
        let (network, processes) = (open("net")?, open("pid_for_children")?);
        let host = Self { first, network, processes, interface, address };
        host.ip("link set lo up")?;
        Ok(host)
    }

    fn namespace(&self, kind: &str) -> String {
        namespace(self.first.id(), kind)
    }

    fn ip(&self, arguments: &str) -> Result<(), Failure> {
        let mut command = Command::new("ip");
        let output = self.output(command.args(arguments.split(' ')))?;
        if output.is_empty() { Ok(()) } else { Err(format!("ip {arguments}: {output}").into()) }
    }

    /// Runs a command to its end; gives all that it says.
    pub(super) fn output(&self, command: &mut Command) -> Result<String, Failure> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (_, child) = self.spawn(command)?;
        let output = child.wait_with_output()?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// Starts a command here; gives when that was.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<(Instant, Child)> {
        self.inside(|| Ok((Instant::now(), command.spawn()?)))
    }

    /// Whether something listens here.
    pub(super) fn listens(&self, port: u16) -> bool {
        let address = SocketAddr::from((self.address, port));
        self.inside(|| TcpStream::connect_timeout(&address, Duration::from_secs(1))).is_ok()
    }

    /// Does something on a thread that is on this host; what it starts is there too.
    fn inside<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let enter = || {
            move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))?;
            move_into_link_name_space(self.processes.as_fd(), Some(LinkNameSpaceType::ProcessID))?;
            work()
        };
        thread::scope(|scope| scope.spawn(enter).join())
            .unwrap_or_else(|_| Err(io::Error::other("a thread on another host failed")))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}

fn namespace(process: u32, kind: &str) -> String {
    format!("/proc/{process}/ns/{kind}")
}
