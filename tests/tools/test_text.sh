#!/bin/sh
# infer-text's operations on conversations: one JSON object a line in, one a line out, and a mistake ends nothing.
set -u
text=${BUILD:-build}/infer-text
[ -x "$text" ] || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "test_text: $*" && exit 1; }

cat >"$dir/in" <<'END'
{"op":"render","template":"{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{{ x }}{{ tools }}{{ add_generation_prompt }}","messages":[{"role":"user","content":"h\u00e9"}],"tools":null,"add_generation_prompt":true,"bos_token":"<s>","extra":{"x":1.5}}
{"op":"render","template":"{{ strftime_now('%d %b %Y %H:%M:%S') }}{{ add_generation_prompt }}","messages":[],"now":"2026-01-02T03:04:05"}
{"op":"render","template":"{{ raise_exception('never') }}","messages":[]}
{"op":"render","template":"x","messages":5}
{"op":"render","messages":[]}
{"op":"jinja","template":"{{ messages is defined }}{{ a | tojson }}","vars":{"a":{"z":1,"b":[null]}}}
{"op":"jinja","template":"{% if %}","vars":{}}
{"op":"parse","format":"hermes","text":"<think>a</think>b<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>"}
{"op":"parse","template":"x [TOOL_CALLS]","text":"[TOOL_CALLS]f[ARGS]{}"}
{"op":"parse","format":"hermes"}
END
cat >"$dir/want" <<'END'
{"text":"<s>[user]hé1.5NoneTrue"}
{"text":"02 Jan 2026 03:04:05False"}
{"error":"template line 1: never"}
{"error":"\"messages\" is no array"}
{"error":"\"template\" is no string"}
{"text":"False{\"z\": 1, \"b\": [null]}"}
{"error":"template line 1: expected an expression, found %}"}
{"message":{"role":"assistant","content":"b","reasoning_content":"a","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]}}
{"message":{"role":"assistant","content":null,"tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]}}
{"error":"there is neither \"text\" nor \"text_hex\", or it is no string"}
END
"$text" "$dir/in" >"$dir/out" || fail "exit code $?"
diff "$dir/want" "$dir/out" || fail "other answers"
