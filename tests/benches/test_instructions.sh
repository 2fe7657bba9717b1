#!/bin/sh
# benches/instructions counts what a product executes: more than the products alone, less than plain C, and in products
# for many columns the higher a set the less. Row dots spend most on unpacking, of which compilers make more or less.
# Skipped where the cross compiler and qemu are not installed.
set -u
[ -z "${SAN-}" ] && scripts/setup --check aarch64 2>/dev/null || exit 77
MAKEFLAGS=$(echo "${MAKEFLAGS-}" | sed 's/--jobserver[^ ]*//g; s/-j[0-9]*//g')
export MAKEFLAGS
table=$(benches/instructions/run q4_0) || exit 1
echo "$table"
echo "$table" | awk -F'|' '
    $2 ~ /q4_0/ { found = $3 < 2 && $3 > 1 / 8 && $4 < 2 && $4 > 1 / 16 && $5 < 1 && $5 > $6 && $6 > $7 && $7 > 1 / 32 }
    END { exit !found }'
