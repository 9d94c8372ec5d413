#!/usr/bin/env python3
"""What the MNIST records in models/ reach and how long they take, each beside the same recipe in PyTorch.

    cargo build --release
    python3 -m venv venv && venv/bin/pip install torch
    venv/bin/python benches/records.py [NAME ...] [--seeds 3] [--threads 2] [--peer full|epoch|none]

Each file is trained once per seed, and so is its twin in PyTorch: the same network, initial distributions, batches,
optimizer, schedule, augmentation and means of the weights, in eager mode, with all images in one tensor and a whole batch
augmented at once. dslc and PyTorch take turns, so that both see the same machine. `--peer epoch` trains only the first
epoch of a twin and multiplies its time by the epochs; then there is no accuracy of it.

The table gives the accuracy on the 10,000 test images with the weights of the last step (mean, least and largest over the
seeds), the seconds of training, and CPU seconds: for dslc those of the whole process, including reading, test and report; for
PyTorch those of the training alone. Seconds are medians. The exit code is 1 if a run misses what its file expects.
"""

import argparse
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, "models", "data", "mnist")

# The turns, shifts and scales of the two middle recipes.
GENTLE = dict(degrees=8.0, translate=0.08, scale=(0.9, 1.1))


def twin_fast(nn):
    return dict(
        net=nn.Sequential(
            nn.Conv2d(1, 6, 5, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 96), nn.ReLU(), nn.Linear(96, 10)),
        epochs=2, lr=1e-2, decay=0.01, decay_on="all", rise=0.3)


