"""The data store beside LMDB, FFCV and a plain copy, in one run. Prints Markdown tables.

    cmake -S . -B build/release -DFOVEA_BENCH=ON && cmake --build build/release
    .venv/bin/python bench/peers/data_compare.py [--count 4000] [--work DIR] [--rounds 5] [--ffcv-python PYTHON]

Draws synthetic faces of 256 x 256 pixels, packs them raw and as JPEG, exports both to LMDBs that Caffe can read, and
measures all programs in turns. FFCV runs under --ffcv-python, an interpreter that can import it, and is left out without.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, **options).stdout


def seconds(action):
    os.sync()
    begin = time.monotonic()
    action()
    os.sync()
    return time.monotonic() - begin


def prepare(args, work):
    """Faces, stores and databases; returns {"raw": (store, lmdb), "jpeg": ...}."""
    faces = work / "faces"
    run([args.fovea, "data", "synth", "--out", faces, "--count", args.count, "--size", 256, "--quiet"])
    pairs = {}
    for encode in ("raw", "jpeg"):
        store, lmdb = work / f"{encode}.store", work / f"{encode}.lmdb"
        # JPEG files are kept as they are.
        run([args.fovea, "data", "folder", faces / "aligned", "--out", store, "--encode", "raw" if encode == "raw" else "keep",
             "--quiet"])
        run([args.fovea, "data", "export-lmdb", store, "--out", lmdb, "--quiet"])
        pairs[encode] = store, lmdb
    return pairs


def reading(args, pairs):
    print("| records | order | store, records/s | LMDB | ratio | LMDB, copied as Caffe does | ratio |")
    print("|---|---|---|---|---|---|---|")
    for encode, (store, lmdb) in pairs.items():
        rates = [json.loads(run([args.fovea.parents[1] / "bench/fovea_lmdb_bench", store, lmdb, "--seconds", args.seconds]))
                 ["records_per_s"] for _ in range(args.rounds)]
        for order in ("sequential", "shuffled", "cold sequential", "cold shuffled"):
            def rate(name):
                return statistics.median(r[f"{order} {name}"] for r in rates)

            def ratio(name):
                return statistics.median(r[f"{order} store"] / r[f"{order} {name}"] for r in rates)

            caffe = ("", "") if order.startswith("cold") else (f"{rate('lmdb as caffe'):,.0f}", f"{ratio('lmdb as caffe'):.2f}")
            print(f"| {encode} | {order} | {rate('store'):,.0f} | {rate('lmdb'):,.0f} | {ratio('lmdb'):.2f} | {caffe[0]} | "
                  f"{caffe[1]} |", flush=True)


def feeding(args, pairs):
    """Decode + transform against AdienceNet's training, and FFCV's decoding against ours."""
    ffcv = {}
    if args.ffcv_python:
        for encode in pairs:
            ffcv[encode] = args.work / f"{encode}.beton"
            run([args.ffcv_python, ROOT / "bench/peers/ffcv_bench.py", "write", args.work / "faces/aligned", ffcv[encode],
                 "--mode", "raw" if encode == "raw" else "jpg"])
    print("\n| records | decoded, images/s | FFCV decoded | ratio | decoded + transformed | AdienceNet training | ratio |")
    print("|---|---|---|---|---|---|---|")
    for encode, (store, _) in pairs.items():
        decoded, peer, fed, trained = [], [], [], []
        for _ in range(args.rounds):
            ours = json.loads(run([args.fovea, "bench", "data", store, "--seconds", args.seconds,
                                   "--json", "--quiet"]))["records_per_s"]
            decoded.append(ours["decoded"]["median"])
            fed.append(ours["decoded + transformed"]["median"])
            trained.append(json.loads(run([args.fovea, "bench", "net", "adiencenet", "--mode", "train", "--batch", 50,
                                           "--seconds", args.seconds, "--json", "--quiet"]))["images_per_s"])
            if encode in ffcv:
                peer.append(json.loads(run([args.ffcv_python, ROOT / "bench/peers/ffcv_bench.py", "read", ffcv[encode]]))
                            ["images_per_s"])
        peers = (f"{statistics.median(peer):,.0f} | {statistics.median(a / b for a, b in zip(decoded, peer)):.2f}"
                 if peer else " | ")
        print(f"| {encode} | {statistics.median(decoded):,.0f} | {peers} | {statistics.median(fed):,.0f} | "
              f"{statistics.median(trained):.1f} | {statistics.median(a / b for a, b in zip(fed, trained)):.1f} |", flush=True)


def packing(args, work):
    faces, copy, store = work / "faces/aligned", work / "copy", work / "packed.store"
    size = sum(f.stat().st_size for f in faces.rglob("*") if f.is_file())
    copied, packed = [], []
    for _ in range(args.rounds):
        copied.append(seconds(lambda: shutil.copytree(faces, copy)))
        shutil.rmtree(copy)
        packed.append(seconds(lambda: run([args.fovea, "data", "folder", faces, "--out", store, "--quiet"])))
        store.unlink()
    print(f"\nPacking {size / 1e6:.0f} MB of JPEG files as they are: {statistics.median(packed):.2f} s; copying the folder: "
          f"{statistics.median(copied):.2f} s; ratio {statistics.median(c / p for c, p in zip(copied, packed)):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fovea", type=pathlib.Path, default=ROOT / "build/release/apps/fovea")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--work", type=pathlib.Path, help="folder for the files, new; removed in the end")
    parser.add_argument("--ffcv-python", default=None)
    args = parser.parse_args()
    args.work = pathlib.Path(tempfile.mkdtemp(dir=args.work)) if args.work else pathlib.Path(tempfile.mkdtemp())
    try:
        pairs = prepare(args, args.work)
        reading(args, pairs)
        feeding(args, pairs)
        packing(args, args.work)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(map(str, error.cmd))}\n{error.stderr}")
    finally:
        shutil.rmtree(args.work)


if __name__ == "__main__":
    main()
