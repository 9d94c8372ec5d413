"""torchvision's networks -> both of PyTorch's exporters -> `dslc import`: PyTorch's outputs, and texts that people read."""

import logging
import time
import warnings

import numpy as np

from verifying.common import dslc

TOLERANCE = 1e-4
MOST_LINES = 60
# What is published here, and what else the language can express.
PUBLISHED = ["alexnet", "densenet121", "googlenet", "mobilenet_v2", "resnet18", "resnet50", "squeezenet1_1", "vgg16"]
OTHERS = [
    "convnext_tiny",
    "efficientnet_b0",
    "mnasnet1_0",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnext50_32x4d",
    "shufflenet_v2_x1_0",
]
# With a batch of any size this exporter makes one list of all pooled images and gathers from it by numbers that it works out: the node
# is named.
REFUSED = {"convnext_tiny (dynamo)": "which mixes images"}


def network(name):
    """Random weights and statistics; GoogLeNet as it is for inference."""
    import torch
    import torchvision

    torch.manual_seed(1)
    more = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(**more)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def exported(model, x, place, is_dynamo):
    import torch

    if is_dynamo:
        torch.onnx.export(model, (x,), place, dynamo=True, verbose=False, dynamic_shapes=[{0: torch.export.Dim("n")}])
    else:
        torch.onnx.export(model, (x,), place, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}})


def one(binary, name, folder):
    import torch

    model = network(name)
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        y = model(x)
    np.savez(folder / "cases.npz", a=x.numpy(), b=y.numpy())
    good = True
    for exporter in ["script", "dynamo"]:
        file, text = folder / f"{name}_{exporter}.onnx", folder / f"{name}_{exporter}.model"
        title = f"{name} ({exporter})"
        try:
            exported(model, x, file, exporter == "dynamo")
            begun = time.time()
            said = dslc(binary, "import", file, "--verify", folder / "cases.npz", "--force", "-o", text)
            seconds = time.time() - begun
        except RuntimeError as error:
            is_named = REFUSED.get(title, "no such words") in str(error)
            print("ok  " if is_named else "FAIL", title, str(error).splitlines()[1], flush=True)
            good &= is_named
            continue
        worst = float(said.split("differ by ")[1].split()[0])
        lines = len(text.read_text().splitlines())
        fits = worst <= TOLERANCE and lines <= MOST_LINES and title not in REFUSED
        print("ok  " if fits else "FAIL", title, f"differs by {worst:.0e}, {lines} lines, {seconds:.1f} s", flush=True)
        good &= fits
        for path in folder.glob(f"{name}_*.onnx*"):
            path.unlink()
    return good


def verify(binary, _data, only, folder):
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    return [name for name in [*PUBLISHED, *OTHERS] if only in name and not one(binary, name, folder)]
