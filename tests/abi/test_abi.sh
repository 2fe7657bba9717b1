#!/bin/sh
# Programs compiled against an earlier infer.h go on working: symbols, values and layouts are those of recorded.txt, or
# more. `make abi` records what has been added.
set -u
here=tests/abi build=${BUILD:-build}
shared=$(ls "$build"/libinfer.so.* 2>/dev/null | head -n 1)
[ -n "$shared" ] && [ "$(getconf LONG_BIT)" = 64 ] || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0
fail() {
    echo "$*"
    failures=$((failures + 1))
}

"$here/layout" include/infer.h "$shared" >"$dir/current" || fail 'layout: infer.h cannot be read'
[ "$(grep -c '^member' "$dir/current")" -gt 100 ] && [ "$(grep -c '^value' "$dir/current")" -gt 30 ] ||
    fail 'layout: members or values are missing'
"$here/compare" "$here/recorded.txt" "$dir/current" || fail 'programs compiled earlier would break'

# What the comparison is to find, it finds: an edit of the record, and what is said of it.
finds() {
    sed "$1" "$here/recorded.txt" >"$dir/edited"
    cmp -s "$dir/edited" "$here/recorded.txt" && fail "no line for $1"
    if "$here/compare" "$dir/edited" "$dir/current" >"$dir/out" || ! grep -q "$2" "$dir/out"; then
        fail "not found: $1"
    fi
}
finds '$a symbol infer_gone' 'symbol infer_gone is gone'
finds 's/^value INFER_E_NOMEM 1$/value INFER_E_NOMEM 2/' 'value INFER_E_NOMEM was 2, is 1'
finds 's/^struct infer_error .*/struct infer_error 500/' 'struct infer_error was 500'
finds 's/^struct infer_session_options .*/struct infer_session_options 4000/' 'infer_session_options was 4000'
finds 's/^member infer_session_options.n_ctx .*/member infer_session_options.n_ctx 12 4/' 'n_ctx was 12 4, is 8 4'
# ... and what is only more is good.
sed 's/^struct infer_session_options .*/struct infer_session_options 8/; /infer_session_cancel/d' \
    "$here/recorded.txt" >"$dir/edited"
"$here/compare" "$dir/edited" "$dir/current" || fail 'an addition is refused'
[ "$failures" = 0 ]
