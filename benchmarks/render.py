"""The speed of rendering: the same as ``ecgpipe bench render``; results and method: docs/performance.md.

python benchmarks/render.py [--record RECORD] [--repetitions N] [--json]
"""

import sys

from ecgpipe.cli.main import main

sys.exit(main(["bench", "render", *sys.argv[1:]]))
