# A Windows user and a Linux user on one machine, and the programs they run. Sourced by `run` beside it, which sets
# `set -euo pipefail` and the variables wine, exe, linux and top; needs jq and script.
#
# Both have a directory below $work, the Windows one as Z:\…; the home directories for --home are in those. What Wine lacks
# is laid into its own directories here, and nothing into Hither's.
# shellcheck shell=bash

# shellcheck source=../processes.sh
. "$(dirname "${BASH_SOURCE[0]}")/../processes.sh" windows
mkdir "$work/windows" "$work/linux"
# What this Wine lacks: it takes over the list of the directory above even where a file's own is protected from that. So
# the directory above is closed here. What is made in it is open to others all the same, unless it is given a list.
chmod 700 "$work/windows"

tidy() {
  surroundings /usr/lib/wine/wineserver64 -k 2> /dev/null || true
  wait 2> /dev/null || true
  ! mountpoint -q "$work/full" || umount "$work/full"
}

# Becomes COMMAND among the variables of the Windows user, and no others.
surroundings() {
  env -i PATH=/usr/bin:/bin LANG=C.UTF-8 HOME="$work/windows" USER=ann LOGNAME=ann WINEPREFIX="$work/prefix" WINEDEBUG=-all \
    WINEDLLOVERRIDES='mscoree,mshtml=;winemenubuilder.exe=d' ${NO_COLOR:+NO_COLOR=$NO_COLOR} "$@"
}

win() { printf 'Z:%s' "${1//\//\\}"; } # PATH: what Windows calls it

# Becomes hither on a SIDE: `windows`, `windows-user` (in the platform's own directories) or `linux`.
enter() { # SIDE ARGUMENT...
  local side=$1
  shift
  cd "$work/${side%-user}"
  case $side in
    windows) set -- "$exe" --home "$(win "$work/windows/home")" --interface lo "$@" ;;
    windows-user) set -- "$exe" "$@" ;;
    linux) exec env -i --default-signal=INT PATH=/usr/bin:/bin LANG=C.UTF-8 HOME="$work/linux" HITHER_HOME="$work/linux/home" \
      "$linux" --interface lo "$@" ;;
  esac
  exec env -i PATH=/usr/bin:/bin LANG=C.UTF-8 HOME="$work/windows" USER=ann LOGNAME=ann WINEPREFIX="$work/prefix" \
    WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winemenubuilder.exe=d' "$wine" "$@"
}

# Ends a process without a word to anyone; Wine's loader is the Windows process itself.
kill_now() { # NAME
  kill -KILL "${pids[$1]}"
  wait "${pids[$1]}" 2> /dev/null || true
  unset "pids[$1]"
}

# Ctrl-C for the Linux side; Windows programs know no signals.
interrupt() { # NAME
  kill -INT "${pids[$1]}"
  local status=0
  wait "${pids[$1]}" || status=$?
  unset "pids[$1]"
  [ "$status" -eq 130 ] || fail "$1 ended with $status at Ctrl-C"
}

await_text() { # NAME SECONDS TEXT: waits until standard error holds it
  local end=$((SECONDS + $2))
  until grep -q -F -- "$3" "$work/log/$1.err"; do
    running "$1" || fail "$1 ended, and never said: $3"
    [ "$SECONDS" -lt "$end" ] || fail "$1 has not said within $2 s: $3"
    sleep 0.1
  done
}

address() { # NAME: ID@ADDRESS:PORT of one that is ready
  field "$1" 'select(.event == "ready") | .id + "@" + first(.addresses[] | select(startswith("127.")))'
}

up() { # NAME SIDE: `hither up`, ready
  start "$1" "$2" up --yes --json
  await "$1" 30 '.event == "ready"'
}

