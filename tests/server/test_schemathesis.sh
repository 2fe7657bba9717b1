#!/bin/sh
# No request that schemathesis makes of service/openapi.json gets a 5xx, or an answer that is not described there.
# $SCHEMATHESIS is its program, if it is not in the PATH as st (pip install schemathesis, in an environment of its own).
# LONG=1 takes half an hour: more requests, all phases, also a folder of models.
set -u
build=${BUILD:-build} folder=$(mktemp -d)
program=$(command -v "${SCHEMATHESIS:-st}") && "$program" --version 2>/dev/null | grep -q "^st" ||
    { rm -rf "$folder"; echo "test_schemathesis: there is no schemathesis; SCHEMATHESIS names its program"; exit 77; }
settings=$PWD/tests/server/schemathesis.toml status=0
server=
trap 'kill $server 2>/dev/null; wait; rm -rf "$folder"' EXIT

# Usage: check ARGUMENTS-OF-THE-SERVER -- ARGUMENTS-OF-SCHEMATHESIS
check() {
    options=
    while [ "$1" != -- ]; do options="$options $1" && shift; done
    shift
    INFER_API_KEYS=secret "$build/infer-server" --port 0 --max-tokens 8 --max-seconds 5 --state-dir "$folder/state" \
        --log-format none $options >"$folder/line" 2>"$folder/errors" &
    server=$!
    for _ in $(seq 600); do
        grep -q ready "$folder/line" && break
        sleep 0.1
    done
    address=$(grep -o 'http://[0-9.:]*' "$folder/line")
    (cd "$folder" && PYTHONDONTWRITEBYTECODE=1 "$program" --config-file "$settings" run "$address/openapi.json" \
        -H "Authorization: Bearer secret" --warnings off --no-color -w 1 "$@") >"$folder/output" 2>&1 || status=1
    kill $server && wait $server || status=1
    [ $status = 0 ] && [ ! -s "$folder/errors" ] || { cat "$folder/output" "$folder/errors" && exit 1; }
    tail -n 1 "$folder/output"
}

if [ -n "${LONG-}" ]; then
    check -- --phases examples,coverage,fuzzing,stateful --max-time 1200 --continue-on-failure
    check --model-dirs tests/data/tiny -- --phases coverage,fuzzing --max-time 600 --continue-on-failure
else
    check -- --phases fuzzing --max-examples 4 --max-time 8 --no-shrink --seed 1
fi
