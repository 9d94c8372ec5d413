"""What every part of the verification uses: dslc itself, other runtimes, and weights that are at no neutral value."""

import functools
import json
import pathlib
import struct
import subprocess

import numpy as np
import onnx
import onnx.reference
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[3]


def dslc(binary, *args):
    found = subprocess.run([binary, *map(str, args)], capture_output=True, text=True)
    if found.returncode:
        raise RuntimeError(f"dslc {' '.join(map(str, args))}\n{found.stdout}{found.stderr}")
    return found.stdout


def rewritten(path, change):
    """Rewrites a weights file: `change` takes a tensor's name and numbers and gives numbers."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    body = bytearray(data[8 + size :])
    for name, info in sorted(header.items()):
        if name == "__metadata__":
            continue
        start, end = info["data_offsets"]
        numbers = np.frombuffer(bytes(body[start:end]), "<f4").copy()
        body[start:end] = np.asarray(change(name, numbers), "<f4").tobytes()
    card = json.loads(header["__metadata__"]["dslc"])
    card.pop("checksum", None)
    header["__metadata__"]["dslc"] = json.dumps(card)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(body))


def perturbed(path):
    """Makes statistics and scales random, so that nothing is at its neutral value."""
    random = np.random.default_rng(0)

    def change(name, numbers):
        last = name.rsplit(".", 1)[-1]
        if last == "running_var":
            return random.uniform(0.5, 2.0, numbers.shape)
        if last == "running_mean":
            return random.normal(0, 0.3, numbers.shape)
        if last == "weight" and np.ptp(numbers) == 0 and "filter2d" not in name:
            return random.uniform(0.5, 1.5, numbers.shape)
        if last == "bias" and np.ptp(numbers) == 0:
            return random.normal(0, 0.3, numbers.shape)
        return numbers

    rewritten(path, change)


def image(model, batch):
    """Random images as a graph takes them."""
    (value,) = [v for v in model.graph.input]
    dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
    return np.random.default_rng(1).normal(size=[batch, *dims[1:]]).astype(np.float32)


@functools.lru_cache(1)
def session(path, _changed):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def by_onnxruntime(path, x):
    own = session(str(path), path.stat().st_mtime_ns)
    return own.run(None, {own.get_inputs()[0].name: x})[0]


@functools.lru_cache(1)
def compiled(path, _changed):
    import openvino

    core = openvino.Core()
    return core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def by_second(path, x):
    """What a second, independent runtime gives: OpenVINO where it is installed, else onnx's own reference evaluator."""
    try:
        own = compiled(str(path), path.stat().st_mtime_ns)
    except ImportError:
        evaluator = onnx.reference.ReferenceEvaluator(str(path))
        return evaluator.run(None, {evaluator.input_names[0]: x})[0]
    return own(x)[own.output(0)]


def distance(a, b):
    """The largest difference in parts of the largest number."""
    assert a.shape == b.shape, (a.shape, b.shape)
    assert np.isfinite(a).all()
    return float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-6))
