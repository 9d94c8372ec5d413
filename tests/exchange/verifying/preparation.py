"""Pictures -> `dslc predict --json` and the exported graph with the preparation inside: the same probabilities.

The network is one linear layer with large weights over all pixels, so that a pixel that is prepared otherwise shows.
"""

import json

import numpy as np
from PIL import Image

from verifying.common import by_onnxruntime, by_second, dslc, rewritten
from verifying.in_c import idx

TOLERANCE = 1e-5

# The shape that the model takes, and the lines of the `data` section.
CASES = [
    ("3x32x32", "resize 32x32"),
    ("3x32x32", "resize 32x32 filter=bicubic"),
    ("3x32x32", "resize 32x32 antialias=false"),
    ("3x150x140", "resize 150x140"),
    ("3x150x140", "resize 150x140 filter=bicubic"),
    ("3x24x90", "resize 24x90 filter=bicubic"),
    ("3x48x48", "resize short=56; center_crop 48"),
    ("3x48x48", "resize short=56 filter=bicubic; center_crop 48; normalize imagenet"),
    ("3x49x50", "center_crop 49x50"),
    ("3x141x90", "center_crop 141x90"),
    ("1x40x40", "center_crop 40; grayscale"),
    ("1x40x40", "grayscale; resize 40x40; normalize mean=0.4 std=0.3"),
    ("3x40x40", "resize 40x40; normalize mean=[0.1, 0.5, 0.9] std=[0.2, 0.3, 0.4]"),
    ("3x40x40", "resize 40x40; grayscale; rgb; normalize imagenet"),
]
DIGITS = [
    ("1x28x28", "normalize mean=0.1307 std=0.3081"),
    ("1x20x20", "center_crop 20; normalize mean=0.1307 std=0.3081"),
    ("1x32x32", "resize 32x32 filter=bicubic"),
]


def textures(data, folder, n):
    """Pictures of the data set in their own sizes, decoded once, so that no decoder makes a difference."""
    files = sorted((data / "textures/test").glob("*/*"))
    for at, file in enumerate(files[:: len(files) // n][:n]):
        Image.open(file).convert("RGB").save(folder / f"{at}.png")
    return sorted(folder.glob("*.png"), key=lambda file: int(file.stem))


def digits(data, folder, n):
    images = idx(data / "mnist/t10k-images-idx3-ubyte.gz")
    for at in range(n):
        Image.fromarray(images[at]).save(folder / f"{at}.png")
    return sorted(folder.glob("*.png"), key=lambda file: int(file.stem))


def case(binary, source, n_classes, shape, steps, pictures, folder):
    """The largest difference of a probability between dslc and each runtime."""
    file, weights, graph = folder / "p.net", folder / "p.safetensors", folder / "p.onnx"
    lines = "\n".join(f"    {step.strip()}" for step in steps.split(";"))
    file.write_text(f"model P {{\n    input {shape}\n    flatten -> linear {n_classes}\n}}\ndata {{\n    source {source}\n{lines}\n}}\n")
    dslc(binary, "export", file, "--untrained", "--to", "safetensors", "--force", "-o", weights)
    random = np.random.default_rng(2)

    def large(name, numbers):
        # The scores of a picture differ by a few units.
        return random.normal(0, 4 / np.sqrt(numbers.size / n_classes), numbers.size)

    rewritten(weights, large)
    dslc(binary, "export", file, "--weights", weights, "--with-preparation", "--force", "-o", graph)
    answers = dslc(binary, "predict", file, "--weights", weights, *pictures, "--top", n_classes, "--json").splitlines()
    worst = {}
    for picture, answer in zip(pictures, answers, strict=True):
        ours = np.zeros(n_classes)
        for entry in json.loads(answer)["top"]:
            ours[entry["index"]] = entry["probability"]
        pixels = np.asarray(Image.open(picture))
        pixels = pixels[None, ..., None] if pixels.ndim == 2 else pixels[None]
        for name, run in [("onnxruntime", by_onnxruntime), ("second", by_second)]:
            found = run(graph, pixels)[0]
            worst[name] = max(worst.get(name, 0), float(np.abs(found - ours).max()))
    return worst


def verify(binary, data, only, folder):
    bad = []
    for made, source, n_classes, cases in [
        (textures, f'folder "{data}/textures"', 3, CASES),
        (digits, f'mnist "{data}/mnist"', 10, DIGITS),
    ]:
        place = folder / made.__name__
        place.mkdir()
        pictures = made(data, place, 12)
        for shape, steps in cases:
            if only not in steps:
                continue
            try:
                worst = case(binary, source, n_classes, shape, steps, pictures, folder)
                good = max(worst.values()) <= TOLERANCE
                print("ok  " if good else "FAIL", steps, " ".join(f"{k} {v:.1e}" for k, v in worst.items()), flush=True)
            except RuntimeError as error:
                good = False
                print("FAIL", steps, error, flush=True)
            bad += [] if good else [f"preparation: {steps}"]
    return bad
