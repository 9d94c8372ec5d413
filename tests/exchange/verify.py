"""Holds what dslc exports against other runtimes, number by number.

    python -m venv venv && venv/bin/pip install numpy onnx onnxruntime
    venv/bin/python tests/exchange/verify.py [--dslc target/release/dslc] [--only resnet]

Every layer of the language (its own example) and every model of models/ is exported with random weights and
perturbed statistics, checked by onnx.checker, and run by ONNX Runtime and by a second runtime: OpenVINO where it is installed,
else onnx's own reference evaluator. What dslc computes itself comes from its verification and from the round trip: the file is imported
again, exported again, and must give the same numbers. Anything that is missing is a failure.
"""

import argparse
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnx.reference
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOLERANCE = 1e-5
# Sums of a thousand channels, fifty layers deep.
DEEP = 1e-4

# What examples do not show.
CASES = [
    ("3x13x11", "max_pool2d 3 stride=2 ceil=true"),
    ("3x13x11", "max_pool2d 3 stride=2 padding=[0, 1, 1, 0]"),
    ("3x13x12", "avg_pool2d 3 stride=2 ceil=true"),
    ("3x13x12", "avg_pool2d 3 stride=2 padding=1 ceil=true"),
    ("3x13x12", "avg_pool2d 3 stride=2 padding=1 ceil=true count_padding=false"),
    ("3x13x12", "avg_pool2d 3 stride=2 padding=1 count_padding=false"),
    ("4x13x12", "conv2d 6 3x5 stride=2x1 padding=[1, 0, 2, 1] dilation=2x1 groups=2 bias=false"),
    ("4x13x12", "conv2d 6 3x3 stride=2 padding=same -> batch_norm -> relu"),
    ("4x7x9", "conv_transpose2d 6 3x3 stride=2 padding=1 output_padding=1 groups=2 -> batch_norm"),
    ("4x7x9", "conv_transpose2d 6 3x3 stride=2 padding=[0, 1, 1, 2] dilation=2 bias=false"),
    ("3x12x10", "adaptive_avg_pool2d 5x4"),
    ("3x12x10", "adaptive_avg_pool2d 3x5"),
    ("3x12x10", "adaptive_max_pool2d 5x4"),
    ("3x12x10", "adaptive_avg_pool2d 1 -> conv2d 4 1x1"),
    ("3x31", "adaptive_max_pool1d 7"),
    ("3x31", "adaptive_avg_pool1d 7"),
    ("3x31", "conv1d 6 3 stride=2 padding=1 -> max_pool1d 3 padding=1 ceil=true -> batch_norm"),
    ("3x31", "avg_pool1d 3 padding=1 stride=2 ceil=true"),
    ("8x6x6", "local_response_norm 4 alpha=0.5 beta=0.6 k=2"),
    ("8x6x6", "local_response_norm 5 alpha=0.5"),
    ("3x6x6", "pad [1, 2, 0, 3] mode=reflect"),
    ("3x6x6", "pad [1, 2, 0, 3] mode=replicate"),
    ("3x6x6", "pad [1, 2, 0, 3] value=-0.5"),
    ("3x6x5", "upsample 2x3 mode=bilinear"),
    ("3x6x5", "upsample 2x3 mode=bilinear align_corners=true"),
    ("3x6x5", "upsample 3x2"),
    ("3x6x5", "crop 3x2 top=2 left=1"),
    ("12x6x5", "pixel_shuffle 2 -> channel_shuffle 3"),
    ("12x6x5", "group_norm 3 -> instance_norm affine=true -> layer_norm"),
    ("12x6x5", "flatten -> group_norm 4 -> layer_norm affine=false"),
    ("6x6x5", "identity as x; global_avg_pool -> linear 3 -> relu -> linear 6 -> hardsigmoid; multiply x"),
    ("6x6x5", "residual { conv2d 4 3x3 padding=1 -> mish -> conv2d 6 1x1 } -> elu 0.5 -> scale 2 -> scale learned=true"),
    ("6x6x5", "flatten -> linear 8 bias=false -> batch_norm -> gelu -> reshape 2x2x2 -> prelu -> log_softmax"),
    ("6x6x5", "add { branch { conv2d 4 1x1 } branch { conv2d 4 1x1 } branch { identity -> conv2d 4 1x1 } }"),
    ("6x6x5", "multiply { branch { conv2d 4 1x1 } branch { conv2d 4 1x1 -> sigmoid } }"),
    ("6x6x5", "flatten -> linear 8 -> batch_norm -> prelu -> scale 0.5 -> softmax"),
]


def dslc(binary, *args):
    found = subprocess.run([binary, *map(str, args)], capture_output=True, text=True)
    if found.returncode:
        raise RuntimeError(f"dslc {' '.join(map(str, args))}\n{found.stdout}{found.stderr}")
    return found.stdout


