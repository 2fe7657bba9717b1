#!/bin/sh
# infer-pull against a hub of the test's own (hub.py): what lands in the cache and where, what is not asked for again,
# everything that can go wrong on the way, and that the token goes nowhere else.
set -u
pull=${BUILD:-build}/infer-pull
[ -x "$pull" ] && command -v python3 >/dev/null && python3 -c 'import random; random.randbytes' 2>/dev/null || exit 77
unset http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY SSL_CERT_FILE CURL_CA_BUNDLE \
    REQUESTS_CA_BUNDLE HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_TOKEN_PATH HF_HUB_OFFLINE \
    TRANSFORMERS_OFFLINE HF_HUB_DISABLE_IMPLICIT_TOKEN
model=tools/default-model/model.gguf commit=0123456789abcdef0123456789abcdef01234567
tmp=$(mktemp -d)
out=$tmp/out err=$tmp/err log=$tmp/log
mkfifo "$tmp/in" "$tmp/ports"
serve() { # what hub.py is told; it lives as long as this does
    python3 tests/tools/hub.py $model "$log" "$@" <"$tmp/in" >"$tmp/ports" &
    servers="${servers-} $!"
    read -r port storage <"$tmp/ports" || fail "the hub does not start"
}
exec 9<>"$tmp/in"
trap 'kill ${servers-}; rm -rf "$tmp"' EXIT
fail() { echo "test_pull: $*" && sed 's/^/    stderr: /' "$err" && exit 1; }
serve
export HF_ENDPOINT="http://127.0.0.1:$port/" HF_HOME="$tmp/home"
hub=$HF_HOME/hub

# get CODE ARGUMENTS...: the path in $out, progress and complaints in $err
get() {
    expected=$1
    shift
    : >"$log"
    "$pull" --retry-delay 0.02 --timeout 1 "$@" >"$out" 2>"$err" </dev/null
    status=$?
    [ $status = "$expected" ] || fail "exit code $status, expected $expected: infer-pull $*"
}
says() { grep -qF -- "$1" "$err" || fail "nothing says '$1'"; }
asked() { grep -qF -- "$1" "$log" || fail "nobody asked for '$1': $(cat "$log")"; }
silent() { [ ! -s "$log" ] || fail "somebody asked: $(cat "$log")"; }
unfetched() { ! grep -q signature "$log" || fail "fetched once more: $(cat "$log")"; }
lands() { # repository, path, checksum of the content
    where=$hub/models--org--$1/snapshots/$commit/$2
    [ "$(cat "$out")" = "$where" ] || fail "the path is $(cat "$out"), expected $where"
    [ "$(sha256sum <"$where")" = "$3  -" ] || fail "$where has another content"
}
sum=$(sha256sum <$model | cut -d' ' -f1)

# A model: its path, a link to a blob that is named by its checksum, the branch, the mark of a cache.
get 0 org/model
lands model model-Q4_K_M.gguf "$sum"
[ "$(readlink "$(cat "$out")")" = "../../blobs/$sum" ] || fail "the link leads to $(readlink "$(cat "$out")")"
[ "$(cat "$hub/models--org--model/refs/main")" = $commit ] || fail "refs/main is wrong"
grep -q ^Signature: "$hub/CACHEDIR.TAG" || fail "no mark of a cache"
[ ! -e "$hub/models--org--model/blobs/$sum.incomplete" ] || fail "something is left behind"
says 'fetching model-Q4_K_M.gguf, 3.5 MB'
"${BUILD:-build}/infer-inspect" "$(cat "$out")" >/dev/null || fail "infer-inspect does not open it"

# What is there is not fetched again: not by another name either, nor asked for where there is to be no network.
get 0 org/model
unfetched
[ ! -s "$err" ] || fail "says something"
get 0 hf.co/org/model:q8_0@v1
lands model model-Q8_0.gguf "$sum"
unfetched
[ "$(cat "$hub/models--org--model/refs/v1")" = $commit ] || fail "refs/v1 is wrong"
get 0 org/model@refs/pr/1 -q
[ -e "$hub/models--org--model/refs/refs/pr/1" ] || fail "refs/refs/pr/1 is missing"
get 0 --offline org/model:Q8_0
lands model model-Q8_0.gguf "$sum"
silent
HF_HUB_OFFLINE=1 get 0 org/model@$commit
silent
get 1 --offline org/split
says "org/split@main is not in the cache $hub"
get 1 --offline org/model@v2
HF_ENDPOINT=http://127.0.0.1:1 get 0 org/model
says 'using what is in the cache'
HF_ENDPOINT=http://127.0.0.1:1 get 1 --retries 1 org/split
says 'connect'

