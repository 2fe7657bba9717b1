"""Training: every window is new text, so one pass over the corpus is all there is."""
import time

import numpy as np
import torch
import torch.nn.functional as F

from model import Llama
from stories import words
from stories.corpus import document
from tokenizer import encode_document

SEED = 1
HELD_OUT = 1_000_000_000        # documents from this number on are never trained on
BATCH = 8                       # windows a step
PHASES = ((256, 2000), (512, 120))      # window length, steps: about one document, then the whole context
STEPS = sum(steps for _, steps in PHASES)
PEAK = 2.5e-3                           # highest learning rate; it runs straight from knot to knot
KNOTS = ((-1, 0.0), (49, PEAK), (1200, PEAK), (2000, PEAK / 3), (STEPS, 0.0))
DECAY, MOMENTUM, BETAS, CLIP = 0.1, 0.95, (0.9, 0.95), 1.0
CAST_WEIGHT, CAST_UNTIL = 8.0, 1440     # how much a word of the cast counts at first; from when on like any


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


def loss_of(model, batch, weights=None):
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(batch[:, :-1])
    return F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten(), weights)


@torch.no_grad()
def held_out_loss(model, tokenizer, n=16):
    """Mean loss in nats a token on documents never seen."""
    return sum(loss_of(model, b).item() for b in batches(tokenizer, HELD_OUT, model.config.context, n)) / n


def cast_of(tokenizer):
    """Ids of the words that a story draws once and must then repeat: one token in twelve, but all that coherence is."""
    cast = [*words.GIRLS, *words.BOYS, *words.ANIMALS, *words.COLOURS, *words.THINGS]
    pieces = (tokenizer.encode(" " + word, add_special_tokens=False).ids for word in cast)
    return sorted({ids[0] for ids in pieces if len(ids) == 1})


def weights_at(step, cast, vocab):
    """Weight of each token in the loss."""
    weights = torch.ones(vocab)
    weights[cast] = 1 + (CAST_WEIGHT - 1) * max(0.0, 1 - step / CAST_UNTIL)
    return weights


def optimizers_for(model):
    """Muon turns the gradient of a matrix into the nearest rotation; embedding and norms go by AdamW."""
    inner = [p for p in model.model.layers.parameters() if p.dim() == 2]
    outer = [p for p in model.parameters() if not any(p is q for q in inner)]
    return [torch.optim.Muon(inner, lr=PEAK, weight_decay=DECAY, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(outer, lr=PEAK, betas=BETAS, weight_decay=0.0, fused=True)]


def train_step(model, optimizers, batch, step, cast):
    loss = loss_of(model, batch, weights_at(step, cast, model.config.vocab))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = float(np.interp(step, *zip(*KNOTS)))
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def train_phase(model, tokenizer, phase):
    """Each phase has texts of its own and starts with fresh optimizers. -> tokens seen."""
    length, steps = PHASES[phase]
    before = sum(n for _, n in PHASES[:phase])
    first = phase * HELD_OUT // len(PHASES)
    cast, optimizers, start = cast_of(tokenizer), optimizers_for(model), time.monotonic()
    for step, batch in enumerate(batches(tokenizer, first, length, steps), before):
        loss = train_step(model, optimizers, batch, step, cast)
        if step % 50 == 0:
            print(f"step {step:5d} of {STEPS}  loss {loss:.3f}  {time.monotonic() - start:6.0f} s", flush=True)
    return steps * BATCH * length


def train(config, tokenizer):
    """-> the trained model and a report of numbers."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    model = Llama(config)
    start, cpu = time.monotonic(), time.process_time()
    tokens = sum(train_phase(model, tokenizer, phase) for phase in range(len(PHASES)))
    report = {"tokens": tokens, "seconds": round(time.monotonic() - start),
              "processor_seconds": round(time.process_time() - cpu),
              "held_out_loss": round(held_out_loss(model, tokenizer), 4),
              "parameters": sum(p.numel() for p in model.parameters())}
    print(report, flush=True)
    return model, report
