"""Holds what dslc exports against other runtimes, number by number, and what it imports against PyTorch.

    python -m venv venv && venv/bin/pip install numpy pillow onnx onnxruntime openvino torch torchvision onnxscript keras
    venv/bin/python tests/exchange/verify.py [--dslc target/release/dslc] [--part layers] [--only resnet]

The parts:

- `layers`, `models`: every layer of the language (its own example) and every model of models/ is exported with random weights and
  perturbed statistics, checked by onnx.checker, and run by ONNX Runtime and by a second runtime: OpenVINO where it is installed,
  otherwise onnx's own reference evaluator. The file is imported again, held against those numbers, and must be the same graph after all
  passes.
- `programs`: every layer as PyTorch and as C, every model as PyTorch, on examples of dslc's own.
- `preparation`: pictures through `--with-preparation` and through `dslc predict`.
- `c`: models/mnist.net, trained, as C, over the 10,000 test images.
- `torchvision`: torchvision's networks out of both of PyTorch's exporters.
- `keras`: Keras' networks out of its own files and out of its ONNX export.
- `tuning`: published weights (downloaded) that are trained on to tell textures apart.

The pictures are MNIST and the textures, in `--data`. Anything that is missing is a failure.
"""

import argparse
import pathlib
import sys
import tempfile

from verifying import in_c, keras_networks, layers, preparation, programs, torchvision_networks, tuning
from verifying.common import ROOT

PARTS = {
    "layers": layers.verify_layers,
    "models": layers.verify_models,
    "programs": programs.verify,
    "preparation": preparation.verify,
    "c": in_c.verify,
    "torchvision": torchvision_networks.verify,
    "keras": keras_networks.verify,
    "tuning": tuning.verify,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dslc", default=str(ROOT / "target/release/dslc"))
    parser.add_argument("--data", default=ROOT.parent / "shared/data", type=pathlib.Path)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    bad = []
    for part in options.part or PARTS:
        with tempfile.TemporaryDirectory() as place:
            bad += PARTS[part](options.dslc, options.data.resolve(), options.only, pathlib.Path(place))
    if bad:
        sys.exit(f"these differ: {', '.join(bad)}")


if __name__ == "__main__":
    main()