receive() { # NAME SIDE INTO [ARGUMENT...]: `hither receive`, ready; with --yes unless it is told whom to take from
  local name=$1 side=$2 into=$3
  shift 3
  [ $# -gt 0 ] || set -- --yes
  start "$name" "$side" receive --into "$into" --json "$@"
  await "$name" 30 '.event == "ready"'
}

# A peer that speaks no version of the protocol but one of its own: it answers everything with QUIC's Version Negotiation
# (RFC 9000, 17.2.1). Its port is in log/NAME.out.
other_version() { # NAME
  : > "$work/log/$1.out"
  # shellcheck disable=SC2016 # Perl's variables
  perl -MSocket -e '
    $| = 1;
    socket(S, PF_INET, SOCK_DGRAM, 0) or die;
    bind(S, sockaddr_in(0, inet_aton("127.0.0.1"))) or die;
    print +(sockaddr_in(getsockname(S)))[0], "\n";
    while (defined(my $from = recv(S, my $data, 65535, 0))) {
      my ($to, $of) = unpack("x5 C/a C/a", $data);
      send(S, pack("C N C/a* C/a* N", 0xc0, 0, $of, $to, 0x1a2a3a4a), 0, $from);
    }' < /dev/null > "$work/log/$1.out" 2> "$work/log/$1.err" &
  pids[$1]=$!
  local end=$((SECONDS + 10))
  until [ -s "$work/log/$1.out" ]; do
    running "$1" && [ "$SECONDS" -lt "$end" ] || fail "$1 has no port"
    sleep 0.05
  done
}

# The same at a console of its own: what is typed comes through a pipe, what is seen is in log/NAME.out.
terminal() { # NAME ARGUMENT...
  local name=$1
  shift
  printf '%q ' "$wine" "$exe" --home "$(win "$work/windows/home")" --interface lo "$@" > "$work/log/$name.command"
  mkfifo "$work/log/$name.keys"
  : > "$work/log/$name.out"
  (
    cd "$work/windows"
    surroundings SHELL=/bin/bash TERM=xterm-256color script -qfec "stty rows 50 columns 160; exec $(cat "$work/log/$name.command")" /dev/null
  ) <> "$work/log/$name.keys" > "$work/log/$name.out" 2> "$work/log/$name.err" &
  pids[$name]=$!
}

type_keys() { printf '%b' "$2" > "$work/log/$1.keys"; } # NAME KEYS

# What is on the console, without what moves and colours it. Wine jumps over blanks, so there may be none.
seen() { sed 's/\x1b\[[0-9;?]*[A-Za-z]//g' "$work/log/$1.out"; } # NAME

await_seen() { # NAME SECONDS TEXT
  local end=$((SECONDS + $2))
  until seen "$1" | grep -q -F -- "$3"; do
    running "$1" || fail "$1 ended, and never showed: $3"
    [ "$SECONDS" -lt "$end" ] || fail "$1 has not shown within $2 s: $3"
    sleep 0.1
  done
}

# Runs a test program where nothing can be left behind, and counts. Properties are tried with a part of the cases that
# Linux has: what is asked here is whether anything depends on the system.
run_unit_test() { # PACKAGE NAME PROGRAM
  local name=unit-$1-$2 status=0
  (
    cd "$top/$1"
    surroundings PROPTEST_CASES=32 timeout --kill-after=10 900 "$wine" "$3"
  ) < /dev/null > "$work/log/$name.out" 2> "$work/log/$name.err" || status=$?
  printf '        %s %s: %s\n' "$1" "$2" "$(grep '^test result' "$work/log/$name.out" | tr -d '\r')"
  [ "$status" -eq 0 ] || fail "$1 $2 ended with $status: $(grep -E '^    [a-z_:]+' "$work/log/$name.out" | sort -u | tr '\r\n' ' ')"
}

say 'a Windows for the test'
# What winedevice and its like say is none of ours.
surroundings "$wine" wineboot -i > "$work/log/wineboot.out" 2>&1 || fail 'Wine does not start'
# The user's directory for temporary files is closed on Windows too.
chmod 700 "$work/prefix/drive_c/users/ann/Temp"
# Programs that Rust made want a function of it that this Wine does not have.
cp "$top/target/cross/wine/bcryptprimitives.dll" "$work/prefix/drive_c/windows/system32/"
