#!/bin/sh
# What `make install` puts there is enough to build a program from outside: against the shared library, against the
# static one, and wholly static; DESTDIR and PREFIX keep apart; `make uninstall` leaves nothing.
set -u
[ -z "${SAN-}" ] || exit 77
MAKEFLAGS=$(echo "${MAKEFLAGS-}" | sed 's/--jobserver[^ ]*//g; s/-j[0-9]*//g') # the tests' own jobs are no concern here
export MAKEFLAGS
build=${BUILD:-build}
model=$PWD/tests/data/tiny/llama
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_install: $*" && exit 1; }

put() { # target, variables
    make --no-print-directory BUILD="$build" "$@" >"$tmp/log" 2>&1 || fail "make $*: $(cat "$tmp/log")"
}
put install PREFIX="$tmp/prefix"
for file in include/infer.h lib/libinfer.a lib/libinfer.so lib/pkgconfig/libinfer.pc \
    include/infer_service.h lib/libinfer-service.a lib/pkgconfig/libinfer-service.pc; do
    [ -e "$tmp/prefix/$file" ] || fail "$file is missing"
done
for program in "$build"/infer-*; do
    [ ! -x "$program" ] || [ -x "$tmp/prefix/bin/$(basename "$program")" ] || fail "$program is not installed"
done
if command -v python3 >/dev/null; then
    "$tmp/prefix/bin/compare-bench" "$PWD/tests/data/compare/realizar.json" >"$tmp/log" 2>&1 ||
        fail "compare-bench: $(cat "$tmp/log")"
fi

for file in bash-completion/completions/infer-run zsh/site-functions/_infer-run fish/vendor_completions.d/infer-run.fish; do
    grep -q doctor "$tmp/prefix/share/$file" || fail "share/$file does not complete infer-run"
done

export PKG_CONFIG_PATH="$tmp/prefix/lib/pkgconfig"
version=$(pkg-config --modversion libinfer) || fail "pkg-config does not find libinfer"
runs() { # name of the program
    said=$("$tmp/$1" "$model") || fail "$1: $said"
    [ "$said" = "$version computes" ] || fail "$1 says: $said"
}
compile() { # name of the program, flags that come last
    name=$1
    shift
    ${CC:-cc} -Wall -Wextra -Werror -o "$tmp/$name" tests/install/program.c "$@" || fail "$name does not link"
}
compile shared $(pkg-config --cflags --libs libinfer)
LD_LIBRARY_PATH="$tmp/prefix/lib" runs shared
compile whole -static $(pkg-config --static --cflags --libs libinfer)
runs whole
soname=$(echo "$tmp"/prefix/lib/libinfer.so.?)
ldd "$tmp/shared" | grep -q "$(basename "$soname")" || fail "shared does not use $(basename "$soname")"
rm "$tmp"/prefix/lib/libinfer.so*
compile static $(pkg-config --static --cflags --libs libinfer)
runs static

put install PREFIX=/usr DESTDIR="$tmp/dest"
grep -q '^prefix=/usr$' "$tmp/dest/usr/lib/pkgconfig/libinfer.pc" || fail "DESTDIR shows in libinfer.pc"
put uninstall PREFIX=/usr DESTDIR="$tmp/dest"
left=$(find "$tmp/dest" ! -type d)
[ -z "$left" ] || fail "left behind: $left"
