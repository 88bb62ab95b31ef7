#!/usr/bin/env bash
# What scripts/gpu_check refuses, in one line and with exit status 1. Usage: gpu_check_test.sh SCRIPT
set -uo pipefail
script=$1

expect() {
  local wanted=$1 found status
  shift
  found=$("$script" "$@" 2>&1)
  status=$?
  [ "$status" -eq 1 ] && [ "$(wc -l <<<"$found")" -eq 1 ] && [[ $found == *"$wanted"* ]] && return
  echo "gpu_check $*: exit status $status, $found; expected 1 and a line with: $wanted" >&2
  exit 1
}

expect "unknown stage: 'nonsense', expected build | tests" nonsense
expect "unknown stage: 'more'" tests more
# A machine with a GPU runs the stages themselves.
[ -n "$(nvidia-smi -L 2>/dev/null)" ] || expect "no GPU here" tests
