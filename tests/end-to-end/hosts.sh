# Two hosts, `a` and `b`, on one link, and the processes on them. Sourced by the scripts beside it, which set
# `set -euo pipefail`; needs root, iproute2, nftables, jq and tcpdump.
#
# Each host is a network namespace with a machine name and a user name of its own, both easy to find in a capture.
# Between them is a veth pair of MTU 1500; there is no route to anywhere else.
# shellcheck shell=bash

# Nothing is asked of the world outside.
export HITHER_MAINLINE=off

# shellcheck source=../processes.sh
. "$(dirname "${BASH_SOURCE[0]}")/../processes.sh" hosts
mkdir "$work/a" "$work/b"

namespace() { echo "hither-$1-$$"; } # HOST

tidy() {
  local host
  wait 2> /dev/null || true
  for host in a b; do ip netns delete "$(namespace "$host")" 2> /dev/null || true; done
}

make_hosts() { # USER_A USER_B: host a is 192.0.2.1, host b 192.0.2.2
  local host number=0
  for host in a b; do ip netns add "$(namespace "$host")"; done
  ip -n "$(namespace a)" link add eth0 type veth peer name eth0 netns "$(namespace b)"
  for host in a b; do
    number=$((number + 1))
    local name=$1
    shift
    echo "$name-desktop" > "$work/$host/hostname"
    echo "$name:x:0:0:$name:$work/$host:/bin/bash" > "$work/$host/passwd"
    ip -n "$(namespace "$host")" link set lo up
    ip -n "$(namespace "$host")" address add "192.0.2.$number/24" dev eth0
    # One packet is one packet, as on a wire: a veth would pass bursts of 64 KiB unsplit.
    ip -n "$(namespace "$host")" link set eth0 mtu 1500 gso_max_size 1500 gso_max_segs 1
    link_up "$host"
  done
}

# A link that comes up has lost its routes.
link_up() { # HOST
  ip -n "$(namespace "$1")" link set eth0 up
  ip -n "$(namespace "$1")" route add 224.0.0.0/4 dev eth0
}

link_down() { ip -n "$(namespace "$1")" link set eth0 down; } # HOST

lose() { # PERCENT: of the packets that come in, on either host
  local host
  for host in a b; do
    ip netns exec "$(namespace "$host")" nft -f - <<NFT
table inet loss {
  chain in {
    type filter hook input priority 0
    iifname eth0 numgen random mod 100 < $1 drop
  }
}
NFT
  done
}

# Becomes COMMAND on HOST: in its namespaces, as its user, with Ctrl-C as a terminal's program has it.
enter() { # HOST COMMAND...
  local host=$1
  shift
  # shellcheck disable=SC2016 # expanded on the host
  exec ip netns exec "$(namespace "$host")" unshare --uts bash -c '
    set -e
    home=$1
    shift
    name=$(cut -d : -f 1 "$home/passwd")
    hostname -F "$home/hostname"
    mount --bind "$home/passwd" /etc/passwd
    cd "$home"
    exec env -i --default-signal=INT PATH="$PATH" LANG=C.UTF-8 \
      HOME="$home" USER="$name" LOGNAME="$name" HOSTNAME="$(hostname)" HITHER_HOME="$home/hither" "$@"
  ' enter "$work/$host" "$@"
}

interrupt() { kill -INT "${pids[$1]}"; } # NAME

count() { # NAME FILTER: how many lines match
  jq -nR "[inputs | fromjson? | select($2)] | length" "$work/log/$1.out"
}
