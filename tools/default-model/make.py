#!/usr/bin/env python3
"""Make libinfer's default model: stories -> vocabulary -> training -> model.gguf and its BF16 original.

Everything follows from fixed seeds. The corpus is generated while training runs and never written to disk.
"""
import argparse
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAGES = ("train", "export", "check", "sample")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="STAGE", default=STAGES,
                        help=f"what to do, in this order: {', '.join(STAGES)} (default: all); "
                             "or 'corpus', to print some documents")
    parser.add_argument("--threads", type=int, default=2, help="processor threads (default: %(default)s)")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/default-model",
                        help="where the checkpoint is kept (default: build/default-model)")
    parser.add_argument("--gguf", type=pathlib.Path, default=ROOT / "tools/default-model/model.gguf",
                        help="the GGUF to write")
    parser.add_argument("--hf", type=pathlib.Path, default=ROOT / "tests/data/default-model",
                        help="the BF16 directory to write")
    args = parser.parse_args()
    if unknown := set(args.stages) - {*STAGES, "corpus"}:
        parser.error(f"no such stage: {', '.join(unknown)}")
    return args


def print_corpus(n=20):
    from stories.corpus import document
    for number in range(n):
        text = document(number)
        print(text if isinstance(text, str) else "\n".join(f"<{role}> {said}" for role, said in text),
              end="\n\n----\n\n")


def train_stage(args):
    # A thread that waits by spinning keeps its partner off the core when others use the machine too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch
    import tokenizer
    import train
    from model import Config
    from stories.corpus import document
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    config = Config()
    vocabulary = tokenizer.train(map(document, range(20_000)), config.vocab)
    vocabulary.save(str(args.work / "tokenizer.json"))
    model, report = train.train(config, vocabulary)
    torch.save(model.state_dict(), args.work / "checkpoint.pt")
    (args.work / "report.json").write_text(json.dumps(report, indent=2) + "\n")


def main():
    args = arguments()
    if "corpus" in args.stages:
        print_corpus()
    if "train" in args.stages:
        train_stage(args)
    if "export" in args.stages:
        import export
        export.export(args.work, args.hf, args.gguf)
    if "check" in args.stages:
        import check
        check.check(args.hf, args.gguf)
    if "sample" in args.stages:
        import sample
        sample.sample(args.hf)


if __name__ == "__main__":
    sys.exit(main())
