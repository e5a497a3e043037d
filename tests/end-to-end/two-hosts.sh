#!/usr/bin/env bash
# Two hosts that know nothing of each other but their ids find each other on the local network: files over a bad link
# that breaks, messages now and later, and nothing of it readable on the wire.
#
#     tests/end-to-end/two-hosts.sh [BINARY]
#
# BINARY is target/debug/hither where none is named; nothing is built here. Exits with 77 where it cannot run.
set -euo pipefail

if [ "$(id -u)" -ne 0 ]; then
  echo "two-hosts: SKIPPED: network namespaces need root" >&2
  exit 77
fi
here=$(dirname "$(realpath "$0")")
hither=$(realpath -e "${1:-${CARGO_TARGET_DIR:-$here/../../target}/debug/hither}")
# shellcheck source=hosts.sh
. "$here/hosts.sh"

# Words that no packet holds by chance. Every name that must not be seen holds one of the first three.
user=quendelberg file=wolpertinger text=rosenquarz
bob=$user-bob alice=$user-alice

tree() { # The directory that is sent.
  local top=$work/a/$file-papers at i
  mkdir -p "$top/$file-letters/$file-drafts/$file-old" "$top/$file-empty"
  : > "$top/$file-nothing"
  printf '#!/bin/sh\necho %s\n' "$file" > "$top/$file-program"
  chmod 755 "$top/$file-program"
  for i in $(seq 300); do
    case $((i % 3)) in
      0) at=$top ;;
      1) at=$top/$file-letters ;;
      *) at=$top/$file-letters/$file-drafts/$file-old ;;
    esac
    # Sizes from a few bytes to many packets.
    { echo "$file $i"; head -c $((i * i % 20000)) /dev/urandom; } > "$at/$file-$i"
  done
  head -c 150000000 /dev/urandom > "$top/$file-film"
}

# Names, kinds, mode bits and sizes of all that is below a directory.
listing() { (cd "$1" && find . -printf '%p %y %m ' -and \( -type d -printf '\n' -or -printf '%s\n' \) | sort); }

umask 022
make_hosts "$user-ann" "$user-ben"
lose 5
# Slow enough that there is a middle of the transfer: 150 MB take 6 s at least.
ip netns exec "$(namespace a)" tc qdisc add dev eth0 root tbf rate 200mbit burst 64kb latency 50ms
# The address of host a stays up while host b's end of the link goes down, so the capture goes on.
start tcpdump a tcpdump -Z root -i eth0 -s 0 -B 131072 -U -w "$work/capture"
until grep -q 'listening on' "$work/log/tcpdump.err"; do
  running tcpdump || fail "tcpdump does not run"
  sleep 0.05
done

say 'who is who'
run id-a 20 0 a "$hither" id --json
run id-b 20 0 b "$hither" id --json
id_a=$(field id-a '.id') id_b=$(field id-b '.id')
run add-b 20 0 a "$hither" contacts add "$bob" "$id_b"
run add-a 20 0 b "$hither" contacts add "$alice" "$id_a"

