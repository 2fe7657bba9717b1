#!/usr/bin/env python3
"""Write the seed inputs of the format fuzz targets to tests/fuzz/corpus/NAME/. Run from the repository root."""
import json
import pathlib
import struct

ROOT = pathlib.Path("tests/fuzz/corpus")
ADAPTERS = pathlib.Path("tests/data/adapters")
U8, U32, F32, BOOL, STRING, ARRAY, U64 = 0, 4, 6, 7, 8, 9, 10
TYPE_F32, TYPE_Q4_0 = 0, 2


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def array(kind, values):
    return struct.pack("<IQ", kind, len(values)) + b"".join(values)


def gguf(entries, tensors=(), version=3, alignment=32):
    """tensors: (name, axes, type, offset); their data is zeros up to 128 bytes."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries)) + b"".join(entries)
    for name, axes, kind, offset in tensors:
        head += text(name) + struct.pack(f"<I{len(axes)}QIQ", len(axes), *axes, kind, offset)
    return head + bytes(-len(head) % alignment) + bytes(128 if tensors else 0)


def safetensors(header, n):
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + bytes(n)


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def quantised(config, header, n):
    return json.dumps({"quantization_config": config}).encode() + bytes(1) + safetensors(header, n)


def importance(entries, chunks, dataset):
    """entries: (name, calls, values)"""
    out = struct.pack("<i", len(entries))
    for name, calls, values in entries:
        out += struct.pack("<i", len(name)) + name.encode() + struct.pack(f"<ii{len(values)}f", calls, len(values), *values)
    return out + struct.pack("<ii", chunks, len(dataset)) + dataset.encode()


def session(tokens, n_done, n_out, how, n_page_bytes=0):
    """A saved session of gemma3; `how`: what fuzz_session.c makes right of it."""
    fields = [0] * 10 + [len(tokens), n_done, n_out, 0, 0, 0]
    return bytes([how]) + struct.pack(f"<16Q{len(tokens)}i", *fields, *tokens) + bytes(4 * n_out + n_page_bytes + 8)


def request(path, body):
    return f"POST {path}\n".encode() + json.dumps(body).encode()


SAID = [{"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "x"}]
FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"enum": ["b", 1]}}}}
ITEMS = [{"role": "developer", "content": "be"}, {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
         {"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]},
         {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
         {"type": "function_call_output", "call_id": "1", "output": "x"}]

SEEDS = {
    "request": {
        "chat": request("/v1/chat/completions", {
            "messages": SAID, "tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "auto", "n": 2,
            "stream": True, "stream_options": {"include_usage": True}, "logprobs": True, "top_logprobs": 2}),
        "schema": request("/v1/chat/completions", {
            "messages": SAID[:1], "logit_bias": {"5": -100}, "stop": ["x"],
            "response_format": {"type": "json_schema", "json_schema": {"schema": FUNCTION["parameters"]}}}),
        "completions": request("/v1/completions", {
            "prompt": ["a", [1, 2, 3]], "n": 2, "best_of": 3, "echo": True, "logprobs": 2}),
        "completion": request("/completion", {
            "prompt": [1, "a"], "n_probs": 2, "return_tokens": True, "samplers": ["top_k"], "grammar": 'root ::= "a"'}),
        "infill": request("/infill", {
            "input_prefix": "a", "input_suffix": "b", "input_extra": [{"filename": "c", "text": "d"}]}),
        "responses": request("/v1/responses", {
            "input": ITEMS, "instructions": "be", "tools": [{"type": "function", **FUNCTION}], "stream": True,
            "tool_choice": {"type": "function", "name": "f"}, "reasoning": {"effort": "low"}, "metadata": {"a": "b"},
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "boolean"}}},
            "include": ["message.output_text.logprobs"]}),
        "items": b"GET /v1/responses/resp_000000000000000000000000/input_items?limit=2&order=asc&after=x\n",
        "score": request("/score", {"context": "a", "continuations": ["b", [5]]}),
        "embeddings": request("/v1/embeddings", {"input": ["a", [1, 2]], "encoding_format": "base64", "dimensions": 4}),
        "rerank": request("/v1/rerank", {"query": "a", "documents": ["b", {"text": "c"}], "top_n": 1}),
        "tokenize": request("/tokenize", {"content": "a", "add_special": True, "with_pieces": True}),
        "messages": request("/v1/messages", {
            "max_tokens": 2, "system": [{"type": "text", "text": "be"}], "stream": True, "stop_sequences": ["x"],
            "messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "f", "input_schema": {}}]}),
        "ollama": request("/api/chat", {
            "messages": SAID[:1] + [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 1}}]}],
            "options": {"num_predict": 2, "stop": ["x"]}, "format": "json", "think": True, "keep_alive": "5m"}),
    },
    "gguf": {
        "empty": gguf([]),
        "vocabulary": gguf([
            entry("general.architecture", STRING, text("llama")),
            entry("tokenizer.ggml.tokens", ARRAY, array(STRING, [text("<s>"), text("a"), text("")])),
            entry("tokenizer.ggml.scores", ARRAY, array(F32, [struct.pack("<f", x) for x in (0, -1, -2.5)])),
        ], version=2),
        "tensors": gguf([
            entry("general.alignment", U32, struct.pack("<I", 64)),
            entry("yes", BOOL, b"\1"),
            entry("large", U64, struct.pack("<Q", 1 << 60)),
        ], [("f", (5, 2), TYPE_F32, 64), ("q", (32, 3), TYPE_Q4_0, 0), ("none", (0,), TYPE_F32, 64)], alignment=64),
        "nested": gguf([entry("n", ARRAY, array(ARRAY, [array(ARRAY, [array(U8, [b"a", b"b"])]), array(STRING, [])]))]),
        "overlap": gguf([], [("a", (8,), TYPE_F32, 0), ("b", (9,), TYPE_F32, 0)]),
    },
    "safetensors": {
        "empty": safetensors({}, 0),
        "two": safetensors({"__metadata__": {"format": "pt"}, "b": tensor("BF16", [3, 2], 4, 16),
                            "a": tensor("F32", [], 0, 4)}, 16),
        "axes": safetensors({"t": tensor("U8", [1, 2, 1, 2, 1], 0, 4), "none": tensor("F64", [0, 9], 4, 4)}, 4),
        "overlap": safetensors({"a": tensor("I8", [4], 0, 4), "b": tensor("I8", [4], 3, 7)}, 7),
    },
    "config": {
        "model": json.dumps({"model_type": "llama", "hidden_size": 64, "rms_norm_eps": 1e-5, "tie": True, "pad": None,
                             "rope_scaling": {"rope_type": "longrope", "short_factor": [1, 1.5]},
                             "architectures": ["LlamaForCausalLM"]}).encode(),
        "large": b'{"model_max_length": 1000000000000000019884624838656, "n": [1, 2.0, -3]}',
        "odd": b'{"": 1, "a.b": 1, "a": {"b": [[], {}, null]}, "s": "\\u0000\\ud83d\\ude00", "e": []}',
    },
    "originals": {
        "gptq": quantised({"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True}, {
            "a.qweight": tensor("I32", [4, 8], 0, 128), "a.qzeros": tensor("I32", [1, 1], 128, 132),
            "a.scales": tensor("F16", [1, 8], 132, 148), "a.g_idx": tensor("I32", [32], 148, 276)}, 276),
        "awq": quantised({"quant_method": "awq", "bits": 4, "group_size": -1, "version": "gemm"}, {
            "a.qweight": tensor("I32", [32, 1], 0, 128), "a.qzeros": tensor("I32", [1, 1], 128, 132),
            "a.scales": tensor("BF16", [1, 8], 132, 148)}, 148),
        "fp8": quantised({"quant_method": "fp8", "weight_block_size": [2, 4]}, {
            "a.experts.0.weight": tensor("F8_E4M3", [3, 5], 0, 15), "a.b": tensor("U8", [1], 15, 16),
            "a.experts.0.weight_scale_inv": tensor("F32", [2, 2], 16, 32)}, 32),
        "rows": quantised({"quant_method": "compressed-tensors", "format": "float-quantized"}, {
            "a.weight": tensor("F8_E4M3", [4, 4], 0, 16), "a.weight_scale": tensor("BF16", [4, 1], 16, 24)}, 24),
    },
    "adapter": {
        "lora": (ADAPTERS / "llama-second/lora.gguf").read_bytes(),
        "control": (ADAPTERS / "llama/control.gguf").read_bytes(),
        "peft": (ADAPTERS / "llama-second/adapter_config.json").read_bytes() + b"\0" +
                (ADAPTERS / "llama-second/adapter_model.safetensors").read_bytes(),
    },
    "modules": {
        "three": json.dumps([{"idx": i, "path": path, "type": "sentence_transformers.models." + kind} for i, (path, kind) in
                             enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")])]).encode(),
        "odd": b'[{"type":"Pooling","path":"a"},{"type":"x.Pooling","path":""},{"type":"x.","path":"a"}]',
    },
    "imatrix": {
        "two": importance([("q.weight", 7, (1, 2, 0)), ("e.weight", 0, (0.5,))], 5, "book.txt"),
        "twice": importance([("q", 1, (1,)), ("q", 1, (1,))], 0, ""),
        "negative": importance([("q", 1, (-1,))], 0, ""),
    },
    "gbnf": { # a grammar, a zero, a text
        "tree": b'root ::= "(" root* ")" | word{1,3}\nword ::= [a-z^\\]] [^a-z]? # c\0(a(b)c)',
        "escapes": b'root ::= ("\\x41\\u00e9\\U0001F600\\n" | . )+\0A',
        "left": b'root ::= e root "x" | "y"\ne ::= "e"?',
        "many": b'root ::= ("a"?){100} "a"{0,300}\0aaaa',
    },
    "schema": {
        "object": json.dumps({"type": "object", "properties": {"a": {"type": "integer", "minimum": -3, "maximum": 12.5},
                              "b": {"$ref": "#/$defs/s"}}, "required": ["a"], "patternProperties": {"^x": {"enum": [1, "b"]}},
                              "$defs": {"s": {"anyOf": [{"pattern": "^a+$"}, {"$ref": "#"}], "maxLength": 4}}}).encode()
                  + b'\0{"a": 3}',
        "array": json.dumps({"prefixItems": [{"const": {"k": [None]}}], "items": {"type": ["string", "null"], "format": "date"},
                             "minItems": 1, "not": {"type": "object"}, "type": "array"}).encode() + b'\0[{"k":[null]}]',
        "if": json.dumps({"if": {"properties": {"t": {"const": 1}}}, "then": {"required": ["v"]}, "else": False,
                          "dependentRequired": {"a": ["b"]}, "minProperties": 1, "multipleOf": 0.01}).encode(),
    },
    "session": {
        "empty": session([], 0, 0, 15),
        "waiting": session([3, 4], 0, 0, 15),
        "computed": session([3, 4, 5], 3, 96, 15, 49152), # bytes of a page of all layers
        "rewound": session([3, 4, 5, 6], 3, 0, 15, 49152),
        "foreign": session([3], 0, 0, 14),
        "damaged": session([3], 0, 0, 3),
    },
    "store": { # what fuzz_store.c makes right of the file
        "sound": bytes([15]) + bytes(range(200)),
        "damaged": bytes([11]) + bytes(range(200)),
        "foreign": bytes([14]) + bytes(range(200)),
        "short": bytes([7]) + bytes(range(200)),
        "name": b"kv-0123456789abcdef-0.page.AbCdEf",
    },
    "regex": {
        "classes": b"^(?=.*\\d)[^a-c\\w\\]-]{2,7}(?:x|y+?)*\\p{Lu}$\0ab",
        "escapes": b"\\u00e9\\x41\\u{1F600}\\t\\/(?<n>a|b){3}\0a",
    },
}

for name, seeds in SEEDS.items():
    folder = ROOT / name
    folder.mkdir(parents=True, exist_ok=True)
    for seed, data in seeds.items():
        (folder / seed).write_bytes(data)
