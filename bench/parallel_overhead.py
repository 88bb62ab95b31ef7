"""Images per second of the trainer beside the bare loop, and of two ranks beside one. Prints Markdown rows.

    cmake --build build/release --target fovea
    python3 bench/parallel_overhead.py [--nets adiencenet,caffenet] [--rounds 5] [--fovea PATH] [--threads 2]

Draws synthetic faces and trains each net on them at the study's crop and batch, for a few iterations a time, in turns:
`fovea bench net --mode train` (forward, backward and update on resident data, all threads), `fovea train` (one process, all threads)
and `mpirun -n 2 fovea train` (half of them for each rank). A rate is the median over the display intervals of a run behind the first;
a figure the median of the rounds, a ratio that of the rounds' ratios.

On a machine that others use, wall time says little. So the CPU time of an image, of all threads and ranks together, stands beside it: what
a run of all iterations takes more than one of five, without start-up. Threads sleep at barriers (OMP_WAIT_POLICY=passive), or waiting
would count as work.
"""
import argparse
import datetime
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
BATCHES = {"adiencenet": 50, "caffenet": 50, "googlenet": 32, "vgg16": 10}
CROPS = {"adiencenet": 227, "caffenet": 227, "googlenet": 224, "vgg16": 224}


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def prepare(args, work):
    run([args.fovea, "data", "synth", "--out", work / "faces", "--count", 300, "--size", 256, "--quiet"])
    run([args.fovea, "data", "adience", "--images", work / "faces", "--folds", work / "faces", "--out", work / "faces.fovea", "--quiet"])


def cpu_seconds(action):
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    before = used()
    result = action()
    return result, used() - before


def trained(args, work, net, ranks):
    """Images per second, and CPU milliseconds of an image."""
    batch = args.batch or BATCHES[net]
    _, start = cpu_seconds(lambda: train(args, work, net, batch, ranks, 5))
    rate, whole = cpu_seconds(lambda: train(args, work, net, batch, ranks, args.iterations))
    return rate, 1000 * (whole - start) / ((args.iterations - 5) * batch)


def train(args, work, net, batch, ranks, iterations):
    config = {"net": net, "target": "age", "data": {"batch": batch, "crop": CROPS[net]},
              "solver": {"base_lr": 1e-6, "policy": "fixed", "max_iter": iterations, "snapshot": 0, "display": iterations // 5}}
    (work / "config.json").write_text(json.dumps(config))
    out = work / "run"
    shutil.rmtree(out, ignore_errors=True)
    cores = args.threads // ranks
    launcher = ["mpirun", "-n", ranks, "--allow-run-as-root", "--map-by", f"slot:PE={cores}"] if ranks > 1 else []
    run(launcher + [args.fovea, "train", work / "config.json", "--data", work / "faces.fovea", "--fold", 0, "--out", out, "--device", "cpu",
                    "--threads", cores, "--quiet"])
    entries = [json.loads(line) for line in (out / "fold0/log.jsonl").read_text().splitlines()[1:]]
    return statistics.median(entry["images_per_s"] for entry in entries[1:])


def bare(args, net):
    return json.loads(run([args.fovea, "bench", "net", net, "--mode", "train", "--batch", args.batch or BATCHES[net], "--seconds",
                           args.seconds, "--threads", args.threads, "--device", "cpu", "--json", "--quiet"]))["images_per_s"]


def ratio(rounds):
    values = sorted(rounds)
    return f"{statistics.median(values):.3f} ({values[0]:.2f} .. {values[-1]:.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default="adiencenet,caffenet")
    parser.add_argument("--fovea", type=pathlib.Path, default=ROOT / "build/release/apps/fovea")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=25, help="of each run, in five display intervals; a multiple of 5, 10 or more")
    parser.add_argument("--seconds", type=float, default=8, help="of each run of the bare loop")
    parser.add_argument("--batch", type=int, default=0, help="images at once; 0: the study's")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    os.environ["OMP_WAIT_POLICY"] = "passive"
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, load at the start {os.getloadavg()[0]:.1f}\n")
    print("| net | bare loop images/s | trainer | ratio (rounds) | 2 ranks | of the trainer (rounds) | CPU ms of an image: trainer | "
          "2 ranks | ratio (rounds) |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        prepare(args, work)
        for net in args.nets.split(","):
            rounds = [(bare(args, net), trained(args, work, net, 1), trained(args, work, net, 2)) for _ in range(args.rounds)]
            loop, one, one_cpu, two, two_cpu = (
                statistics.median(column) for column in zip(*((a, *b, *c) for a, b, c in rounds)))
            print(f"| {net} | {loop:.1f} | {one:.1f} | {ratio(b[0] / a for a, b, _ in rounds)} | {two:.1f} | "
                  f"{ratio(c[0] / b[0] for _, b, c in rounds)} | {one_cpu:.2f} | {two_cpu:.2f} | "
                  f"{ratio(c[1] / b[1] for _, b, c in rounds)} |", flush=True)


if __name__ == "__main__":
    main()
