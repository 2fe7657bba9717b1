#!/usr/bin/env python3
"""peer.py FOLDER FILE.gguf: what llama.cpp computes with the file for FOLDER/ids.json must be FOLDER/logits.npy."""
import ctypes
import json
import sys

import llama_cpp
import numpy as np

TOLERANCE = 2e-4  # of the reference's standard deviation

folder, path = sys.argv[1:]
quiet = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
llama_cpp.llama_backend_init()
model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
if not model:
    sys.exit(f"{path}: llama.cpp does not load it")
settings = llama_cpp.llama_context_default_params()
settings.n_ctx = settings.n_batch = 64
settings.n_threads = 1
settings.type_k = settings.type_v = 0  # f32
settings.flash_attn_type = 0
context = llama_cpp.llama_init_from_model(model, settings)
ids = json.load(open(f"{folder}/ids.json"))
batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
for i, token in enumerate(ids):
    batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
    batch.seq_id[i][0] = 0
batch.n_tokens = len(ids)
if llama_cpp.llama_decode(context, batch):
    sys.exit(f"{path}: llama.cpp does not run it")
want = np.load(f"{folder}/logits.npy")
got = np.array([np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, i), shape=want.shape[1:]).copy()
                for i in range(len(ids))])
away = np.abs(got - want).max() / want.std()
if not away <= TOLERANCE:
    sys.exit(f"{path}: llama.cpp is {away:.2g} standard deviations away, expected {TOLERANCE} at most")
