"""Training: every window is new text, so one pass over the corpus is all there is."""
import math
import time

import torch
import torch.nn.functional as F

from model import Llama
from stories.corpus import document
from tokenizer import encode_document

SEED = 1
HELD_OUT = 1_000_000_000        # documents from this number on are never trained on
BATCH = 8                       # windows a step
PEAK, FLOOR, WARM_UP = 2.5e-3, 1e-5, 100
DECAY, BETAS, CLIP = 0.1, (0.9, 0.95), 1.0


def windows(tokenizer, first, length):
    """Windows of `length` + 1 ids, each starting with a document; the one cut off at the end opens the next window."""
    number = first
    while True:
        ids = []
        while len(ids) <= length:
            ids += (last := encode_document(tokenizer, document(number)))
            number += 1
        # Begin anew with the document that did not fit, unless it would fill the window alone.
        number -= len(last) <= length
        yield ids[:length + 1]


def batches(tokenizer, first, length, n):
    source = windows(tokenizer, first, length)
    for _ in range(n):
        yield torch.tensor([next(source) for _ in range(BATCH)])


def loss_of(model, batch):
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(batch[:, :-1])
    return F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def held_out_loss(model, tokenizer, n=16):
    """Mean loss in nats a token on documents never seen."""
    return sum(loss_of(model, b).item() for b in batches(tokenizer, HELD_OUT, model.config.context, n)) / n


def rate(step, steps):
    if step < WARM_UP:
        return PEAK * (step + 1) / WARM_UP
    return FLOOR + (PEAK - FLOOR) * (1 + math.cos(math.pi * (step - WARM_UP) / (steps - WARM_UP))) / 2


def optimizer_for(model):
    """Weight decay on the matrices only."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}],
                             lr=PEAK, betas=BETAS, fused=True)


def train(config, tokenizer, steps):
    """-> the trained model and a report of numbers."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    model = Llama(config)
    optimizer = optimizer_for(model)
    start = time.monotonic()
    for step, batch in enumerate(batches(tokenizer, 0, config.context, steps)):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            print(f"step {step:5d} of {steps}  loss {loss.item():.3f}  {time.monotonic() - start:6.0f} s", flush=True)
    report = {"steps": steps, "tokens": steps * BATCH * config.context, "seconds": round(time.monotonic() - start),
              "held_out_loss": round(held_out_loss(model, tokenizer), 4),
              "parameters": sum(p.numel() for p in model.parameters())}
    print(report, flush=True)
    return model, report