def twin_minute(nn):
    return dict(
        net=nn.Sequential(
            nn.Conv2d(1, 16, 5, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Flatten(), nn.Linear(1024, 10)),
        epochs=8, lr=1e-2, decay=0.02, decay_on="weights", rise=0.25, smoothing=0.05, ema=0.998, affine=GENTLE)


def twin_small(nn):
    return dict(
        net=nn.Sequential(
            nn.Conv2d(1, 8, 5, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
        epochs=8, lr=2e-2, decay=0.01, decay_on="weights", rise=0.25, ema=0.998, affine=GENTLE)


def twin_coffee(nn):
    return dict(
        net=nn.Sequential(
            nn.Conv2d(1, 32, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.Conv2d(128, 128, 3, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, 10)),
        epochs=16, lr=6e-3, decay=0.02, decay_on="weights", rise=0.25, smoothing=0.05, ema=0.999,
        affine=dict(degrees=12.0, translate=0.1, scale=(0.85, 1.15), shear=8.0))


RECORDS = {
    "mnist_fast": twin_fast, "mnist_small": twin_small, "mnist_minute": twin_minute, "mnist_coffee": twin_coffee,
}


def read(torch, stem, head):
    with gzip.open(os.path.join(DATA, stem), "rb") as file:
        return torch.frombuffer(bytearray(file.read()[head:]), dtype=torch.uint8)


def affine(torch, images, degrees, translate, scale, shear=0.0):
    """A whole batch turned, sheared along x, scaled and shifted by whole pixels, bilinear; black outside."""
    n, side = len(images), images.shape[-1]
    angle = torch.empty(n).uniform_(-degrees, degrees).deg2rad()
    size = torch.empty(n).uniform_(*scale)
    shift = torch.empty(n, 2).uniform_(-translate * side, translate * side).round() * (2 / side)
    lean = torch.empty(n).uniform_(-shear, shear).deg2rad().tan()
    cos, sin = angle.cos() / size, angle.sin() / size
    # From the new place to the old one: the inverse of rotation times shear times scale.
    back = torch.stack([torch.stack([cos + lean * sin, sin - lean * cos], 1), torch.stack([-sin, cos], 1)], 1)
    theta = torch.cat([back, -(back @ shift[:, :, None])], 2)
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, mode="bilinear", align_corners=False)


def train_twin(name, seed, threads, one_epoch):
    """Trains the twin; prints its accuracy, seconds and CPU seconds as JSON."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    recipe = RECORDS[name](nn)
    net, epochs, batch = recipe["net"], recipe["epochs"], 64
    images = read(torch, "train-images-idx3-ubyte.gz", 16).view(-1, 1, 28, 28).float() / 255
    labels = read(torch, "train-labels-idx1-ubyte.gz", 8).long()
    tests = (read(torch, "t10k-images-idx3-ubyte.gz", 16).view(-1, 1, 28, 28).float() / 255 - 0.1307) / 0.3081
    answers = read(torch, "t10k-labels-idx1-ubyte.gz", 8).long()

    decayed = [p for p in net.parameters() if p.ndim > 1 or recipe["decay_on"] == "all"]
    others = [p for p in net.parameters() if p.ndim == 1 and recipe["decay_on"] != "all"]
    groups = [dict(params=decayed, weight_decay=recipe["decay"])] + [dict(params=others, weight_decay=0.0)] * bool(others)
    optimizer = torch.optim.AdamW(groups, lr=recipe["lr"])
    steps = epochs * -(-len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe["lr"], total_steps=steps, pct_start=recipe["rise"], cycle_momentum=False)
    loss = nn.CrossEntropyLoss(label_smoothing=recipe.get("smoothing", 0.0))
    numbers = [t for t in net.state_dict().values() if t.is_floating_point()]
    means, step = None, 0

    begin, cpu = time.perf_counter(), time.process_time()
    for _ in range(1 if one_epoch else epochs):
        net.train()
        order = torch.randperm(len(images))
        for at in order.split(batch):
            x = images[at]
            x = affine(torch, x, **recipe["affine"]) if "affine" in recipe else x
            optimizer.zero_grad(set_to_none=True)
            loss(net((x - 0.1307) / 0.3081), labels[at]).backward()
            optimizer.step()
            schedule.step()
            step += 1
            if "ema" in recipe:
                # With the warm-up of timm's ModelEmaV3.
                decay = min(recipe["ema"], 1 - step ** (-2 / 3))
                with torch.no_grad():
                    if means is None:
                        means = [t.clone() for t in numbers]
                    else:
                        torch._foreach_lerp_(means, numbers, 1 - decay)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    accuracy = None
    if one_epoch:
        seconds, cpu = seconds * epochs, cpu * epochs
    else:
        with torch.no_grad():
            for own, mean in zip(numbers, means or []):
                own.copy_(mean)
            net.eval()
            found = torch.cat([net(part).argmax(1) for part in tests.split(1000)])
        accuracy = (found == answers).float().mean().item()
    print(json.dumps(dict(accuracy=accuracy, seconds=seconds, cpu=cpu)))


def children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def train_ours(name, seed, args, folder):
    before = children()
    command = [args.dslc, "run", os.path.join(ROOT, "models", f"{name}.net"), "--set", f"train.seed={seed}",
               "--out", os.path.join(folder, f"{name}-{seed}"), "--json"]
    environment = dict(os.environ, RAYON_NUM_THREADS=str(args.threads))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    # 1: trained, and missed what the file expects.
    if done.returncode not in (0, 1) or not done.stdout.strip():
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return dict(accuracy=found["test.accuracy"], seconds=found["train.seconds"], cpu=children() - before,
                missed=done.returncode == 1)


def train_peer(name, seed, args):
    command = [sys.executable, os.path.abspath(__file__), name, "--twin", str(seed), "--threads", str(args.threads)]
    command += ["--peer", "epoch"] if args.peer == "epoch" else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def cells(runs):
    """Accuracy, seconds of training, CPU seconds."""
    accuracies = [100 * run["accuracy"] for run in runs if run["accuracy"] is not None]
    shown = "-"
    if accuracies:
        shown = f"{statistics.mean(accuracies):.2f} % ({min(accuracies):.2f} to {max(accuracies):.2f})"
    middle = lambda key: statistics.median(run[key] for run in runs)
    return shown, f"{middle('seconds'):.1f}", f"{middle('cpu'):.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(RECORDS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", choices=["full", "epoch", "none"], default="full")
    parser.add_argument("--dslc", default=os.path.join(ROOT, "target", "release", "dslc"))
    parser.add_argument("--twin", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = args.names or list(RECORDS)
    if unknown := [name for name in names if name not in RECORDS]:
        parser.error(f"unknown: {', '.join(unknown)}")
    if args.twin is not None:
        return train_twin(names[0], args.twin, args.threads, args.peer == "epoch")
    print("| file | accuracy | s | CPU s | PyTorch: accuracy | s | CPU s | times faster |\n|---|---|---|---|---|---|---|---|")
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            ours, peers = [], []
            for seed in range(1, args.seeds + 1):
                ours.append(train_ours(name, seed, args, folder))
                peers += [train_peer(name, seed, args)] if args.peer != "none" else []
            ratio = [b["seconds"] / a["seconds"] for a, b in zip(ours, peers)]
            row = [f"`models/{name}.net`", *cells(ours)]
            row += [*cells(peers), f"{statistics.median(ratio):.1f}"] if peers else ["-"] * 4
            print("| " + " | ".join(row) + " |", flush=True)
            missed |= any(run["missed"] for run in ours)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
