"""How many printed paper speeds and gains are read on drawn pictures, as those of the training but with another seed.

    python -m benchmarks.printed_scales SIGNALS [--pictures 120] [--seed 77]

SIGNALS: ``reader/signals.npy`` of the rule ``reader_signals``, or such an array of other recordings. Lines of text are
cut out where they were drawn, so this does not measure whether the page reader finds them.
"""

import argparse

import numpy as np

from ecgpipe.reader.printed_scales import read_view, scales_in
from ecgpipe.reader.read import load_reader
from ecgpipe.reader.signals import SAMPLING_RATE
from ecgpipe.reader.text_examples import make_text_examples
from ecgpipe.reader.text_network import ALPHABET, encode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("signals")
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--seed", type=int, default=77)
    args = parser.parse_args()
    signals, net = np.load(args.signals, mmap_mode="r"), load_reader().text
    printed = read = wrong = 0
    for number in range(args.pictures):
        for view, text in make_text_examples((args.seed, number), signals, SAMPLING_RATE):
            codes = encode(text)
            true, found = (
                scales_in("".join(ALPHABET[code] for code in codes), np.ones(len(codes))),
                read_view(view, net),
            )
            for expected, values in zip(true, found, strict=True):
                printed, read, wrong = (
                    printed + len(expected),
                    read + len(expected & values),
                    wrong + len(values - expected),
                )
    print(f"{printed} scales: {read} read, {wrong} wrong values")


if __name__ == "__main__":
    main()
