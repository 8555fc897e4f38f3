# Every test of the workspace that needs no privilege, and the examples in its documentation.
# `conformance/run unit WORD…` runs the tests whose name holds one of the words.
# Then the instruction counts of the packet path, which are cases too: ceilings::NAME.
# shellcheck shell=bash disable=SC2034
packages=(ca-certificates valgrind)
rust=yes
summary=own

cases() {
  local log=$logs/unit.log ended=0 passed failed skipped
  mkdir -p "$logs"
  export CARGO_TERM_COLOR=never
  # Every crate is tested even when one fails, and each test is a case with its name.
  cargo test --locked --workspace --no-fail-fast -- "$@" >"$log" 2>&1 || ended=$?
  sed -nE 's/^test (.*) \.\.\. ok$/ok    \1/p; s/^test (.*) \.\.\. FAILED$/FAIL  \1/p
    s/^test (.*) \.\.\. ignored(, (.*))?$/skip  \1 \3/p' "$log"
  passed=$(unit_count passed) failed=$(unit_count failed) skipped=$(unit_count ignored)
  unit_ceilings "$@"
  if [ "$ended" -ne 0 ]; then
    grep -E '^error|panicked at|^---- ' -A 12 "$log" | tail -n 200 || true
    echo "      log: $log"
    # A build that failed has no test to count.
    [ "$failed" -gt 0 ] || failed=1
  elif [ "$passed" -eq 0 ]; then
    echo "conformance/run: group unit has no test whose name holds: $*" >&2
    return 2
  fi
  echo "unit: $passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
}

# unit_ceilings [WORD…]: counts instructions, and adds the cases to the sums.
unit_ceilings() {
  local log=$logs/ceilings.log sums
  cargo run --locked --quiet --release --package kumihimo-conformance --bin ceilings -- "$@" \
    >"$log" 2>"$log.errors" || true
  grep -v '^ceilings: ' "$log" || true
  sums=$(sed -nE 's/^ceilings: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' \
    "$log")
  if [ -z "$sums" ]; then
    echo "FAIL  ceilings   log: $log.errors"
    tail -n 25 "$log.errors"
    sums='0 1 0'
  fi
  # shellcheck disable=SC2086 # three numbers
  set -- $sums
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# Sums one number of the summaries that every test program prints.
unit_count() {
  sed -nE "s/^test result: .* ([0-9]+) $1;.*/\1/p" "$logs/unit.log" |
    awk '{ sum += $1 } END { print sum + 0 }'
}
