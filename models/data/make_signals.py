"""Makes the data of signals.net: noisy signals with a plateau, a rise or a fall, known as cylinder, bell and funnel.

    python models/data/make_signals.py        # numpy

signals.npz    x_train, x_test: signals of 128 whole numbers, in thousandths; y_train, y_test: 0 cylinder, 1 bell, 2 funnel

The signals are those of N. Saito, "Local feature extraction and its applications using a library of bases" (1994): from a to b
6 + eta, times 1, (t - a) / (b - a) or (b - t) / (b - a), and noise everywhere. They come out the same every time, and are in the public domain
(CC0).
"""

import pathlib

import numpy

HERE = pathlib.Path(__file__).parent
LENGTH = 128


def signal(rng, kind):
    t = numpy.arange(1, LENGTH + 1)
    a = rng.integers(16, 33)
    b = a + rng.integers(32, 97)
    shape = {0: 1.0, 1: (t - a) / (b - a), 2: (b - t) / (b - a)}[kind]
    inside = (t >= a) & (t <= b)
    return (6 + rng.normal()) * inside * shape + rng.normal(size=LENGTH)


def part(rng, n):
    kinds = numpy.arange(n) % 3
    signals = numpy.stack([signal(rng, kind) for kind in kinds])
    return (1000 * signals).round().astype("<i2"), kinds.astype("uint8")


def main():
    rng = numpy.random.default_rng(1)
    x_train, y_train = part(rng, 180)
    x_test, y_test = part(rng, 90)
    numpy.savez_compressed(HERE / "signals.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


main()
