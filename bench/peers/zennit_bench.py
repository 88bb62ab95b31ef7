"""Images per second of forward and LRP in Zennit, best of contiguous and channels-last. Prints one JSON line.

    .venv/bin/python bench/peers/zennit_bench.py adiencenet --rule EpsilonPlus --batch 16 --threads 2

Rules: EpsilonPlus is Zennit's own composite. toolbox-100 is the LRP Toolbox's formula 100 as far as Zennit has it: alpha 2
beta 1 for convolutions, epsilon 0.1 for inner products. Zennit has no rule for LRN: relevance goes through it as a plain
gradient, which is less work than a rule of its own.
"""
import argparse
import json

import torch
import zennit
from torch_bench import rate
from torch_nets import NETS
from zennit.attribution import Gradient
from zennit.composites import EpsilonAlpha2Beta1, EpsilonPlus

RULES = {"EpsilonPlus": EpsilonPlus, "toolbox-100": lambda: EpsilonAlpha2Beta1(epsilon=0.1)}


def make_step(name, rule, batch, memory_format, device):
    build, size, _ = NETS[name]
    torch.manual_seed(0)
    net = build().eval().to(device, memory_format=memory_format)
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False  # Zennit's hooks need the values that an in-place ReLU overwrites
    x = torch.randn(batch, 3, size, size, device=device).mul(70).to(memory_format=memory_format)

    def step():
        def start(output):  # the logit of class 0
            relevance = torch.zeros_like(output)
            relevance[:, 0] = output[:, 0]
            return relevance

        with Gradient(model=net, composite=RULES[rule]()) as attributor:
            attributor(x, start)
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("net", choices=NETS)
    parser.add_argument("--rule", choices=RULES, default="EpsilonPlus")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "tf32"), default="fp32", help="tf32: on a GPU")
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.precision != "fp32"
    rates = {label: rate(make_step(args.net, args.rule, args.batch, fmt, args.device), args.batch, args.seconds, warm_up=1)
             for label, fmt in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last))}
    best = max(rates, key=rates.get)
    print(json.dumps({"net": args.net, "rule": args.rule, "batch": args.batch, "threads": args.threads,
                      "device": args.device, "precision": args.precision,
                      "zennit": zennit.__version__ if hasattr(zennit, "__version__") else "", "torch": torch.__version__,
                      "variant": best, "images_per_s": rates[best], "all": rates}))


if __name__ == "__main__":
    main()
