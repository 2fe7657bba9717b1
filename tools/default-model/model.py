"""The network: a small llama, with the names and the rotary layout of Hugging Face's LlamaForCausalLM.

Its state dict is what `transformers` loads from model.safetensors; nothing is renamed on export.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Config:
    vocab: int = 1024
    hidden: int = 256       # every matrix row is a multiple of 256 wide, so that all block formats fit
    ffn: int = 512
    layers: int = 5
    heads: int = 8
    kv_heads: int = 4
    context: int = 512
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5

    @property
    def head_dim(self):
        return self.hidden // self.heads


class RMSNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps)


def rope_table(config):
    """cos and sin, (context, head_dim): both halves of a head turn by the same angles."""
    pair = torch.arange(0, config.head_dim, 2).float()
    angle = torch.outer(torch.arange(config.context).float(), config.rope_theta ** (-pair / config.head_dim))
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Turn the pairs (i, i + head_dim / 2) of each head; x (batch, heads, positions, head_dim)."""
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-high, low), dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        kv = config.kv_heads * config.head_dim
        self.head_dim = config.head_dim
        self.group = config.heads // config.kv_heads
        self.q_proj = nn.Linear(config.hidden, config.hidden, bias=False)
        self.k_proj = nn.Linear(config.hidden, kv, bias=False)
        self.v_proj = nn.Linear(config.hidden, kv, bias=False)
        self.o_proj = nn.Linear(config.hidden, config.hidden, bias=False)

    @torch.no_grad()
    def start_as_copy(self, strength=0.3):
        """o = strength * v transposed: what is looked at is copied, so that training need only learn where to look.
        From random matrices it must find both at once, and for millions of tokens finds neither."""
        nn.init.orthogonal_(self.v_proj.weight)
        v = self.v_proj.weight.unflatten(0, (-1, self.head_dim)).repeat_interleave(self.group, dim=0)
        self.o_proj.weight.copy_(strength * v.flatten(0, 1).T)

    def forward(self, x, cos, sin):
        batch, n, _ = x.shape
        q, k, v = (p(x).view(batch, n, -1, self.head_dim).transpose(1, 2)
                   for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (t.repeat_interleave(self.group, dim=1) for t in (k, v))
        y = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(batch, n, -1))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.ffn, bias=False)
        self.up_proj = nn.Linear(config.hidden, config.ffn, bias=False)
        self.down_proj = nn.Linear(config.ffn, config.hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden, config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden, config.norm_eps)
        self.mlp = FeedForward(config)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Stack(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab, config.hidden)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.norm_eps)


class Llama(nn.Module):
    """Tied embeddings: the output matrix is the embedding matrix."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.model = Stack(config)
        cos, sin = rope_table(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                std = weight.shape[1] ** -0.5
                nn.init.normal_(weight, std=std / (2 * config.layers) ** 0.5 if "down_proj" in name else std)
        for layer in self.model.layers:
            layer.self_attn.start_as_copy()

    def forward(self, ids):
        """ids (batch, n) -> logits (batch, n, vocab)."""
        n = ids.shape[1]
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, self.cos[:n], self.sin[:n])
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight)
