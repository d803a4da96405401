"""Whether training is fed: the same as ``ecgpipe bench data``; results and method: docs/training.md.

python benchmarks/data.py [--model NAME] [--image-size PIXELS] [--batch-size N] [--steps N] [--json]
"""

import sys

from ecgpipe.cli.main import main

sys.exit(main(["bench", "data", *sys.argv[1:]]))