def perturbed(path):
    """Rewrites a weights file: statistics and scales become random, so that nothing is at its neutral value."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    body = bytearray(data[8 + size :])
    random = np.random.default_rng(0)
    for name, info in sorted(header.items()):
        if name == "__metadata__":
            continue
        start, end = info["data_offsets"]
        numbers = np.frombuffer(bytes(body[start:end]), "<f4").copy()
        last = name.rsplit(".", 1)[-1]
        if last == "running_var":
            numbers = random.uniform(0.5, 2.0, numbers.shape)
        elif last == "running_mean":
            numbers = random.normal(0, 0.3, numbers.shape)
        elif last == "weight" and np.ptp(numbers) == 0 and "filter2d" not in name:
            numbers = random.uniform(0.5, 1.5, numbers.shape)
        elif last == "bias" and np.ptp(numbers) == 0:
            numbers = random.normal(0, 0.3, numbers.shape)
        body[start:end] = numbers.astype("<f4").tobytes()
    card = json.loads(header["__metadata__"]["dslc"])
    card.pop("checksum", None)
    header["__metadata__"]["dslc"] = json.dumps(card)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(body))


def image(model, batch):
    (value,) = [v for v in model.graph.input]
    dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
    return np.random.default_rng(1).normal(size=[batch, *dims[1:]]).astype(np.float32)


def by_onnxruntime(path, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def by_second(path, x):
    try:
        import openvino
    except ImportError:
        evaluator = onnx.reference.ReferenceEvaluator(str(path))
        return evaluator.run(None, {evaluator.input_names[0]: x})[0]
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(path)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(x)[compiled.output(0)]


def distance(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    assert np.isfinite(a).all()
    return float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-6))


def one(binary, title, file, folder, tolerance):
    first, again, other = (folder / f"{name}.onnx" for name in ["first", "again", "folded"])
    force = ["--force", "-o"]
    # The weights that training would begin with, by way of an import, made random.
    dslc(binary, "export", file, "--untrained", *force, first)
    weights = folder / "weights.safetensors"
    dslc(binary, "export", file, "--untrained", "--to", "safetensors", *force, weights)
    perturbed(weights)
    dslc(binary, "export", file, "--weights", weights, *force, first)
    dslc(binary, "export", file, "--weights", weights, "--fold", *force, other)
    model = onnx.load(first)
    onnx.checker.check_model(model, full_check=True)
    x = image(model, 2)
    expected = by_onnxruntime(first, x)
    found = {"second": distance(expected, by_second(first, x)), "folded": distance(expected, by_onnxruntime(other, x))}
    text = folder / "again.model"
    dslc(binary, "import", first, *force, text)
    dslc(binary, "export", text, "--weights", text.with_suffix(".safetensors"), *force, again)
    found["again"] = distance(expected, by_onnxruntime(again, x))
    np.savez(folder / "cases.npz", a=x, b=expected)
    said = dslc(binary, "import", first, "--verify", folder / "cases.npz", *force, text)
    found["ours"] = float(re.search(r"differ by (\S+) at most", said).group(1))
    worst = max(found.values())
    mark = "ok  " if worst <= tolerance else "FAIL"
    print(mark, title, " ".join(f"{k} {v:.1e}" for k, v in found.items()), f"{len(text.read_text().splitlines())} lines", flush=True)
    return worst <= tolerance


def tried(binary, title, *rest):
    try:
        return one(binary, title, *rest)
    except (RuntimeError, AssertionError, onnx.checker.ValidationError) as error:
        print("FAIL", title, error, flush=True)
        return False


def layers(binary):
    """The example of every layer and join, out of the reference."""
    text = (ROOT / "docs/layers.md").read_text()
    # Blocks are made of layers.
    text = re.split(r"^## (?!Input|Layers|Joins)", text, flags=re.M)[0]
    for name, section in re.findall(r"^### `(\w+)`\n(.*?)(?=^### |^## |\Z)", text, re.M | re.S):
        example = re.search(r"For example:\n\n```text\n(.*?)```", section, re.S)
        if name != "input":
            yield name, "3x12x12", example.group(1) if example else name
    for at, (shape, lines) in enumerate(CASES):
        yield f"{lines.split()[0]} ({at + 1}: {' '.join(lines.split())})", shape, lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dslc", default=str(ROOT / "target/release/dslc"))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    bad = []
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for name, shape, lines in layers(options.dslc):
            if options.only in name:
                file = folder / "layer.model"
                file.write_text(f"model T {{\n    input {shape}\n{lines}\n}}\n")
                if not tried(options.dslc, name, file, folder, TOLERANCE):
                    bad.append(name)
        for file in sorted((ROOT / "models").iterdir()):
            if file.suffix in (".net", ".model") and options.only in file.name:
                if not tried(options.dslc, file.name, file, folder, DEEP):
                    bad.append(file.name)
    if bad:
        sys.exit(f"these differ: {', '.join(bad)}")


if __name__ == "__main__":
    main()
