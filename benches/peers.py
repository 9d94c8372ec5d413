#!/usr/bin/env python3
"""dslc beside PyTorch and ONNX Runtime: images a second on six networks, training and inference.

    cargo build --release
    python3 -m venv venv && venv/bin/pip install torch onnx onnxruntime
    venv/bin/python benches/peers.py [NETWORK ...] [--threads 2] [--seconds 2] [--rounds 3] [--tasks train,infer64,infer1]
    venv/bin/python benches/peers.py --device cuda [--tasks train,train512,infer64,infer512]

For each network and task the programs take turns, round by round, so that all of them see the same machine; the
median of the rounds counts. Random images, f32, no data loading. PyTorch trains in its better mode, eager or
channels_last. A ratio above 1 means that dslc is faster than the best of the others.

With `--device cuda` dslc runs there in f32, tf32 and bf16 (a build with the features `cuda,cudnn`), and PyTorch in eager
mode, with a whole step recorded as a CUDA graph, and compiled (`--compile`, with CUDA graphs too); each with TF32 in
convolutions, as PyTorch does by default, and in channels_last with bf16 (autocast). PyTorch has cuDNN's benchmark mode and
fused optimizers. Every step is waited for. The ratio is that of the best of either side. PyTorch's compiled mode has not been run here yet.

A program that fails is told and left out, and the exit code is 1.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Network: file, input, the optimizer that the file trains with.
NETWORKS = {
    "mnist": ("models/mnist.net", (1, 28, 28), "adam"),
    "lenet5": ("models/lenet5.net", (1, 28, 28), "sgd"),
    "wide_convs": ("benches/wide_convs.model", (1, 28, 28), "sgd"),
    "resnet20": ("models/resnet20.model", (3, 32, 32), "sgd"),
    "vgg11_bn": ("models/vgg11_bn.model", (3, 32, 32), "sgd"),
    "mobile": ("models/mobile.model", (3, 32, 32), "sgd"),
}
TASKS = {"train": 64, "infer64": 64, "infer1": 1, "train512": 512, "infer512": 512}
ON_CPU, ON_CUDA = ["train", "infer64", "infer1"], ["train", "train512", "infer64", "infer512"]


def networks(nn, torch):
    """The same networks in PyTorch."""

    class Residual(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            conv = lambda i, o, k, s: nn.Conv2d(i, o, k, s, k // 2, bias=False)
            self.body = nn.Sequential(
                conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU(),
                conv(outputs, outputs, 3, 1), nn.BatchNorm2d(outputs))
            same = stride == 1 and inputs == outputs
            self.shortcut = nn.Identity() if same else nn.Sequential(
                conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

        def forward(self, x):
            return torch.relu(self.body(x) + self.shortcut(x))

    def mnist():
        return nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 10))

    def lenet5():
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
            nn.Linear(84, 10))

    def wide_convs():
        return nn.Sequential(
            nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(128 * 28 * 28, 256), nn.ReLU(), nn.Linear(256, 10))

    def resnet20():
        layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        inputs = 16
        for outputs in (16, 32, 64):
            for block in range(3):
                layers.append(Residual(inputs, outputs, 2 if block == 0 and outputs > 16 else 1))
                inputs = outputs
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    def vgg11_bn():
        layers, inputs = [], 3
        for stage in ((64,), (128,), (256, 256), (512, 512), (512, 512)):
            for outputs in stage:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))

    def mobile():
        def separable(inputs, outputs, stride):
            return [nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False), nn.BatchNorm2d(inputs),
                    nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(
            nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            *separable(32, 64, 1), *separable(64, 128, 2), *separable(128, 128, 1), *separable(128, 256, 2),
            *separable(256, 256, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))

    return {f.__name__: f for f in (mnist, lenet5, wide_convs, resnet20, vgg11_bn, mobile)}


def rate(step, images, seconds, wait=None):
    """Images a second of `step` by its median time, after a warm-up; `wait` waits for the device."""
    for _ in range(10 if wait else 3):
        step()
    wait and wait()
    times, begin = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        wait and wait()
        times.append(time.perf_counter() - start)
    return images / statistics.median(times)


def record(step, torch):
    """A step as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def contenders(name, task, args, torch, make):
    """The programs that take part, each a function that measures once."""
    batch, is_training = TASKS[task], task.startswith("train")
    wait = torch.cuda.synchronize if args.device == "cuda" else None
    file, shape, optimizer = NETWORKS[name]

    def ours(precision):
        command = [args.dslc, "bench", os.path.join(ROOT, file), "--json", "--batch", str(batch), "--threads",
                   str(args.threads), "--seconds", str(args.seconds), "--device", args.device, "--precision", precision]
        command += ["--train"] if is_training else []

        def measure():
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
            return json.loads(done.stdout)["images_per_second"]
        return measure

    images = torch.rand(batch, *shape, device=args.device)
    labels = torch.randint(0, 10, (batch,), device=args.device)

    def pytorch(channels_last, compiled=None, bf16=False, recorded=False):
        def measure():
            torch.manual_seed(0)
            model, x = make().to(args.device), images
            if channels_last:
                model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
            if not is_training:
                model.eval()
            if compiled:
                model = torch.compile(model, mode=compiled)
            # What autocast caches of one step does not belong in a recorded one.
            cast = lambda: torch.autocast(args.device, torch.bfloat16, enabled=bf16, cache_enabled=not recorded)
            if not is_training:
                def step():
                    with torch.no_grad(), cast():
                        return model(x)
            else:
                parameters, on_cuda = model.parameters(), args.device == "cuda"
                more = {"fused": True} if on_cuda else {}
                update = (torch.optim.Adam(parameters, 1e-3, capturable=recorded, **more) if optimizer == "adam"
                          else torch.optim.SGD(parameters, 1e-2, momentum=0.9, **more))
                loss_of = torch.nn.CrossEntropyLoss()

                def step():
                    update.zero_grad()
                    with cast():
                        loss = loss_of(model(x), labels)
                    loss.backward()
                    update.step()
            if recorded:
                step = record(step, torch)
            return rate(step, batch, 0 if args.warm else args.seconds, wait)
        return measure

    compiled = {} if args.compile == "none" else {
        "compiled": pytorch(False, args.compile), "comp. bf16": pytorch(True, args.compile, True)}
    if args.warm:
        return compiled
    found = {"dslc": ours("f32"), "torch": pytorch(False), "torch cl": pytorch(True)}
    if args.device == "cuda":
        found = {"dslc": ours("f32"), "dslc tf32": ours("tf32"), "dslc bf16": ours("bf16"), "torch": pytorch(False),
                 "bf16": pytorch(True, bf16=True), "graph": pytorch(False, recorded=True),
                 "graph bf16": pytorch(True, bf16=True, recorded=True), **compiled}
    elif not is_training:
        import onnxruntime
        path = os.path.join(args.folder, f"{name}.onnx")
        if not os.path.exists(path):
            torch.onnx.export(make().eval(), torch.rand(1, *shape), path, input_names=["x"],
                              dynamic_axes={"x": {0: "n"}}, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        x = images.numpy()
        found["ort"] = lambda: rate(lambda: session.run(None, {"x": x}), batch, args.seconds)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", choices=[[], *NETWORKS], default=[])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", default="reduce-overhead", help="torch.compile's mode on a GPU, or none")
    parser.add_argument("--warm", action="store_true", help="only let PyTorch compile, for its caches")
    parser.add_argument("--json", help="a file for all figures")
    parser.add_argument("--tasks", help=f"of {', '.join(TASKS)}")
    parser.add_argument("--dslc", default=os.path.join(ROOT, "target/release/dslc"))
    args = parser.parse_args()
    tasks = args.tasks.split(",") if args.tasks else ON_CUDA if args.device == "cuda" else ON_CPU
    if not set(tasks) <= set(TASKS):
        parser.error(f"tasks are {', '.join(TASKS)}")
    if not os.path.exists(args.dslc) and not args.warm:
        parser.error(f"{args.dslc} is not there; `cargo build --release` makes it")
    warnings.filterwarnings("ignore")
    import torch
    torch.set_num_threads(args.threads)
    if args.device == "cuda":
        if not torch.cuda.is_available():
            parser.error("PyTorch finds no CUDA device")
        torch.backends.cudnn.benchmark = True
    place = torch.cuda.get_device_name() if args.device == "cuda" else f"{args.threads} threads"
    on_cuda = ["dslc tf32", "dslc bf16", "torch", "bf16", "graph", "graph bf16", "compiled", "comp. bf16"]
    columns = ["dslc", *(on_cuda if args.device == "cuda" else ["torch", "torch cl", "ort"])]
    print(f"images/s, {place}, PyTorch {torch.__version__}, median of {args.rounds} rounds")
    print(f"{'network':<11}{'task':<9}" + "".join(f"{column:>11}" for column in columns) + f"{'ratio':>8}", flush=True)
    figures, args.failed = [], False
    with tempfile.TemporaryDirectory() as args.folder:
        for name in args.networks or NETWORKS:
            make = networks(torch.nn, torch)[name]
            for task in tasks:
                medians = measured(contenders(name, task, args, torch, make), args)
                best = lambda ours: max((value for key, value in medians.items() if key.startswith("dslc") == ours),
                                        default=float("nan"))
                ratio = best(True) / best(False)
                cell = lambda key: f"{medians[key]:>11.0f}" if key in medians else f"{'':>11}"
                print(f"{name:<11}{task:<9}{''.join(cell(key) for key in columns)}{ratio:>8.2f}", flush=True)
                figures.append({"network": name, "task": task, "images_per_second": medians, "ratio": ratio})
                if args.json:
                    with open(args.json, "w", encoding="utf-8") as file:
                        json.dump({"place": place, "torch": torch.__version__, "rows": figures}, file, indent=1)
    sys.exit(1 if args.failed else 0)


def measured(programs, args):
    """The median of each program's rounds; one that fails is told and left out."""
    rates = {}
    for _ in range(1 if args.warm else args.rounds):
        for key, measure in list(programs.items()):
            try:
                found = measure()
                rates.setdefault(key, []).append(found)
            except Exception as error:
                print(f"{key}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                del programs[key]
                args.failed = True
    return {key: statistics.median(values) for key, values in rates.items()}


if __name__ == "__main__":
    main()
