"""Makes the small data of segment.net, labels.net and dials.net: shapes with their masks and a table, and dials with the place of
their hand.

    python models/data/make_shapes.py        # numpy, Pillow

shapes/images/PART/N.png    32x32 pictures: up to three of a circle, a square and a triangle, in any colours
shapes/masks/PART/N.png     the class of each pixel, with a palette: ground, circle, square, triangle; 255 on the edges
shapes/labels.csv           which of the three each picture has, and its part
dials/N.png                 28x28 grey pictures of a dial
dials/dials.csv             where its hand ends (x to the right, y down, the radius is 1), and its part

The same pictures come every time. They are in the public domain (CC0).
"""

import csv
import pathlib

import numpy
from PIL import Image, ImageDraw

HERE = pathlib.Path(__file__).parent
KINDS = ["circle", "square", "triangle"]
PALETTE = [0, 0, 0, 230, 60, 60, 60, 160, 230, 240, 200, 40]
PARTS = [("train", 96), ("test", 32)]
SCALE = 8  # pictures are drawn so much larger


def outline(kind, x, y, r, angle):
    if kind == "circle":
        return [(x + r * numpy.cos(t), y + r * numpy.sin(t)) for t in numpy.linspace(0, 2 * numpy.pi, 48)]
    n = {"square": 4, "triangle": 3}[kind]
    turns = angle + 2 * numpy.pi * numpy.arange(n) / n
    return [(x + r * numpy.cos(t), y + r * numpy.sin(t)) for t in turns]


def shapes(rng, size=32):
    ground = rng.integers(0, 110, 3)
    picture = Image.new("RGB", (size * SCALE, size * SCALE), tuple(int(c) for c in ground))
    mask = Image.new("L", picture.size, 0)
    there = []
    places = [(9, 9), (23, 9), (9, 23), (23, 23)]
    rng.shuffle(places)
    for kind, place in zip(rng.permutation(KINDS), places):
        if rng.random() < 0.35:
            continue
        there.append(kind)
        x, y = (numpy.array(place) + rng.uniform(-1.5, 1.5, 2)) * SCALE
        points = outline(kind, x, y, rng.uniform(5.5, 7) * SCALE, rng.uniform(0, 2 * numpy.pi))
        colour = tuple(int(c) for c in rng.integers(140, 256, 3))
        ImageDraw.Draw(picture).polygon(points, fill=colour)
        ImageDraw.Draw(mask).polygon(points, fill=1 + KINDS.index(str(kind)))
    small = picture.resize((size, size), Image.Resampling.BOX)
    # A pixel that is partly one thing and partly another counts for nothing.
    blocks = numpy.asarray(mask).reshape(size, SCALE, size, SCALE).swapaxes(1, 2).reshape(size, size, -1)
    whole = blocks.min(-1) == blocks.max(-1)
    classes = Image.fromarray(numpy.where(whole, blocks.min(-1), 255).astype("uint8"), "P")
    classes.putpalette(PALETTE + [128] * (3 * 252))
    return small, classes, there


def dial(rng, size=28):
    angle = rng.uniform(0, 2 * numpy.pi)
    light = int(rng.integers(150, 256))
    picture = Image.new("L", (size * SCALE, size * SCALE), int(rng.integers(0, 60)))
    middle, r = size * SCALE / 2, 12.5 * SCALE
    draw = ImageDraw.Draw(picture)
    draw.ellipse([middle - r, middle - r, middle + r, middle + r], outline=light, width=SCALE)
    tip = [middle + 0.85 * r * numpy.cos(angle), middle + 0.85 * r * numpy.sin(angle)]
    draw.line([middle, middle, *tip], fill=light, width=int(rng.integers(1, 3)) * SCALE)
    draw.ellipse([middle - 2 * SCALE, middle - 2 * SCALE, middle + 2 * SCALE, middle + 2 * SCALE], fill=light)
    return picture.resize((size, size), Image.Resampling.BOX), numpy.cos(angle), numpy.sin(angle)


def main():
    rng = numpy.random.default_rng(1)
    rows = []
    for part, n in PARTS:
        for kind in ["images", "masks"]:
            (HERE / "shapes" / kind / part).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            picture, classes, there = shapes(rng)
            picture.save(HERE / "shapes" / "images" / part / f"{i:03}.png", optimize=True)
            classes.save(HERE / "shapes" / "masks" / part / f"{i:03}.png", optimize=True)
            rows.append([f"images/{part}/{i:03}.png", part] + [int(kind in there) for kind in KINDS])
    with open(HERE / "shapes" / "labels.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["image", "part"] + KINDS] + rows)
    rows = []
    (HERE / "dials").mkdir(exist_ok=True)
    for part, n in PARTS:
        for i in range(n):
            name = f"{part}_{i:03}.png"
            picture, x, y = dial(rng)
            picture.save(HERE / "dials" / name, optimize=True)
            rows.append([name, part, f"{x:.4f}", f"{y:.4f}"])
    with open(HERE / "dials" / "dials.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["image", "part", "x", "y"]] + rows)


main()
