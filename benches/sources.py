"""Measures data sets of many files: `dslc` on MNIST as 70,000 PNG files and as .npz against its IDX files, a listing of a million files,
and the check of a file without data.

    cargo build --release
    python benches/sources.py [FOLDER] [DSLC]       # numpy, Pillow; FOLDER holds about 400 MB and a million files afterwards
"""
import gzip, os, pathlib, resource, struct, subprocess, sys, tempfile, time
import numpy as np
from PIL import Image

home = pathlib.Path(__file__).resolve().parent.parent
folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()).resolve()
dslc = sys.argv[2] if len(sys.argv) > 2 else str(home / "target/release/dslc")
folder.mkdir(parents=True, exist_ok=True)


def idx(name):
    content = gzip.decompress((home / "models/data/mnist" / f"{name}.gz").read_bytes())
    rank = content[3]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(struct.unpack(f">{rank}I", content[4:4 + 4 * rank]))


def run(*arguments, code=0):
    """Seconds, peak memory in MB, and what was said."""
    start = time.time()
    child = subprocess.Popen([dslc, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == code, (arguments, said)
    return time.time() - start, used.ru_maxrss / 1024, said


# MNIST three times: as its files have it, and its images under their numbers in folders of their classes.
parts = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"), "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}
arrays = {}
for part, (images, labels) in parts.items():
    images, labels = idx(images), idx(labels)
    stem = "t10k" if part == "test" else "train"
    (folder / "idx").mkdir(exist_ok=True)
    (folder / f"idx/{stem}-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, *images.shape) + images.tobytes())
    (folder / f"idx/{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + labels.tobytes())
    arrays[f"x_{part}"], arrays[f"y_{part}"] = images, labels
    for label in range(10):
        (folder / "png" / part / str(label)).mkdir(parents=True, exist_ok=True)
    if not (folder / "png" / part / str(labels[-1]) / f"{len(labels) - 1}.png").exists():
        for i, (image, label) in enumerate(zip(images, labels)):
            Image.fromarray(image).save(folder / "png" / part / str(label) / f"{i}.png")
np.savez(folder / "mnist.npz", **arrays)

net = """model M { input 1x28x28; conv2d 8 5x5 stride=2 -> relu -> max_pool2d 2 -> flatten -> linear 10 }
data { source SOURCE; normalize mean=0.1307 std=0.3081 }
train { loss cross_entropy; optimizer adam lr=1e-3; epochs 2; batch 64; seed 1 }
"""
weights = {}
for name, source in [("idx", 'mnist "idx"'), ("png", 'folder "png" channels=1 size=28x28'), ("npz", 'arrays "mnist.npz"'),
                     ("png-none", 'folder "png" channels=1 size=28x28; cache none')]:
    (folder / f"{name}.net").write_text(net.replace("SOURCE", source))
    subprocess.run(["rm", "-rf", str(folder / f"run-{name}")])
    seconds, memory, said = run("run", f"{name}.net", "--out", f"run-{name}")
    content = (folder / f"run-{name}/last.safetensors").read_bytes()
    # Behind the header, which names the source.
    weights[name] = content[8 + int.from_bytes(content[:8], "little"):]
    speeds = [line.split()[-2] for line in said.splitlines() if line.startswith("epoch")]
    print(f"{name:10} {seconds:6.1f} s  {memory:6.0f} MB  images/s by epoch: {' '.join(speeds)}  "
          f"{'the weights of idx' if weights[name] == weights['idx'] else 'OTHER WEIGHTS'}")

# A million files, empty: `check` lists them.
many = folder / "many"
for label in range(100):
    own = many / f"c{label:02}"
    own.mkdir(parents=True, exist_ok=True)
    if not (own / "09999.jpg").exists():
        for i in range(10_000):
            (own / f"{i:05}.jpg").touch()
text = net.replace("SOURCE", 'folder "many" channels=1 classes=100; split test=10%; resize 28x28').replace("linear 10", "linear 100")
(folder / "many.net").write_text(text)
seconds, memory, said = run("check", "many.net")
print(f"check of a million files: {seconds:.2f} s, {memory:.0f} MB")
with open(folder / "many.csv", "w") as out:
    out.write("image,label\n")
    out.writelines(f"many/c{label:02}/{i:05}.jpg,c{label:02}\n" for label in range(100) for i in range(10_000))
(folder / "table.net").write_text(text.replace('folder "many"', 'table "many.csv"'))
seconds, memory, said = run("check", "table.net")
print(f"check of a table of a million rows: {seconds:.2f} s, {memory:.0f} MB")

(folder / "gone.net").write_text(text.replace('folder "many"', 'folder "gone"'))
times = sorted(run("check", "gone.net")[0] for _ in range(30))
print(f"check without data: {1000 * times[15]:.1f} ms (median of 30, with the start of the process)")
