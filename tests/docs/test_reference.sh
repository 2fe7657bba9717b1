#!/bin/sh
# The reference that Doxygen makes of infer.h: no warning, and every function that the library exports is in it.
set -u
command -v doxygen >/dev/null || exit 77
shared=$(ls "${BUILD:-build}"/libinfer.so.* 2>/dev/null | head -n 1)
[ -n "$shared" ] || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0
reference() { # include/; warnings to $dir/warnings
    (cat docs/Doxyfile && echo "INPUT = $1/infer.h $1/infer" && echo "OUTPUT_DIRECTORY = $dir" && echo 'GENERATE_XML = YES') |
        doxygen - 2>"$dir/warnings" >/dev/null
}

# What has no comment is found ...
cp -r include "$dir/include"
sed 's|/\*\*< seconds.*\*/||; s|/\*\*< sizeof(infer_sampler_options) \*/||' include/infer/sampler.h \
    >"$dir/include/infer/sampler.h"
reference "$dir/include"
if ! grep -q 'infer_sampler_options is not documented' "$dir/warnings"; then
    echo 'a member without a comment is not found'
    failures=1
fi
# ... and there is nothing to find.
reference include
if [ -s "$dir/warnings" ]; then
    cat "$dir/warnings"
    failures=1
fi
for name in $(nm -D --defined-only "$shared" | awk '$NF ~ /^infer_/ { print $NF }'); do
    grep -q "<name>$name</name>" "$dir"/xml/*_8h.xml || { echo "$name is not in the reference"; failures=1; }
done
[ "$failures" = 0 ]
