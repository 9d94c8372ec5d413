"""Every layer of the language and every model of models/ -> ONNX, run by other runtimes, and back into the language."""

import re

import numpy as np
import onnx

from verifying.common import ROOT, by_onnxruntime, by_second, distance, dslc, image, perturbed
from verifying.graphs import difference

TOLERANCE = 1e-5
MOST_LINES = 60
# Its own file gives five kinds of blocks their widths by parameters; read back, blocks of other widths are other blocks.
MORE_LINES = {"coatnet.model": 90, "inception_v3.model": 125, "mobilevit_xxs.model": 90}

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
    ("3x31", "pad 2 mode=reflect -> upsample 3 mode=bilinear -> pad [0, 0, 1, 3] value=0.5 -> upsample 2"),
    ("4x31", "conv_transpose1d 6 5 stride=3 padding=[1, 2] output_padding=1 dilation=2 groups=2 bias=false"),
    ("4x31", "instance_norm affine=true -> instance_norm -> max space -> std channels correction=0"),
    ("4x6x5", "std channels epsilon=1e-3 -> power 3 -> clamp -1 2 -> exp -> power -1 -> sqrt -> power 1.5"),
    ("4x6x5", "power 3 -> power 2 -> power 4"),
    ("4x6x5", "flatten -> l2_normalize epsilon=0.5 -> mean channels"),
    ("8x6x5", "positions sinusoidal -> attention 4 bias=false -> l2_normalize -> max channels"),
    ("8x30", "class_token -> positions -> attention 2 -> layer_norm over=channels -> sum space"),
    ("4x6x8", "attention 2 patch=2 -> attention 4 patch=3x2 bias=false -> attention 1 patch=1x4 -> mean space"),
    ("4x6x5", "transpose as x; transpose; matmul x -> reshape 4x36 -> transpose -> conv1d 3 1"),
    ("4x6x5", "identity as x; parameter 6x5 value=2 -> reshape 1x6x5 -> sigmoid; multiply x as y; parameter 4x6x1; add y"),
    ("6x5x4", "multiply { branch { conv2d 1 1x1 } branch { identity } branch { global_avg_pool } }"),
    ("6x5x4", "add { branch { conv2d 6 5x1 } branch { conv2d 1 1x4 } branch { global_max_pool } }"),
    ("12x6x5", "slice 3 9 -> slice 1 4 axis=height -> layer_norm over=channels -> slice 2 axis=width"),
    ("12x9", "slice 3 9 -> slice 1 4 axis=length -> layer_norm over=channels affine=false"),
]


def model_alone(text):
    """A file without the sections of an experiment, whose graph is of inference."""
    lines, depth, is_left = [], 0, False
    for line in text.splitlines():
        code = line.split("#")[0]
        is_left = is_left or re.match(r"(data|train|expect)\b", code) is not None
        depth += code.count("{") - code.count("}")
        if not is_left:
            lines.append(line)
        is_left = is_left and depth > 0
    return "\n".join(lines) + "\n"


def one(binary, title, file, folder):
    """Exports a file, runs it, imports it again and exports that, and tells how far everything is apart."""
    first, again, folded = (folder / f"{name}.onnx" for name in ["first", "again", "folded"])
    force = ["--force", "-o"]
    weights = folder / "weights.safetensors"
    dslc(binary, "export", file, "--untrained", "--to", "safetensors", *force, weights)
    perturbed(weights)
    dslc(binary, "export", file, "--weights", weights, *force, first)
    dslc(binary, "export", file, "--weights", weights, "--fold", *force, folded)
    model = onnx.load(first)
    onnx.checker.check_model(model, full_check=True)
    x = image(model, 2)
    del model
    expected = by_onnxruntime(first, x)
    found = {"second": distance(expected, by_second(first, x)), "folded": distance(expected, by_onnxruntime(folded, x))}
    # What dslc computes itself: it holds the network that it reads against these arrays.
    text = folder / "again.model"
    np.savez(folder / "cases.npz", a=x, b=expected)
    said = dslc(binary, "import", first, "--verify", folder / "cases.npz", *force, text)
    found["ours"] = float(re.search(r"differ by (\S+) at most", said).group(1))
    dslc(binary, "export", text, "--weights", text.with_suffix(".safetensors"), *force, again)
    found["again"] = distance(expected, by_onnxruntime(again, x))
    alone = folder / "alone.model"
    alone.write_text(model_alone(file.read_text()))
    differs = difference(*(dslc(binary, "graph", "--stage", "fused", path) for path in [alone, text]))
    lines = len(text.read_text().splitlines())
    good = max(found.values()) <= TOLERANCE and differs is None and lines <= MORE_LINES.get(title, MOST_LINES)
    numbers = " ".join(f"{name} {value:.1e}" for name, value in found.items())
    print("ok  " if good else "FAIL", title, numbers, f"{lines} lines", flush=True)
    if differs:
        print(f"     the graphs differ: {differs}", flush=True)
    return good


def tried(binary, title, file, folder):
    try:
        return one(binary, title, file, folder)
    except (RuntimeError, AssertionError, onnx.checker.ValidationError) as error:
        print("FAIL", title, error, flush=True)
        return False


def layers():
    """The example of every layer and join, out of the reference."""
    text = (ROOT / "docs/layers.md").read_text()
    # Blocks are made of layers.
    text = re.split(r"^## (?!Input|Layers|Joins)", text, flags=re.M)[0]
    for name, section in re.findall(r"^### `(\w+)`\n(.*?)(?=^### |^## |\Z)", text, re.M | re.S):
        example = re.search(r"For example:\n\n```text\n(.*?)```", section, re.S)
        # Of several outputs, files are not read back.
        if name not in ["input", "output"]:
            yield name, "3x12x12", example.group(1) if example else name
    for at, (shape, lines) in enumerate(CASES):
        yield f"{lines.split()[0]} ({at + 1}: {' '.join(lines.split())})", shape, lines


def verify_layers(binary, _data, only, folder):
    bad = []
    for name, shape, lines in layers():
        if only in name:
            file = folder / "layer.model"
            file.write_text(f"model T {{\n    input {shape}\n{lines}\n}}\n")
            bad += [] if tried(binary, name, file, folder) else [name]
    return bad


def verify_models(binary, _data, only, folder):
    files = [file for file in sorted((ROOT / "models").iterdir()) if file.suffix in (".net", ".model") and only in file.name]
    return [file.name for file in files if not tried(binary, file.name, file, folder)]
