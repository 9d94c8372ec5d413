"""A trained models/mnist.net -> C99, compiled without libraries: the 10,000 test images get the answers of `dslc predict`."""

import gzip
import json
import re
import struct
import subprocess

import numpy as np
from PIL import Image

from verifying.common import ROOT, dslc

MAIN = """#include <stdio.h>
#include "mnist.h"

int main(void) {
    static unsigned char pixels[MNIST_INPUTS];
    static float input[MNIST_INPUTS], output[MNIST_OUTPUTS];
    while (fread(pixels, 1, MNIST_INPUTS, stdin) == MNIST_INPUTS) {
        mnist_prepare(pixels, input);
        mnist_run(input, output);
        for (int i = 0; i < MNIST_OUTPUTS; i++) printf("%.9g ", (double)output[i]);
        printf("\\n");
    }
    return 0;
}
"""


def idx(path):
    """The arrays of MNIST's own format."""
    data = gzip.decompress(path.read_bytes())
    axes = data[3]
    dims = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(dims)


def verify(binary, data, _only, folder):
    data = data / "mnist"
    text = (ROOT / "models/mnist.net").read_text().replace('"data/mnist"', f'"{data}"')
    (folder / "mnist.net").write_text(text)
    # One epoch: trained well enough that few images are near a boundary, and none is at random.
    dslc(binary, "run", folder / "mnist.net", "--set", "train.epochs=1", "--out", folder / "run")
    dslc(binary, "export", folder / "run", "--to", "c", "-o", folder / "mnist")
    place = folder / "mnist"
    (place / "main.c").write_text(MAIN)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2"]
    subprocess.run(["cc", *flags, "-o", "run", "main.c", "mnist.c"], cwd=place, check=True)
    images, labels = (idx(data / f"t10k-{what}-ubyte.gz") for what in ["images-idx3", "labels-idx1"])
    told = subprocess.run([place / "run"], input=images.tobytes(), capture_output=True, check=True).stdout
    scores = np.array(told.split(), np.float64).reshape(len(images), 10)
    own = np.exp(scores - scores.max(1, keepdims=True))
    own /= own.sum(1, keepdims=True)
    # dslc takes picture files.
    pictures = folder / "pictures"
    pictures.mkdir()
    for at, pixels in enumerate(images):
        Image.fromarray(pixels).save(pictures / f"{at:05}.png", compress_level=0)
    answers = [json.loads(line) for line in dslc(binary, "predict", folder / "run", pictures, "--top", "10", "--json").splitlines()]
    ours = np.zeros_like(own)
    for row, answer in zip(ours, answers, strict=True):
        for entry in answer["top"]:
            row[entry["index"]] = entry["probability"]
    worst = float(np.abs(ours - own).max())
    same = int((ours.argmax(1) == own.argmax(1)).sum())
    right = int((own.argmax(1) == labels).sum())
    said = dslc(binary, "eval", folder / "run")
    accuracy = float(re.search(r"accuracy\D*([\d.]+)", said).group(1))
    good = same == len(images) and worst < 1e-5 and abs(accuracy - right / len(images) * 100) < 0.01
    print("ok  " if good else "FAIL", f"C: {same} of {len(images)} as dslc predicts, probabilities within {worst:.1e}; {right} right, and by dslc eval {accuracy} %", flush=True)
    return [] if good else ["mnist.net in C"]