# Split files, folders and odd names, directories, hubs that say names only.
get 0 org/split
[ "$(ls "$(dirname "$(cat "$out")")" | wc -l)" = 3 ] || fail "not all parts are there"
get 0 org/folder
where="$hub/models--org--folder/snapshots/$commit/sub dir/model#1-Q8_0.gguf"
[ "$(cat "$out")" = "$where" ] && [ "$(wc -c <"$where")" = 3000025 ] || fail "sub dir: $(cat "$out")"
get 0 org/directory
[ "$(cat "$out")" = "$hub/models--org--directory/snapshots/$commit" ] || fail "directory: $(cat "$out")"
(cd "$(cat "$out")" && find . -type l | sort) >"$tmp/found"
[ "$(tr '\n' ' ' <"$tmp/found")" = "./1_Pooling/config.json ./config.json ./merges.txt \
./model-00001-of-00002.safetensors ./model-00002-of-00002.safetensors ./model.safetensors.index.json \
./tokenizer.json " ] || fail "the directory has $(cat "$tmp/found")"
for file in $(cat "$tmp/found"); do
    [ -e "$(cat "$out")/$file" ] || fail "$file leads nowhere"
done
rm "$hub/models--org--directory/snapshots/$commit/model-00002-of-00002.safetensors"
get 1 --offline org/directory
says 'part 2 of 2 is not there'
get 0 org/directory
unfetched
get 0 org/old
large=$(basename "$(readlink "$(cat "$out")")")
lands old model-Q4_K_M.gguf "$large"
get 0 org/model --hf-file readme.MD
[ "$(basename "$(cat "$out")")" = README.md ] || fail "--hf-file: $(cat "$out")"

# Transfers that break off are gone on with, in one run and from one to the next; damage is noticed.
get 0 org/breaks
lands breaks model-Q4_K_M.gguf "$large"
asked 'bytes=1200000-'
asked 'bytes=2400000-'
get 0 org/no-ranges
lands no-ranges model-Q4_K_M.gguf "$large"
begin=$(date +%s%N)
get 0 org/stalls
lands stalls model-Q4_K_M.gguf "$large"
says 'nothing came for 1 seconds'
[ $((($(date +%s%N) - begin) / 1000000)) -lt 15000 ] || fail "waits for a server that says nothing"
get 0 org/busy
lands busy model-Q4_K_M.gguf "$large"
says '429 (too many requests); trying again'
blobs=$hub/models--org--model/blobs
rm "$blobs/$sum"
head -c 1000000 $model >"$blobs/$sum.incomplete"
get 0 org/model
lands model model-Q4_K_M.gguf "$sum"
asked 'bytes=1000000-'
rm "$blobs/$sum"
head -c 1000000 /dev/zero >"$blobs/$sum.incomplete"
get 0 org/model
lands model model-Q4_K_M.gguf "$sum"
rm "$blobs/$sum"
cp $model "$blobs/$sum.incomplete"
get 0 org/model
lands model model-Q4_K_M.gguf "$sum"
unfetched
rm "$blobs/$sum"
cat $model $model >"$blobs/$sum.incomplete"
get 0 org/model
lands model model-Q4_K_M.gguf "$sum"

# So does a disk that takes no more.
rm "$blobs/$sum"
: >"$log"
(trap '' XFSZ && ulimit -f 1500 && exec "$pull" org/model) >"$out" 2>"$err"
[ $? = 1 ] || fail "no exit code 1 where no more can be written"
says 'File too large'
[ -s "$blobs/$sum.incomplete" ] || fail "what could be written is gone"
get 0 org/model
lands model model-Q4_K_M.gguf "$sum"
grep -q 'bytes=[1-9][0-9]*-' "$log" || fail "all of it is fetched again"

