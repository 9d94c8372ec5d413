"""Every layer of the language and every model of models/ -> PyTorch, and every layer -> C: each is run on an example of dslc's own."""

import importlib.util
import json
import struct
import subprocess

import numpy as np

from verifying.common import ROOT, distance, dslc, perturbed
from verifying.layers import layers

TOLERANCE = 1e-5

MAIN = """#include <stdio.h>
#include "t.h"

int main(void) {
    static float input[T_INPUTS], output[T_OUTPUTS];
    if (fread(input, sizeof(float), T_INPUTS, stdin) != T_INPUTS) return 1;
    t_run(input, output);
    t_run(input, output);
    return fwrite(output, sizeof(float), T_OUTPUTS, stdout) != T_OUTPUTS;
}
"""


def example(place):
    """The input and the output that lie beside a `model.py`."""
    data = (place / "example.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    found = {}
    for name in ["input", "output"]:
        start, end = header[name]["data_offsets"]
        found[name] = np.frombuffer(body[start:end], "<f4").reshape(header[name]["shape"])
    return found["input"], found["output"]


def in_python(place):
    import torch

    spec = importlib.util.spec_from_file_location("model", place / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x, y = example(place)
    with torch.no_grad():
        found = module.load(place)(torch.from_numpy(x.copy()))
    return distance(y, found.numpy())


def in_c(place, x, y):
    (place / "main.c").write_text(MAIN)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
    subprocess.run(["cc", *flags, "-o", "run", "main.c", "t.c", "-lm"], cwd=place, check=True)
    told = subprocess.run([place / "run"], input=x.astype("<f4").tobytes(), capture_output=True, check=True).stdout
    return distance(y, np.frombuffer(told, "<f4").reshape(y.shape))


def one(binary, title, file, folder, to_c):
    weights, python, c = folder / "w.safetensors", folder / "python", folder / "c"
    dslc(binary, "export", file, "--untrained", "--to", "safetensors", "--force", "-o", weights)
    perturbed(weights)
    given = [file, "--weights", weights, "--force"]
    found = {}
    try:
        dslc(binary, "export", *given, "--to", "pytorch", "-o", python)
        found["PyTorch"] = in_python(python)
        if to_c:
            dslc(binary, "export", *given, "--to", "c", "-o", c)
            found["C"] = in_c(c, *example(python))
        good = max(found.values()) <= TOLERANCE
    except (RuntimeError, AssertionError, subprocess.CalledProcessError) as error:
        found, good = {str(error): 0}, False
    print("ok  " if good else "FAIL", title, " ".join(f"{name} {value:.1e}" for name, value in found.items()), flush=True)
    return good


def verify(binary, _data, only, folder):
    bad = []
    for name, shape, lines in layers():
        if only in name:
            file = folder / "layer.model"
            file.write_text(f"model T {{\n    input {shape}\n{lines}\n}}\n")
            bad += [] if one(binary, name, file, folder, True) else [name]
    for file in sorted((ROOT / "models").iterdir()):
        if file.suffix in (".net", ".model") and only in file.name:
            bad += [] if one(binary, file.name, file, folder, False) else [file.name]
    return bad
