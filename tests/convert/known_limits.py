"""Where llama.cpp cannot follow what infer-convert writes of tests/data/tiny, and why; all else must agree.

Places are those of llama.cpp in llama-cpp-python 0.3.36, below vendor/llama.cpp/src. Cases named after a model's size
have that model's shape.
"""

# infer-convert itself refuses: words of its sentence, and the reason.
UNWRITTEN = {
    "bert-dense": ("dense.0.linear.bias has no place",
                   "GGUF has places for dense layers without biases and activations only"),
    "colbert": ("linear.weight has no place", "GGUF has no place for ColBERT's projection"),
}

# llama.cpp does not load: words of what it says, and the reason.
REFUSED = {
    "bailingmoe": ("'blk.0.ffn_gate_inp.weight' not found",
                   "models/bailingmoe.cpp:39 reads a router in every layer; Ling's models have one, as ling-lite"),
    "bailingmoe2": ("'blk.0.attn_qkv.weight' has wrong shape",
                    "models/bailingmoe2.cpp:46 takes heads to be hidden_size wide together, as they are in"
                    " ling-mini-2"),
    "deepseek2": ("key not found in model: deepseek2.attention.q_lora_rank",
                  "models/deepseek2.cpp:8 knows models without query compression by having 26, 27 or 48 layers, as"
                  " deepseek2-lite has"),
    "dots1": ("'blk.0.attn_k.weight' has wrong shape",
              "models/dots1.cpp:34 takes as many heads of keys as of queries, as there are in dots1-142b"),
    "falcon": ("wrong number of tensors",
               "models/falcon.cpp:38 to 42 reads no biases; Falcon's models have none, as falcon-7b"),
    "glm": ("'blk.0.attn_output.weight' has wrong shape",
            "models/chatglm.cpp:47 takes heads to be hidden_size wide together, as they are in glm-9b"),
    "gptj": ("unsupported model architecture: 'gptj'",
             "llama-model.cpp:350 makes no model of it: llama-arch.cpp has the name alone"),
    "internlm2": ("wrong number of tensors",
                  "models/internlm2.cpp:29 reads no bias of attn_output; InternLM's models have none, as internlm2-7b"),
    "olmoe": ("'blk.0.attn_k_norm.weight' has wrong shape",
              "models/olmoe.cpp:28 takes the norm of keys to be hidden_size wide, as it is in olmoe-7b"),
    "qwen3moe": ("'blk.0.ffn_gate_inp.weight' not found",
                 "models/qwen3moe.cpp:40 reads a router in every layer; Qwen's models have one, as qwen3moe-30b"),
}

# llama.cpp computes something else, which is in tests/data/llama-cpp/NAME.npy: the reason.
OTHERWISE = {
    "baichuan": "models/baichuan.cpp:5 and 77 to 95 rotate only in models of 32 layers, as baichuan-7b",
    "deepseek2-236b": "llama-graph.cpp:2103 to 2107 ranks groups by their best two experts; DeepSeek V2, and"
                      " transformers' DeepseekV2TopkRouter, by the best one",
    "embeddinggemma": "llama.cpp puts each token through the dense layers that are for a text's vector; vectors agree",
    "exaone4": "models/exaone4.cpp:4 to 12 has windows, and layers without rotation, only in models of 64 layers, as"
               " exaone4-32b",
    "gemma2": "models/gemma2.cpp:25 to 27 takes the query's scale from the number of layers, as it is in gemma2-2b and"
              " gemma2-27b",
    "gpt-oss-20b": "../ggml/src/ggml.c:4486 and 4487 put YaRN's range on whole dimensions; gpt-oss says"
                   " truncate: false",
    "mistral": "models/llama.cpp has no window; Mistral 7B v0.1 has one, and transformers' MistralModel",
    "phimoe": "models/phi3.cpp:99, 137 and 174 has RMS norms, and 153 routes by a soft-max; the makers' code, and"
              " transformers' PhimoeDecoderLayer, has layer norms and the sparse mixer",
    "qwen2vl": "models/qwen2vl.cpp:3 to 6 does not read the norms' epsilon, so that it is 0; it is 1e-6 in qwen2vl-2b,"
               " and hardly shows",
    "qwen3vl": "../ggml/src/ggml-cpu/ops.cpp:6256 to 6265 lets points past three times a section stand still; in"
               " transformers they turn with the first kind of position",
}

# Of these, GELU comes from a table of f16 numbers (../ggml/src/ggml-cpu/vec.h, ggml_vec_gelu_f32), also where it has
# another form than the one with tanh. In NAME.npy it does, too; what differs then by a rounding may fall to the next
# number of the table.
TABLED = {
    "bert", "bert-rank", "camembert", "codeshell", "distilbert", "embeddinggemma", "falcon-7b", "falcon-new", "gemma",
    "gemma2", "gemma2-2b", "gemma2-27b", "gemma3", "gpt2", "gptneox", "gptneox-fast", "jina-embeddings-v3",
    "modernbert", "phi2", "roberta", "starcoder", "starcoder2", "xlm-roberta", "xlm-roberta-rank",
}