# Ctrl-C leaves what has come.
: >"$log"
"$pull" -q org/slow >"$out" 2>"$err" &
client=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ "$(cat "$hub"/models--org--slow/blobs/*.incomplete 2>/dev/null | wc -c)" -lt 1200000 ] || break
    sleep 0.1
done
kill -TERM $client # as Ctrl-C, which shells have background jobs ignore
wait $client
[ $? = 130 ] || fail "no exit code 130 after a signal"
says 'goes on with it'
[ "$(wc -c <"$hub/models--org--slow/blobs/$large.incomplete")" -ge 1200000 ] || fail "what has come is gone"

# Two at a time: one fetches, the other waits.
: >"$log"
"$pull" -q org/shared >"$out" 2>"$err" &
client=$!
"$pull" -q org/shared >"$tmp/second" 2>"$err" || fail "the second of two fails"
wait $client || fail "the first of two fails"
cmp "$out" "$tmp/second" || fail "two at a time get two paths"
[ "$(grep -c 'GET /org/shared/.*signature' "$log")" = 1 ] || fail "fetched twice: $(cat "$log")"

# What cannot be had is told, with what to do; nothing gets a name.
none() { # repository, what is said
    get 1 "org/$1" --retries 2
    says "$2"
    [ -z "$(ls "$hub/models--org--$1/snapshots" 2>/dev/null)" ] || fail "org/$1 has left a version"
}
none wrong "expected $large"
[ -z "$(ls "$hub/models--org--wrong/blobs")" ] || fail "what came wrong is kept"
none longer 'sends more than the 3000017 bytes'
none shorter 'ends after 1000 of 3000017 bytes'
none down '503'
none huge 'has room for'
none loops 'leads on for more than'
none leaves 'leads to file:///etc/passwd'
none other-range 'sends bytes from 5'
none evil 'expected a path within the repository'
[ -z "$(find "$tmp" -name 'evil*')" ] || fail "a file lies outside the cache"
none nothing 'has no model'
none no-json 'is no JSON'
none bad-commit 'sha is ../../..'
none gated "accept them at http://127.0.0.1:$port/org/gated, then set HF_TOKEN"
none private 'set HF_TOKEN'
none disabled 'was disabled by the hub'
none forbidden 'refuses it: Not ?[31mtoday; set HF_TOKEN to a token that may read it'
none missing "is not at http://127.0.0.1:$port"
get 1 org/model@v9
says 'org/model has no branch, tag or commit v9'
get 1 org/model:q2_k
says 'it has model-Q4_K_M.gguf, model-Q8_0.gguf'
get 1 org/model -hff x.gguf
says 'org/model has no file x.gguf'
HF_TOKEN=hf_bad get 1 org/private
says 'the hub does not know the token'
HF_TOKEN=hf_bad get 1 org/gated
says 'use a token of that account'
HF_TOKEN='two
lines' get 1 org/model
says 'the token'

# The token goes to the hub, from wherever it comes, and nowhere else.
HF_TOKEN=hf_good get 0 org/private
grep -q 'resolve.*Bearer hf_good' "$log" || fail "the token is not sent"
! grep 'signature' "$log" | grep -q Bearer || fail "the token is sent elsewhere: $(cat "$log")"
rm -r "$hub/models--org--private"
get 0 org/private --hf-token hf_good
rm -r "$hub/models--org--private"
echo hf_good >"$HF_HOME/token"
get 0 org/private
HF_HUB_DISABLE_IMPLICIT_TOKEN=1 get 1 org/private

# Files from anywhere; all parts of a split one.
url=http://127.0.0.1:$port/files
HF_ENDPOINT=http://127.0.0.1:$storage get 0 "$url/my-model.gguf?key=1"
[ "$(wc -c <"$(cat "$out")")" = 3000013 ] || fail "a URL: $(cat "$out")"
! grep -q Bearer "$log" || fail "the token is sent to who is not the hub"
path=$(cat "$out")
HF_ENDPOINT=http://127.0.0.1:$storage get 0 --offline "$url/my-model.gguf?key=2"
[ "$(cat "$out")" = "$path" ] || fail "offline it is $(cat "$out")"
HF_ENDPOINT=http://127.0.0.1:$storage get 0 "$url/a-00002-of-00003.gguf"
(cd "$(dirname "$(cat "$out")")" && cat a-00001-of-00003.gguf a-00002-of-00003.gguf a-00003-of-00003.gguf) |
    tail -c 21 | grep -q '^.*a-00003-of-00003.gguf$' || fail "parts: $(cat "$out")"
