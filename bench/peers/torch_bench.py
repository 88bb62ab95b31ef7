"""Images per second of one net in PyTorch on the CPU, best of contiguous and channels-last. Prints one JSON line.

    .venv/bin/python bench/peers/torch_bench.py adiencenet --mode train --batch 50 --threads 2
"""
import argparse
import json
import statistics
import time

import torch
from torch_nets import NETS


def make_step(name, mode, batch, memory_format, precision):
    build, size, _ = NETS[name]
    torch.manual_seed(0)

    def autocast():
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")

    net = build().to(memory_format=memory_format)
    x = torch.randn(batch, 3, size, size).to(memory_format=memory_format)
    if mode == "forward":
        net.eval()

        def forward():
            with torch.inference_mode(), autocast():
                net(x)

        return forward
    net.train()
    labels = torch.randint(0, 8, (batch,))
    loss = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)

    def train():
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            out = net(x)
            if isinstance(out, tuple):
                total = loss(out[0], labels) + 0.3 * loss(out[1], labels) + 0.3 * loss(out[2], labels)
            else:
                total = loss(out, labels)
        total.backward()
        optimizer.step()

    return train


def rate(step, batch, seconds, warm_up=2):
    for _ in range(warm_up):
        step()
    times, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 3:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return batch / statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("net", choices=NETS)
    parser.add_argument("--mode", choices=("train", "forward"), default="train")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="bf16: by autocast")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    batch = args.batch or NETS[args.net][2]
    rates = {label: rate(make_step(args.net, args.mode, batch, fmt, args.precision), batch, args.seconds)
             for label, fmt in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last))}
    best = max(rates, key=rates.get)
    print(json.dumps({"net": args.net, "mode": args.mode, "batch": batch, "threads": args.threads,
                      "torch": torch.__version__, "variant": best, "images_per_s": rates[best], "all": rates}))


if __name__ == "__main__":
    main()
