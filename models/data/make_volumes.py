"""Makes the data of volumes.net: noisy volumes with a ball, a cube or a cross in a random place.

    python models/data/make_volumes.py        # numpy

volumes.npz    x_train, x_test: volumes of 1x12x16x16 bytes; y_train, y_test: 0 ball, 1 cube, 2 cross

A shape has a radius of 3 to 4.5 voxels and lies wholly inside. A ball and a cube have about as many voxels.
The volumes come out the same every time, and are in the public domain (CC0).
"""

import pathlib

import numpy

HERE = pathlib.Path(__file__).parent
EXTENTS = (12, 16, 16)


def volume(rng, kind):
    radius = rng.uniform(3.0, 4.5)
    middle = [rng.uniform(radius, extent - 1 - radius) for extent in EXTENTS]
    far = [numpy.abs(axis - place) for axis, place in zip(numpy.indices(EXTENTS), middle)]
    if kind == 0:
        shape = sum(axis**2 for axis in far) <= radius**2
    elif kind == 1:
        # As many voxels as the ball.
        shape = numpy.max(far, axis=0) <= 0.806 * radius
    else:
        near = numpy.sort(far, axis=0)
        shape = (near[2] <= radius) & (near[1] <= 0.4 * radius)
    return 60 + 90 * shape + rng.normal(scale=24, size=EXTENTS)


def part(rng, n):
    kinds = numpy.arange(n) % 3
    volumes = numpy.stack([volume(rng, kind) for kind in kinds])
    # Three bits are enough for what is mostly noise, and pack well.
    return (volumes.clip(0, 255) // 32 * 32).astype("uint8"), kinds.astype("uint8")


def main():
    rng = numpy.random.default_rng(1)
    x_train, y_train = part(rng, 150)
    x_test, y_test = part(rng, 90)
    numpy.savez_compressed(HERE / "volumes.npz", x_train=x_train[:, None], y_train=y_train, x_test=x_test[:, None], y_test=y_test)


main()
