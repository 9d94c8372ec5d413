"""Keras' networks -> `.keras`, and Keras' own ONNX export (on PyTorch) -> `dslc import`: Keras' outputs."""

import os
import time
import warnings

import numpy as np

from verifying.common import dslc

TOLERANCE = 1e-5
NETWORKS = [
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "ResNet50",
    "ResNet50V2",
    "DenseNet121",
    "EfficientNetB0",
    "InceptionV3",
    "Xception",
    "VGG16",
]
# Keras' own export on PyTorch fails for these.
WITHOUT_ONNX = ["Xception"]


def network(name):
    """Random weights, and statistics of batch norms that are not 0 and 1."""
    import keras

    model = getattr(keras.applications, name)(weights=None, input_shape=(224, 224, 3))
    random = np.random.default_rng(0)
    for weight in model.weights:
        shape, last = weight.shape, weight.path.split("/")[-1]
        if last in ("moving_variance", "variance", "gamma"):
            weight.assign(random.uniform(0.5, 1.5, shape))
        elif len(shape) > 1:
            # Of a depthwise kernel the last axis counts no inputs.
            fan = np.prod(shape[:2] if last.startswith("depthwise") else shape[:-1])
            weight.assign(random.normal(size=shape) / np.sqrt(fan))
        else:
            weight.assign(0.1 * random.normal(size=shape))
    return model


def one(binary, name, folder):
    model = network(name)
    x = np.random.default_rng(1).normal(size=(2, *model.input_shape[1:])).astype("float32")
    np.savez(folder / "cases.npz", a=x, b=model(x, training=False).detach().cpu().numpy())
    model.save(folder / f"{name}.keras")
    files = [folder / f"{name}.keras"]
    if name not in WITHOUT_ONNX:
        files.append(folder / f"{name}.onnx")
        model.export(files[-1], format="onnx", verbose=False)
    good = True
    for file in files:
        begun = time.time()
        try:
            said = dslc(binary, "import", file, "--verify", folder / "cases.npz", "--force", "-o", folder / "x.model")
        except RuntimeError as error:
            print("FAIL", file.name, str(error).splitlines()[1:3], flush=True)
            good = False
            continue
        worst, seconds = float(said.split("differ by ")[1].split()[0]), time.time() - begun
        good &= worst <= TOLERANCE
        lines = len((folder / "x.model").read_text().splitlines())
        print(
            "ok  " if worst <= TOLERANCE else "FAIL",
            file.name,
            f"differs by {worst:.0e}, {lines} lines, {seconds:.1f} s",
            flush=True,
        )
        file.unlink()
    return good


def verify(binary, _data, only, folder):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    warnings.filterwarnings("ignore")
    return [name for name in NETWORKS if only.lower() in name.lower() and not one(binary, name, folder)]
