"""ecgpipe models"""

import argparse
import json

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """List the variants with their cost: parameters, arithmetic and activation memory at some sizes."""
    from ecgpipe.models.cost import model_cost
    from ecgpipe.models.factory import VARIANTS

    rows = [
        model_cost(name, num_classes=args.classes, in_chans=args.in_chans, img_size=size)
        for name in args.models or VARIANTS
        for size in args.image_size
    ]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    width = max(len(row["variant"]) for row in rows)
    print(f"{'model':{width}}  {'size':>5}  {'parameters':>11}  {'GMAC':>8}  {'GFLOP':>8}  {'MiB an image':>12}")
    for row in rows:
        print(
            f"{row['variant']:{width}}  {row['width']:5}  {row['parameters']:11,}  {row['gmacs']:8.2f}  "
            f"{row['gflops']:8.2f}  {row['activation_mib']:12.0f}"
        )
    print("GFLOP: 1e9 operations of a forward pass of one image, 2 to a MAC. MiB: kept for the backward pass, float32.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which models, and the size of the input."""
    parser.add_argument("models", nargs="*", metavar="MODEL", help="variants or names of timm's (default: the nine)")
    sizes = {"type": int, "nargs": "+", "default": [224, 640], "metavar": "PIXELS"}
    parser.add_argument("--image-size", **sizes, help="sides of the input (default 224 640)")
    parser.add_argument("--in-chans", type=int, default=1, metavar="N", help="channels of the input (default 1)")
    parser.add_argument("--classes", type=int, default=5, metavar="N", help="outputs (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")


MODELS = Command(
    "models",
    run,
    add_arguments,
    """models swin swin_lgf_fpn --image-size 640
models efficientnet_b0 --image-size 224 --json    # any name of timm's""",
)
