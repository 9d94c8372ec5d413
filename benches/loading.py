#!/usr/bin/env python3
"""How fast training batches are made of photographs: dslc beside torchvision's ImageFolder and PyTorch's DataLoader.

    cargo build --release
    python3 -m venv venv && venv/bin/pip install torch torchvision numpy
    venv/bin/python benches/loading.py [--images 800] [--seconds 5] [--rounds 3] [--threads 2]

JPEG files of 500x375 (generated: noise with the spectrum of photographs, quality 90) become batches of 64: a random
resized crop to 224, a flip, and the numbers of ImageNet. The programs take turns, round by round, so that all see the
same machine; the median of the rounds counts, beside the least and the most. PyTorch decodes and crops in its faster mode:
Pillow's images, or tensors by `torchvision.io`. Nothing is trained.
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

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEIGHT, WIDTH, BATCH, CLASSES = 375, 500, 64, 4
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
NET = """model Small {{
    input 3x224x224
    conv2d 4 3x3 stride=4 -> relu -> global_avg_pool -> linear {classes}
}}
data {{
    source folder "{root}"
    split test=1%
    cache {cache}
    center_crop 224
    normalize imagenet
    augment {{ random_resized_crop 224 -> random_flip }}
}}
train {{ loss cross_entropy; optimizer sgd lr=0.1; batch {batch}; seed 1 }}
"""


def photographs(folder, n):
    """Pictures whose amplitudes fall with the frequency, as those of photographs do."""
    import numpy
    from PIL import Image
    random = numpy.random.default_rng(1)
    y, x = numpy.fft.fftfreq(HEIGHT)[:, None], numpy.fft.rfftfreq(WIDTH)[None, :]
    falling = 1 / numpy.maximum(numpy.hypot(y, x), 1 / WIDTH) ** 1.2
    for i in range(n):
        grey, *colours = [
            numpy.fft.irfft2(numpy.fft.rfft2(random.normal(size=(HEIGHT, WIDTH))) * falling, (HEIGHT, WIDTH))
            for _ in range(4)
        ]
        planes = [grey + 0.4 * colour for colour in colours]
        pixels = numpy.stack([(p - p.mean()) / p.std() * 55 + 120 for p in planes], 2).clip(0, 255).astype("uint8")
        path = folder / f"class{i % CLASSES}" / f"{i:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=90)


def ours(args, cache):
    path = args.folder / f"{cache}.net"
    path.write_text(NET.format(root=args.folder / "photos", cache=cache, classes=CLASSES, batch=BATCH))
    command = [args.dslc, "bench", str(path), "--data", "--json", "--threads", str(args.threads),
               "--seconds", str(args.seconds)]

    def measure():
        own = {**os.environ, "DSLC_CACHE": str(args.folder / "cache")}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=own)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
        return json.loads(done.stdout)["images_per_second"]
    return measure


def pytorch(args, tensors):
    import torch
    import torchvision
    from torchvision.transforms import v2

    steps = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()]
    steps += [] if tensors else [v2.ToImage()]
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    own = {"loader": lambda path: torchvision.io.decode_image(path, "RGB")} if tensors else {}
    images = torchvision.datasets.ImageFolder(args.folder / "photos", v2.Compose(steps), **own)
    loader = torch.utils.data.DataLoader(images, BATCH, shuffle=True, num_workers=args.threads, persistent_workers=True)

    def measure():
        next(iter(loader))  # the workers have started
        n, begin = 0, time.perf_counter()
        while True:
            for batch, _ in loader:
                n += len(batch)
                if time.perf_counter() - begin >= args.seconds:
                    return n / (time.perf_counter() - begin)
    return measure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--threads", type=int, default=2, help="dslc's threads and PyTorch's workers")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--caches", default="none,ram,disk", help="dslc's caches to measure")
    parser.add_argument("--dslc", default=str(ROOT / "target/release/dslc"))
    parser.add_argument("--folder", type=pathlib.Path, help="keeps the pictures there for the next time")
    args = parser.parse_args()
    if not os.path.exists(args.dslc):
        sys.exit(f"{args.dslc} is not there: `cargo build --release` first")
    kept = args.folder is not None
    args.folder = args.folder or pathlib.Path(tempfile.mkdtemp(prefix="dslc-loading-"))
    try:
        if not (args.folder / "photos").exists():
            photographs(args.folder / "photos", args.images)
        sizes = [path.stat().st_size for path in (args.folder / "photos").rglob("*.jpg")]
        print(f"{len(sizes)} pictures of {statistics.mean(sizes) / 1e3:.0f} kB, {args.threads} threads or workers")
        contenders = {"torchvision, Pillow": pytorch(args, False), "torchvision, tensors": pytorch(args, True)}
        contenders |= {f"dslc, cache {cache}": ours(args, cache) for cache in args.caches.split(",")}
        figures = {name: [] for name in contenders}
        for _ in range(args.rounds):
            for name, measure in contenders.items():
                figures[name].append(measure())
        medians = {name: statistics.median(own) for name, own in figures.items()}
        best = max(median for name, median in medians.items() if name.startswith("torchvision"))
        for name, own in figures.items():
            ratio = f"{medians[name] / best:6.2f}" if name.startswith("dslc") else ""
            print(f"{name:22} {medians[name]:8.0f} images/s  ({min(own):.0f} to {max(own):.0f}) {ratio}")
    finally:
        if not kept:
            shutil.rmtree(args.folder)


main()
