# Two hosts, `a` and `b`, on one link, and the processes on them. Sourced by the scripts beside it, which set
# `set -euo pipefail`; needs root, iproute2, nftables, jq and tcpdump.
#
# Each host is a network namespace with a machine name and a user name of its own, both easy to find in a capture.
# Between them is a veth pair of MTU 1500; there is no route to anywhere else.
# shellcheck shell=bash

# Nothing is asked of the world outside.
export HITHER_MAINLINE=off

work=$(mktemp -d "${TMPDIR:-/tmp}/hither-hosts.XXXXXX")
mkdir "$work/log" "$work/a" "$work/b"
declare -A pids=()

namespace() { echo "hither-$1-$$"; } # HOST

fail() {
  printf '\nFAILED: %s\n' "$*" >&2
  exit 1
}

say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }

# Whatever happens, nothing stays behind; after a failure, the end of every output is shown.
clean_up() {
  local status=$? log name host
  trap - EXIT
  if [ "$status" -ne 0 ]; then
    for log in "$work"/log/*; do
      [ -s "$log" ] || continue
      printf -- '--- the end of %s\n' "${log##*/}" >&2
      tail -n 12 "$log" | cut -c -600 >&2
    done
  fi
  for name in "${!pids[@]}"; do kill -KILL "${pids[$name]}" 2> /dev/null || true; done
  wait 2> /dev/null || true
  for host in a b; do ip netns delete "$(namespace "$host")" 2> /dev/null || true; done
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

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

start() { # NAME HOST COMMAND...: runs on, its output in log/NAME.out and log/NAME.err
  local name=$1
  shift
  # There for those who look before the process has begun.
  : > "$work/log/$name.out"
  : > "$work/log/$name.err"
  (enter "$@") < /dev/null > "$work/log/$name.out" 2> "$work/log/$name.err" &
  pids[$name]=$!
}

running() { [ -n "${pids[$1]:-}" ] && kill -0 "${pids[$1]}" 2> /dev/null; } # NAME

# Waits for the end of a process and says how it should have ended.
finish() { # NAME SECONDS STATUS
  local name=$1 end=$((SECONDS + $2)) status=0
  while running "$name"; do
    [ "$SECONDS" -lt "$end" ] || fail "$name has not ended within $2 s"
    sleep 0.05
  done
  wait "${pids[$name]}" || status=$?
  unset "pids[$name]"
  [ "$status" -eq "$3" ] || fail "$name ended with $status, not $3"
}

run() { # NAME SECONDS STATUS HOST COMMAND...: start and finish
  local name=$1 seconds=$2 status=$3
  shift 3
  start "$name" "$@"
  finish "$name" "$seconds" "$status"
}

interrupt() { kill -INT "${pids[$1]}"; } # NAME

# Whether a JSON line of the process's standard output matches the jq FILTER; the last line may not be whole yet.
has() { # NAME FILTER
  jq -nRe "any(inputs | fromjson?; $2)" "$work/log/$1.out" > /dev/null
}

await() { # NAME SECONDS FILTER: waits until such a line is there
  local end=$((SECONDS + $2)) on
  while true; do
    if running "$1"; then on=yes; else on=no; fi
    if has "$1" "$3"; then return; fi
    [ $on = yes ] || fail "$1 ended, and never said: $3"
    [ "$SECONDS" -lt "$end" ] || fail "$1 has not said within $2 s: $3"
    sleep 0.1
  done
}

field() { # NAME FILTER: what the first line that has it gives
  jq -nRr "first(inputs | fromjson? | $2)" "$work/log/$1.out"
}

count() { # NAME FILTER: how many lines match
  jq -nR "[inputs | fromjson? | select($2)] | length" "$work/log/$1.out"
}

same() { # WHAT EXPECTED ACTUAL
  [ "$2" = "$3" ] || fail "$1: expected $2, got $3"
}
