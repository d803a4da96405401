"""The time of a training step: on one CPU core beside timm's Swin-T, or the table for a GPU. Results: docs/models.md.

python benchmarks/models.py steps [--size 224] [--batch 2] [--rounds 5] [--widths 128 64] [--json]
python benchmarks/models.py gpu [--size 640] [--batch 16] [--device cuda] [--seconds 5] [--json]
"""

import argparse
import json
import sys

import torch

from ecgpipe.bench import gpu_grid, training_step
from ecgpipe.bench.timing import machine
from ecgpipe.progress import progress


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("steps", "gpu"))
    parser.add_argument("--size", type=int, help="pixels a side (default 224, gpu: 640)")
    parser.add_argument("--batch", type=int, help="images a step (default 2, gpu: 16)")
    parser.add_argument("--rounds", type=int, default=5, help="steps: how often each is timed")
    parser.add_argument("--widths", type=int, nargs="*", default=[192, 128, 96, 64], help="steps: neck widths to try")
    parser.add_argument("--variants", nargs="*", default=training_step.VARIANTS, help="steps: what is timed")
    parser.add_argument("--device", default="cuda", help="gpu: PyTorch's name of it")
    parser.add_argument("--seconds", type=float, default=5.0, help="gpu: for each figure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()

    if args.what == "steps":
        rate, conv = training_step.matrix_rate(), training_step.convolution_rate()
        costs = training_step.measure_steps(
            args.size or 224, args.batch or 2, args.rounds, args.widths, args.variants, rate
        )
        rows = training_step.as_rows(costs)
        where = machine() | {"matrix_gflops": f"{rate / 1e9:.0f}", "convolution_gflops": f"{conv / 1e9:.0f}"}
        text = training_step.as_text(costs)
    else:
        if args.device.startswith("cuda") and not torch.cuda.is_available():
            sys.exit("no GPU: PyTorch sees none; --device cpu shows that the script runs")
        cases = gpu_grid.cases()
        rows = [
            gpu_grid.measure(
                case,
                device=args.device,
                img_size=args.size or 640,
                batch=args.batch or 16,
                seconds=args.seconds,
            )
            for case in progress(cases, "cases", len(cases))
        ]
        where = machine() | {"gpu": torch.cuda.get_device_name()} if args.device.startswith("cuda") else machine()
        text = gpu_grid.as_text(rows)
    where["torch"] = torch.__version__
    print(json.dumps({"machine": where, "rows": rows}, indent=1) if args.json else f"{where}\n\n{text}")


if __name__ == "__main__":
    main()
