"""Images per second of nets in PyTorch on a GPU: eager, as a CUDA graph of the eager step, and compiled (--compile), each
contiguous and channels-last. The images stay on the GPU. Prints one JSON line: a list.

    python3 bench/peers/torch_gpu.py caffenet vgg16 --cases train:0 forward:32 --precision tf32

A case is a mode and a batch, 0 the study's.
"""
import argparse
import json
import statistics
import time

import torch
from torch_nets import NETS


def make_step(name, mode, batch, memory_format, precision, graphed):
    build, size, _ = NETS[name]
    torch.manual_seed(0)

    def autocast():
        return torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=not graphed)

    net = build().cuda().to(memory_format=memory_format)
    x = torch.randn(batch, 3, size, size, device="cuda").to(memory_format=memory_format)
    if mode == "forward":
        net.eval()

        def forward():
            with torch.no_grad(), autocast():
                net(x)

        return forward
    net.train()
    labels = torch.randint(0, 8, (batch,), device="cuda")
    loss = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4, fused=True)

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


def graph_of(step):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def rate(step, batch, seconds):
    for _ in range(5):
        step()
    torch.cuda.synchronize()
    times, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 5:
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return batch / statistics.median(times)


def measure(name, mode, batch, args):
    batch = batch or NETS[name][2]
    rates, errors = {}, {}
    for layout, fmt in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
        for variant in ("eager", "graph") + (("compile",) if args.compile else ()):
            try:
                step = make_step(name, mode, batch, fmt, args.precision, variant == "graph")
                if variant == "graph":
                    step = graph_of(step)
                if variant == "compile":
                    step = torch.compile(step, mode="reduce-overhead")
                rates[f"{variant}, {layout}"] = rate(step, batch, args.seconds)
            except Exception as error:  # one variant that fails must not hide the others
                errors[f"{variant}, {layout}"] = str(error)[:200]
    best = max(rates, key=rates.get)
    return {"net": name, "mode": mode, "batch": batch, "precision": args.precision, "variant": best,
            "images_per_s": rates[best], "all": rates, "errors": errors}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("nets", nargs="+", choices=NETS)
    parser.add_argument("--cases", nargs="+", default=["train:0"])
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--precision", choices=("fp32", "tf32", "bf16"), default="fp32", help="bf16: by autocast")
    parser.add_argument("--compile", action="store_true", help="also torch.compile (takes a minute a net)")
    args = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.precision != "fp32"
    results = []
    for name in args.nets:
        for case in args.cases:
            mode, batch = case.split(":")
            results.append(measure(name, mode, int(batch), args))
    print(json.dumps({"torch": torch.__version__, "cudnn": torch.backends.cudnn.version(),
                      "device": torch.cuda.get_device_name(), "results": results}))


if __name__ == "__main__":
    main()
