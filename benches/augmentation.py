#!/usr/bin/env python3
"""Draws docs/augmentation.jpg: what each step of `augment` makes of one photograph in its first epochs. The photograph is grey, so it
is tinted first: changes of colour would not show.

    cargo build --release
    python benches/augmentation.py        # Pillow

It asks `dslc data --html`, so the pictures are those that a training sees.
"""

import base64
import io
import os
import pathlib
import re
import subprocess
import tempfile

from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = pathlib.Path(__file__).resolve().parent.parent
DSLC = os.environ.get("DSLC", str(ROOT / "target/release/dslc"))
SIDE, GAP, LEFT = 96, 4, 224
STEPS = [
    "random_crop 96 padding=16", "random_resized_crop 96 scale=[0.2, 1]", "random_flip", "random_rotation 20",
    "random_affine 15 translate=0.1 shear=15", "color_jitter brightness=0.4 hue=0.1", "random_grayscale 0.5",
    "gaussian_blur 9", "random_erasing 0.8", "trivial_augment", "rand_augment magnitude=12",
]
NET = """model M {{ input 3x96x96; global_avg_pool -> linear 2 }}
data {{ source folder "photos"; split test=50%; resize short=96; center_crop 96; augment {{ {step} }} }}
train {{ loss cross_entropy; optimizer sgd lr=0.1; epochs 1; batch 2; seed 1 }}
"""


def pictures(html, title):
    """The pictures of the first row of a section."""
    section = html.split(f"<h2>{title}</h2>")[1]
    row = re.search(r'<div class="row">(.*?)</div>', section, re.S)[1]
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', row)
    return [Image.open(io.BytesIO(base64.b64decode(own))).convert("RGB").resize((SIDE, SIDE)) for own in found]


def main(photograph):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        grey = Image.open(photograph).convert("L")
        warm, cool = [ImageOps.colorize(grey, "#1a120c", light, mid) for light, mid in [("#fff0d8", "#b8845a"), ("#e4f6ff", "#5c8a78")]]
        tinted = Image.composite(cool, warm, Image.linear_gradient("L").resize(grey.size))
        for kind in ["a", "b"]:
            (folder / "photos" / kind).mkdir(parents=True)
            for i in range(2):
                tinted.save(folder / "photos" / kind / f"{i}.png")
        for step in STEPS:
            (folder / "x.net").write_text(NET.format(step=step))
            subprocess.run([DSLC, "data", "x.net", "--html", "page.html"], cwd=folder, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
            html = (folder / "page.html").read_text()
            rows.append((step, pictures(html, "As they reach the network")[:1] + pictures(html, "Augmented")[:6]))
    columns = max(len(own) for _, own in rows)
    size = (LEFT + columns * (SIDE + GAP) + GAP, len(rows) * (SIDE + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for y, (step, own) in enumerate(rows):
        top = GAP + y * (SIDE + GAP)
        words = step.split(" ", 1)
        draw.text((8, top + SIDE // 2 - 16), words[0], "black", font)
        draw.text((8, top + SIDE // 2 + 1), words[1] if len(words) > 1 else "", "#666", font)
        for x, picture in enumerate(own):
            left = LEFT + x * (SIDE + GAP) + (GAP if x else 0)
            sheet.paste(picture, (left, top))
    sheet.save(ROOT / "docs/augmentation.jpg", quality=60, optimize=True)


main(ROOT / "models/data/textures/train/gravel/gravel_012.jpg")
