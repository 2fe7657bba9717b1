"""Export: the Hugging Face directory in BF16, and from those same rounded weights the GGUF in Q8_0."""
import json

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from model import Config
from tokenizer import CHAT_TEMPLATE, SPECIALS, TEXT_END, TURN_END

NAME = "libinfer default (stories)"
ABOUT = ("A very small llama that writes short stories and answers questions about them; "
         "trained from scratch on the output of a grammar.")

# Hugging Face name -> GGUF name, within layer {}
LAYER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def names(config):
    """Pairs (Hugging Face name, GGUF name) of all tensors. The output matrix is the embedding (tied), so it is not "
    "there."""
    yield "model.embed_tokens.weight", "token_embd.weight"
    yield "model.norm.weight", "output_norm.weight"
    for i in range(config.layers):
        for theirs, ours in LAYER.items():
            yield f"model.layers.{i}.{theirs}.weight", f"blk.{i}.{ours}.weight"


def heads_of(name, config):
    """How many heads turn by the rotary embedding in this matrix; 0 for all others."""
    return config.heads if "attn_q." in name else config.kv_heads if "attn_k." in name else 0


def interleave(weight, heads):
    """Rows of a head from (i, i + half) to (2i, 2i + 1): GGUF's llama turns neighbouring pairs."""
    rows, width = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def halve(weight, heads):
    """The way back."""
    rows, width = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, width).swapaxes(1, 2).reshape(rows, width)


def hf_config(config):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 0, "eos_token_id": 0, "head_dim": config.head_dim, "hidden_act": "silu",
        "hidden_size": config.hidden,
        "initializer_range": 0.02, "intermediate_size": config.ffn, "max_position_embeddings": config.context,
        "mlp_bias": False,
        "num_attention_heads": config.heads, "num_hidden_layers": config.layers, "num_key_value_heads": config.kv_heads,
        "rms_norm_eps": config.norm_eps, "rope_scaling": None, "rope_theta": config.rope_theta,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16", "use_cache": True, "vocab_size": config.vocab,
    }


def tokenizer_config(config):
    return {
        "add_bos_token": True, "add_eos_token": False, "bos_token": TEXT_END, "eos_token": TEXT_END,
        "chat_template": CHAT_TEMPLATE, "clean_up_tokenization_spaces": False, "model_max_length": config.context,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def write_hf(folder, weights, tokenizer, config):
    folder.mkdir(parents=True, exist_ok=True)
    stops = [tokenizer.token_to_id(TEXT_END), tokenizer.token_to_id(TURN_END)]
    files = {
        "config.json": hf_config(config), "tokenizer_config.json": tokenizer_config(config),
        "generation_config.json": {"bos_token_id": stops[0], "do_sample": True, "eos_token_id": stops,
                                   "temperature": 0.7},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)


def add_metadata(writer, config):
    writer.add_type("model")
    writer.add_name(NAME)
    writer.add_description(ABOUT)
    writer.add_license("mit")
    writer.add_size_label("3.2M")
    writer.add_languages(["en"])
    writer.add_tags(["text-generation", "stories"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocab)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.hidden)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.ffn)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_dimension_count(config.head_dim)


def add_vocabulary(writer, tokenizer):
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if t in SPECIALS else gguf.TokenType.NORMAL for t in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(tokenizer.token_to_id(TEXT_END))
    writer.add_eos_token_id(tokenizer.token_to_id(TEXT_END))
    writer.add_eot_token_id(tokenizer.token_to_id(TURN_END))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_gguf(path, weights, tokenizer, config):
    writer = gguf.GGUFWriter(path, "llama")
    add_metadata(writer, config)
    add_vocabulary(writer, tokenizer)
    for theirs, ours in names(config):
        weight = weights[theirs].float().numpy()
        if heads := heads_of(ours, config):
            weight = interleave(weight, heads)
        if weight.ndim == 1:
            writer.add_tensor(ours, weight)
        else:
            q8 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(ours, gguf.quants.quantize(np.ascontiguousarray(weight), q8), raw_dtype=q8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def export(work, hf_folder, gguf_path):
    config = Config()
    state = torch.load(work / "checkpoint.pt")
    weights = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in state.items()}
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    write_hf(hf_folder, weights, tokenizer, config)
    write_gguf(gguf_path, weights, tokenizer, config)
    for path in (gguf_path, hf_folder / "model.safetensors"):
        print(f"{path.name}: {path.stat().st_size:,} bytes")
