"""Whether training is fed: the same as ``ecgpipe bench train``; results and method: docs/training.md.

python benchmarks/train.py [--model NAME] [--image-size PIXELS] [--batch-size N] [--steps N] [--json]
"""

import sys

from ecgpipe.cli.main import main

sys.exit(main(["bench", "train", *sys.argv[1:]]))