say 'a directory, found by mDNS alone, over a link that loses 5 % and breaks'
tree
mkdir "$work/b/inbox"
start receive b "$hither" receive --into "$work/b/inbox" --yes --json
await receive 30 '.event == "ready"'
start send a "$hither" send "$work/a/$file-papers" --to "$bob" --json
await receive 120 '.event == "progress" and .done * 10 >= .total * 3'
link_down b
has receive '.event == "done"' && fail 'the transfer was over before the link broke'
sleep 5 # the length of the break, nothing that is waited for
has receive '.event == "done"' && fail 'the transfer ended while there was no link'
link_up b
say 'the link is back'
finish receive 180 0
finish send 60 0
diff -r "$work/a/$file-papers" "$work/b/inbox/$file-papers" || fail 'what came is not what was sent'
diff <(listing "$work/a/$file-papers") <(listing "$work/b/inbox/$file-papers") || fail 'names, modes or sizes differ'
same 'the entries in the inbox' 1 "$(find "$work/b/inbox" -mindepth 1 -maxdepth 1 | wc -l)"
same 'the root on both sides' "$(field send 'select(.event == "done").root')" "$(field receive 'select(.event == "done").root')"
bytes=$(find "$work/a/$file-papers" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
same 'the size of the transfer' "$bytes" "$(field receive 'select(.event == "done").bytes')"
say "$bytes bytes have come"

say 'a message to a peer that is near'
start up-b b "$hither" up --json
await up-b 30 '.event == "ready"'
near=".event == \"peer\" and .id == \"$id_b\" and .name == \"$bob\" and .state == \"near\""
tries=0
until run peers 30 0 a "$hither" list-peers --json && has peers "$near"; do
  tries=$((tries + 1))
  [ $tries -lt 20 ] || fail 'list-peers does not show the other host as near'
done
run message 60 0 a "$hither" msg "$bob" "$text: the first" --json
has message '.event == "sent" and .state == "delivered"' || fail 'the message is not said to be delivered'
await up-b 10 ".event == \"message\" and .from == \"$id_a\" and .text == \"$text: the first\""

say 'a message to a peer that is away'
interrupt up-b
finish up-b 20 130
run later 60 5 a "$hither" msg "$bob" "$text: for later" --json
has later '.event == "sent" and .state == "waiting"' || fail 'the message is not said to be kept'
has later '.event == "error" and .code == 5' || fail 'the failure is not said in JSON'
start up-b-again b "$hither" up --json
start up-a a "$hither" up --json
await up-b-again 90 ".event == \"message\" and .from == \"$id_a\" and .text == \"$text: for later\""
await up-a 30 '.event == "sent" and .state == "delivered"'
interrupt up-a
finish up-a 20 130
# Messages come in order: when the next one is there, no copy of the others is still to come.
run last 60 0 a "$hither" msg "$bob" "$text: the last" --json
await up-b-again 30 ".event == \"message\" and .text == \"$text: the last\""
interrupt up-b-again
finish up-b-again 20 130
same 'copies of the message that was kept' 1 "$(count up-b-again ".text == \"$text: for later\"")"
same 'messages on the second day' 2 "$(count up-b-again '.event == "message"')"
same 'messages on the first day' 1 "$(count up-b '.event == "message"')"

say 'a file where there is IPv6 only, to an address'
number=0
for host in a b; do
  number=$((number + 1))
  ip -n "$(namespace "$host")" -4 address flush dev eth0
  ip -n "$(namespace "$host")" address add "fd00::$number/64" dev eth0 nodad
done
start receive-6 b "$hither" receive --into "$work/b/inbox" --port 4242 --yes --json
await receive-6 30 '.event == "ready"'
run send-6 60 0 a "$hither" send "$work/a/$file-papers/$file-300" --to "$id_b@[fd00::2]:4242" --json
finish receive-6 30 0
cmp "$work/a/$file-papers/$file-300" "$work/b/inbox/$file-300" || fail 'the file is not what was sent'

say 'what was on the wire'
interrupt tcpdump
finish tcpdump 30 0
grep -q '^0 packets dropped by kernel' "$work/log/tcpdump.err" || fail 'the capture is not whole'
captured=$(stat -c %s "$work/capture")
[ "$captured" -gt "$bytes" ] || fail "the capture has $captured bytes only"
grep -aq _hither "$work/capture" || fail 'the capture does not show the search by mDNS'
same 'packets longer than the MTU' '' "$(tcpdump -n -r "$work/capture" 'greater 1515' 2> /dev/null | head -n 1)"
secrets=("$id_a" "$id_b" "$user" "$file" "$text")
# What is looked for is found where it is.
{ cat "$work/log/id-a.out" "$work/log/id-b.out"; echo "$user" "${file^^}"; sed 's/./&\x00/g' <<< "$text"; } > "$work/control"
same 'secrets found in the control' 5 "$("$here/seen-in" "$work/control" "${secrets[@]}" | wc -l)"
same 'secrets found in the capture' '' "$("$here/seen-in" "$work/capture" "${secrets[@]}")"
unnamed=$(find "$work/a/$file-papers" ! -name "*$file*")
same 'names that are not looked for' '' "$unnamed"

# Every line of every process that was asked for JSON is JSON, and says what it is and when.
for log in "$work"/log/*.out; do
  case ${log##*/} in tcpdump.out | add-*.out) continue ;; esac
  jq -se 'length > 0 and all(has("event") and has("time"))' "$log" > /dev/null || fail "${log##*/} is not JSON lines"
done
say 'two-hosts: all is fine'
