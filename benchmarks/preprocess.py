"""The speed of preprocessing: the same as ``ecgpipe bench preprocess``; results and method: docs/performance.md.

python benchmarks/preprocess.py [--record RECORD] [--repetitions N] [--json]
"""

import sys

from ecgpipe.cli.main import main

sys.exit(main(["bench", "preprocess", *sys.argv[1:]]))
