# Processes that a test starts, and what is asked of them. Sourced with the test's name by `hosts.sh` and `wine.sh`, which set
# `set -euo pipefail` and define `enter`, which becomes the program on one of the test's machines, and may define `tidy`, called
# when all processes were killed; needs jq.
# shellcheck shell=bash

work=$(mktemp -d "${TMPDIR:-/tmp}/hither-$1.XXXXXX")
mkdir "$work/log"
declare -A pids=()

fail() {
  printf '\nFAILED: %s\n' "$*" >&2
  exit 1
}

say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }

tidy() { :; }

# Whatever happens, nothing stays behind; after a failure, the end of every output is shown.
clean_up() {
  local status=$? log name
  trap - EXIT
  if [ "$status" -ne 0 ]; then
    for log in "$work"/log/*; do
      [ -f "$log" ] && [ -s "$log" ] || continue
      printf -- '--- the end of %s\n' "${log##*/}" >&2
      tail -n 12 "$log" | cut -c -600 >&2
    done
  fi
  for name in "${!pids[@]}"; do kill -KILL "${pids[$name]}" 2> /dev/null || true; done
  tidy
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() { # NAME MACHINE ARGUMENT...: runs on, its output in log/NAME.out and log/NAME.err
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

run() { # NAME SECONDS STATUS MACHINE ARGUMENT...: start and finish
  local name=$1 seconds=$2 status=$3
  shift 3
  start "$name" "$@"
  finish "$name" "$seconds" "$status"
}

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

same() { # WHAT EXPECTED ACTUAL
  [ "$2" = "$3" ] || fail "$1: expected $2, got $3"
}
