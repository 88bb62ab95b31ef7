"""Forward and LRP in Fovea beside Zennit, in one run on the CPU: rules toolbox-100 and EpsilonPlus, batch 1 and 16. Prints a table.

    scripts/peers && .venv/bin/python bench/peers/zennit_compare.py [--nets adiencenet,...] [--rounds 3] [--out table.md]

Each round measures both programs one after the other, so that a change of the machine's speed meets both; the table has
the median over rounds and the median of the rounds' ratios. What Zennit computes: zennit_bench.py.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def fovea(net, rule, batch, args):
    return run([str(args.fovea), "bench", "net", net, "--mode", "relevance", "--rule", rule, "--batch", str(batch),
                "--threads", str(args.threads), "--seconds", str(args.seconds), "--json", "--quiet"])


def zennit(net, rule, batch, args):
    return run([sys.executable, str(ROOT / "bench/peers/zennit_bench.py"), net, "--rule", rule, "--batch", str(batch),
                "--threads", str(args.threads), "--seconds", str(args.seconds)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fovea", type=pathlib.Path, default=ROOT / "build/release/apps/fovea")
    parser.add_argument("--nets", default="adiencenet,caffenet,googlenet,vgg16")
    parser.add_argument("--rules", default="toolbox-100,EpsilonPlus")
    parser.add_argument("--batches", default="1,16")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    lines = ["| net | rule | batch | Fovea images/s | Zennit images/s | ratio | Zennit variant |", "|---|---|---|---|---|---|---|"]
    for net in args.nets.split(","):
        for rule in args.rules.split(","):
            for batch in map(int, args.batches.split(",")):
                ours, theirs, variants = [], [], set()
                for _ in range(args.rounds):
                    ours.append(fovea(net, rule, batch, args)["images_per_s"])
                    peer = zennit(net, rule, batch, args)
                    theirs.append(peer["images_per_s"])
                    variants.add(peer["variant"])
                ratio = statistics.median(a / b for a, b in zip(ours, theirs))
                lines.append(f"| {net} | {rule} | {batch} | {statistics.median(ours):.1f} | {statistics.median(theirs):.2f} | "
                             f"{ratio:.1f} | {', '.join(sorted(variants))} |")
                print(lines[-1], file=sys.stderr, flush=True)
    table = "\n".join(lines) + "\n"
    if args.out:
        args.out.write_text(table)
    print(table, end="")


if __name__ == "__main__":
    main()
