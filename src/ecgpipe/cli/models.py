"""ecgpipe models"""

import argparse
import json

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """List the variants with their size and cost."""
    from ecgpipe.models.cost import describe
    from ecgpipe.models.registry import VARIANTS

    rows = [describe(name, num_classes=5, in_chans=1, img_size=args.image_size) for name in VARIANTS]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'variant':24} {'parameters':>12} {'GFLOPs':>8}   at {args.image_size} x {args.image_size}")
    for row in rows:
        print(f"{row['variant']:24} {row['parameters']:12,} {row['gflops']:8.2f}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The size of the input."""
    parser.add_argument("--image-size", type=int, default=640, help="pixels a side (default 640)")
    parser.add_argument("--json", action="store_true", help="print JSON")


MODELS = Command("models", run, add_arguments, "models --image-size 224")
