#!/bin/sh
# The program that README.md shows compiles without a warning, links, and runs; the files that it names are there.
set -u
build=${BUILD:-build}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_readme: $*" && exit 1; }

awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' README.md >"$tmp/story.c"
grep -q infer_generate "$tmp/story.c" || fail "README.md shows no program"
${CC:-cc} -std=c11 -Wall -Wextra -Werror ${SAN:+-fsanitize=$SAN} -Iinclude -o "$tmp/story" "$tmp/story.c" \
    "$build/libinfer.a" $(pkg-config --libs jansson libpcre2-8 libutf8proc) -lm -pthread ||
    fail "the program does not compile"

# Without arguments: the model inside the library. It writes more than a handful of words.
text=$("$tmp/story") || fail "the program fails: $text"
[ "$(echo "$text" | wc -w)" -gt 20 ] || fail "the program writes: $text"
"$tmp/story" "$tmp/none.gguf" 2>"$tmp/err" && fail "a missing model is not noticed"
grep -q 'none.gguf' "$tmp/err" || fail "the sentence about a missing model: $(cat "$tmp/err")"

for path in $(grep -oE '\]\([a-zA-Z][^):]*\)' README.md CONTRIBUTING.md | sed 's/.*(//; s/)//'); do
    [ -e "$path" ] || fail "a link leads to $path, which is not there"
done
for target in $(grep -ohE '^    (sudo )?make [a-z-]+' README.md CONTRIBUTING.md | awk '{ print $NF }' | sort -u); do
    grep -q "^## $target:" Makefile || fail "make $target is not a target that make help lists"
done
