#!/bin/sh
# docs/models.md is what the table of architectures says, and each family there has a proof.
set -u
build=${BUILD:-build}
fail() { echo "test_models: $*" && exit 1; }
out=$("$build/scripts/list-models") || fail "exit code $?"
echo "$out" | diff docs/models.md - || fail "docs/models.md is old: make models"
rows=$(echo "$out" | grep -c '^| [A-Z a-z]')
[ "$rows" -ge 30 ] || fail "only $rows families"
unproven=$(echo "$out" | grep '|  |$')
[ -z "$unproven" ] || fail "no test computes these: $unproven"
