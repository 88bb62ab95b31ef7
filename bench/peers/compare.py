"""Fovea beside PyTorch, and beside the bound of its linear layers alone, in one run: training at the study's batches,
inference at batch 1 and 32. Prints a table. The bound's program is built with -DFOVEA_BENCH=ON.

    scripts/peers && .venv/bin/python bench/peers/compare.py [--nets adiencenet,...] [--rounds 3] [--out table.md]

Each round measures all programs one after the other, so that a change of the machine's speed meets all; the table has
the median over rounds and the median of the rounds' ratios.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCHES = {"adiencenet": 50, "caffenet": 50, "googlenet": 32, "vgg16": 10}


def run(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def fovea(net, mode, batch, args, precision):
    return run([str(args.fovea), "bench", "net", net, "--mode", mode, "--batch", str(batch), "--threads",
                str(args.threads), "--seconds", str(args.seconds), "--precision", precision, "--json", "--quiet"])


def bound(net, mode, batch, args):
    return run([str(args.fovea.parents[1] / "bench/fovea_linear_bound"), net, "--mode", mode, "--batch", str(batch),
                "--threads", str(args.threads)])


def torch(net, mode, batch, args, precision):
    return run([sys.executable, str(ROOT / "bench/peers/torch_bench.py"), net, "--mode", mode, "--batch", str(batch),
                "--threads", str(args.threads), "--seconds", str(args.seconds), "--precision", precision])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fovea", type=pathlib.Path, default=ROOT / "build/release/apps/fovea")
    parser.add_argument("--nets", default=",".join(BATCHES))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="a run of its own for bf16; the bound stays "
                        "that of fp32")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    lines = ["| net | mode | batch | Fovea images/s | PyTorch images/s | ratio | bound images/s | of the bound "
             "| PyTorch variant |", "|---|---|---|---|---|---|---|---|---|"]
    for net in args.nets.split(","):
        for mode, batch in (("train", BATCHES[net]), ("forward", 1), ("forward", 32)):
            ours, theirs, bounds, variants = [], [], [], set()
            for _ in range(args.rounds):
                ours.append(fovea(net, mode, batch, args, args.precision)["images_per_s"])
                bounds.append(bound(net, mode, batch, args)["images_per_s"])
                peer = torch(net, mode, batch, args, args.precision)
                theirs.append(peer["images_per_s"])
                variants.add(peer["variant"])
            ratio = statistics.median(a / b for a, b in zip(ours, theirs))
            reached = statistics.median(a / b for a, b in zip(ours, bounds))
            lines.append(f"| {net} | {mode} | {batch} | {statistics.median(ours):.1f} | "
                         f"{statistics.median(theirs):.1f} | {ratio:.2f} | "
                         f"{statistics.median(bounds):.1f} | {reached:.2f} | {', '.join(sorted(variants))} |")
            print(lines[-1], file=sys.stderr)
    table = "\n".join(lines) + "\n"
    if args.out:
        args.out.write_text(table)
    print(table, end="")


if __name__ == "__main__":
    main()
