#!/bin/sh
# What docs/server.md and docs/server/ say to type works: the lines in their blocks of sh and bash, asked of a server
# with the model inside it.
set -u
build=${BUILD:-build} failures=0
folder=$(mktemp -d)
"$build/infer-server" --port 0 --state-dir "$folder/state" --log-format none >"$folder/line" 2>"$folder/errors" &
server=$!
trap 'kill $server; wait $server; rm -rf "$folder"' EXIT
for _ in $(seq 600); do
    grep -q ready "$folder/line" && break
    sleep 0.1
done
address=$(grep -o 'http://[0-9.:]*' "$folder/line")
[ -n "$address" ] || { echo "test_docs: the server did not start"; cat "$folder/errors"; exit 1; }

awk -v folder="$folder" '/^```(ba)?sh$/ { n++; inside = 1; next } /^```/ { inside = 0 }
    inside { print >(folder "/block" n) }' docs/server.md docs/server/*.md
blocks=0
for block in "$folder"/block*; do
    blocks=$((blocks + 1))
    echo 'curl() { command curl -sS --fail-with-body --max-time 60 "$@"; }' >"$block.sh"
    sed "s|http://127.0.0.1:8080|$address|g" "$block" >>"$block.sh"
    if ! sh -eu "$block.sh" >"$folder/answer" 2>&1; then
        echo "test_docs: this failed:"
        cat "$block" "$folder/answer"
        failures=$((failures + 1))
    fi
done
echo "$blocks blocks, $failures failed"
[ "$failures" = 0 ] && [ "$blocks" -ge 3 ]
