"""The convolutions and inner products of `fovea bench kernels --json` by cuDNN and cuBLAS, called through PyTorch: no bias, no
ReLU, channels-last, cuDNN's own choice of the fastest algorithm, cold caches likewise. Prints the same kind of document.

    python3 bench/peers/cudnn_layers.py own.json > cudnn.json && fovea bench compare own.json cudnn.json
"""
import argparse
import json
import statistics

import torch

CONVOLUTION_BACKWARD = torch.ops.aten.convolution_backward


def make_calls(problem, data, dtype):
    """Forward and backward of one problem (see engine/bench/step_bench.h) as functions of nothing."""
    n, c, h, w, k, r, s, u, v, p, q, g = map(int, problem.split())
    if h == w == r == s == 1:
        x, weight = (torch.randn(a, c, device="cuda", dtype=dtype) for a in (n, k))
        dy = torch.randn(n, k, device="cuda", dtype=dtype)
        return lambda: x @ weight.t(), lambda: (dy @ weight if data else None, dy.t() @ x)
    last = torch.channels_last
    x = torch.randn(n, c, h, w, device="cuda", dtype=dtype).to(memory_format=last)
    weight = torch.randn(k, c // g, r, s, device="cuda", dtype=dtype).to(memory_format=last)

    def forward():
        return torch.nn.functional.conv2d(x, weight, None, (u, v), (p, q), 1, g)

    dy = torch.randn_like(forward())

    def backward():
        return CONVOLUTION_BACKWARD(dy, x, weight, None, (u, v), (p, q), (1, 1), False, (0, 0), g, (data, True, False))

    return forward, backward


def seconds(call, runs, flush):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()  # as ours: what the interpreter needs to queue the call is not seen
    with torch.cuda.graph(graph):
        call()
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(runs)]
    for start, end in events:
        flush.zero_()
        start.record()
        graph.replay()
        end.record()
    torch.cuda.synchronize()
    return [1e-3 * start.elapsed_time(end) for start, end in events]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("own", help="output of fovea bench kernels --json")
    parser.add_argument("--runs", type=int, default=20)
    args = parser.parse_args()
    with open(args.own, encoding="utf-8") as file:
        result = json.load(file)
    precision = result["environment"]["precision"]
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    flush = torch.empty(2 * torch.cuda.get_device_properties(0).L2_cache_size, dtype=torch.uint8, device="cuda")
    known = {}
    for net in result["nets"]:
        net["steps"] = [step for step in net["steps"] if step["problem"]]
        for step in net["steps"]:
            key = (step["problem"], step["data"], step["pass"])
            if key not in known:
                forward, backward = make_calls(step["problem"], step["data"], dtype)
                known[key] = seconds(forward if step["pass"] == "forward" else backward, args.runs, flush)
            times = known[key]
            step.update(implementation="cudnn", median_s=statistics.median(times), min_s=min(times), max_s=max(times))
            step["flop_per_s"] = step["flop"] / step["median_s"]
            step["bytes_per_s"] = step["bytes"] / step["median_s"]
            step["share_of_flops"] = step["flop_per_s"] / result["peak_flop_per_s"] if result["peak_flop_per_s"] else 0
            step["share_of_copy"] = step["bytes_per_s"] / result["copy_bytes_per_s"]
    result["environment"].update(engine="cudnn", torch=torch.__version__, cudnn=torch.backends.cudnn.version())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