HF_ENDPOINT=http://127.0.0.1:$storage get 1 "$url/missing.gguf"
says '404'

# A hub that speaks TLS: with a certificate to trust, without one, and leading to where there is none.
if openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$tmp/key" -out "$tmp/certificate" 2>/dev/null; then
    cat "$tmp/certificate" "$tmp/key" >"$tmp/both"
    plain=$port
    serve "$tmp/both"
    HF_ENDPOINT=https://127.0.0.1:$port SSL_CERT_FILE=$tmp/certificate get 0 --cache "$tmp/tls" org/model -hff README.md
    HF_ENDPOINT=https://127.0.0.1:$port SSL_CERT_FILE=$tmp/certificate get 1 --cache "$tmp/tls" org/model
    says "leads to http://127.0.0.1:$storage/org/model/model-Q4_K_M.gguf?signature=1, expected https"
    HF_ENDPOINT=https://127.0.0.1:$port get 1 --cache "$tmp/tls" org/model
    says 'certificate is not one to trust'
    port=$plain
fi

# infer-run takes names of the hub, of its own and in Modelfiles; -m counts more than these.
run() {
    "${BUILD:-build}/infer-run" "$@" -p 'Once upon' -n 8 --temp 0 -t 1 -q -no-cnv >"$tmp/text" 2>"$err" </dev/null ||
        fail "infer-run $*: exit code $?"
    cmp "$tmp/text" "$tmp/expected" >/dev/null || fail "infer-run $* writes $(cat "$tmp/text")"
}
if [ -x "${BUILD:-build}/infer-run" ]; then
    "${BUILD:-build}/infer-run" -m $model -p 'Once upon' -n 8 --temp 0 -t 1 -q -no-cnv >"$tmp/expected" ||
        fail "infer-run"
    rm -r "$hub/models--org--model"
    run -hf org/model:q8_0
    run --hf-repo org/model --hf-file model-q8_0.gguf --offline
    echo 'FROM hf.co/org/model:q8_0' >"$tmp/Modelfile"
    run --offline -m "$tmp/Modelfile"
    echo 'FROM hf.co/org/missing' >"$tmp/Modelfile"
    run --modelfile "$tmp/Modelfile" -m $model
    "${BUILD:-build}/infer-run" -hf org/missing -p a </dev/null 2>"$err" && fail "infer-run has org/missing"
    says "infer-run: org/missing is not at http://127.0.0.1:$port"
    "${BUILD:-build}/infer-run" -hf org/model -m x </dev/null 2>"$err"
    [ $? = 2 ] || fail "-m and -hf together are taken"
fi

# Where the cache is; what would be fetched; wrong usage.
HF_HUB_CACHE=$tmp/other get 0 org/model
case $(cat "$out") in "$tmp"/other/models--org--model/*) ;; *) fail "HF_HUB_CACHE: $(cat "$out")" ;; esac
HF_HOME= XDG_CACHE_HOME=$tmp/xdg get 0 org/model
case $(cat "$out") in "$tmp"/xdg/huggingface/hub/*) ;; *) fail "XDG_CACHE_HOME: $(cat "$out")" ;; esac
HF_HOME= XDG_CACHE_HOME= HOME=$tmp/me get 0 org/model
case $(cat "$out") in "$tmp"/me/.cache/huggingface/hub/*) ;; *) fail "HOME: $(cat "$out")" ;; esac
get 0 --cache "$tmp/third" --dry-run org/split
[ "$(grep -c '3.0 MB  missing  big-Q6_K-0000[123]-of-00003.gguf' "$out")" = 3 ] || fail "--dry-run: $(cat "$out")"
[ ! -e "$tmp/third" ] || fail "--dry-run makes files"
get 0 -n org/split
[ "$(grep -c cached "$out")" = 3 ] || fail "--dry-run: $(cat "$out")"
get 2
get 2 org/model extra
get 1 'org/model:'
says 'expected ORG/REPO'
