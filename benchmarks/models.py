"""The time of a training step on one CPU core, compared with timm's Swin-T. Results: docs/performance.md.

python -m benchmarks.models [--size 224] [--batch 2] [--rounds 5] [--widths 128 64] [--embed-dim 48] [--bf16] [--json]
"""

import argparse
import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import interleaved, machine_info
from ecgpipe.models import create_model
from ecgpipe.models.swin_lgf_fpn import SWIN_TINY, use_plain_window_attention

PLAIN = "timm's Swin-T"
FULL = "swin_lgf_fpn"
VARIANTS = ("swin", "swin_lgf_fpn_no_fpn", "swin_lgf_fpn_no_lgf", "swin_lgf_fpn_no_refine", FULL)


@dataclass(frozen=True)
class StepCost:
    """The cost of one model's training step, forward and backward.

    Attributes:
        gflop: 1e9 operations, three times the forward pass.
        lower_bound_ms: gflop at the measured speed of a matrix product.
        min_ms, median_ms: measured.
        relative_time, relative_gflop: relative to timm's Swin-T in the same run.
    """

    name: str
    gflop: float
    lower_bound_ms: float
    min_ms: float
    median_ms: float
    relative_time: float
    relative_gflop: float


def build_models(
    img_size: int, widths: Sequence[int] = (), variants: Sequence[str] = VARIANTS, embed_dim: int | None = None
) -> dict[str, nn.Module]:
    """Build timm's Swin-T (window 7, padded), and our variants in channels_last memory; attention is not fused.

    The full model occurs twice, the second time with fused attention.

    Args:
        img_size: side in pixels.
        widths: additional neck widths of the full model.
        variants: names for ``create_model``.
        embed_dim: channels of the first stage of all; None: 96.
    """
    options = {
        "num_classes": 5,
        "in_chans": 1,
        "img_size": img_size,
        "drop_path_rate": 0.1,
        "embed_dim": embed_dim or 96,
    }
    models: dict[str, nn.Module] = {PLAIN: timm.create_model(SWIN_TINY, **options)}
    for name in variants:
        models[name] = create_model(name, **options)
    for width in widths:
        models[f"{FULL}, neck_width {width}"] = create_model(FULL, neck_width=width, **options)
    for model in models.values():
        use_plain_window_attention(model)  # as training on a CPU does
    if FULL in variants:
        models[f"{FULL}, fused attention"] = create_model(FULL, **options)
    return {n: m if n == PLAIN else m.to(memory_format=torch.channels_last) for n, m in models.items()}


def training_step(model: nn.Module, images: torch.Tensor, bf16: bool = False) -> Callable[[], None]:
    """A forward and a backward pass in training mode, without the optimizer."""
    targets = torch.arange(len(images), device=images.device) % 5
    model.train()

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(images)
        nn.functional.cross_entropy(logits.float(), targets).backward()

    return step


def forward_flop(model: nn.Module, images: torch.Tensor) -> int:
    """Count the operations of a forward pass on the meta device, because some fused kernels have no count."""
    meta_model = copy.deepcopy(model).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        meta_model(images.to("meta"))
    return counter.get_total_flops()


def matrix_speed(side: int = 1024, repetitions: int = 5, dtype: torch.dtype = torch.float32) -> float:
    """Operations per second of a square matrix product, by CPU time."""
    a, b = torch.rand(side, side).to(dtype), torch.rand(side, side).to(dtype)
    timing = interleaved({"": lambda: a @ b}, repetitions, time.process_time)[""]
    return 2 * side**3 / (timing.minimum / 1e3)


def convolution_speed(channels: int = 256, side: int = 56, repetitions: int = 5) -> float:
    """Operations per second of a 3x3 convolution in channels_last memory, as in the neck."""
    layer = nn.Conv2d(channels, channels, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.rand(2, channels, side, side).to(memory_format=torch.channels_last)
    with torch.no_grad():
        timing = interleaved({"": lambda: layer(x)}, repetitions, time.process_time)[""]
    return 2 * 2 * 9 * channels**2 * side**2 / (timing.minimum / 1e3)


def measure_steps(
    models: dict[str, nn.Module], images: torch.Tensor, rounds: int, speed: float, bf16: bool = False
) -> list[StepCost]:
    """Time a step of every model in turn, by CPU time.

    Args:
        models: by name, with ``PLAIN``.
        images: (batch, 1, side, side).
        rounds: calls per model; one additional call is not counted.
        speed: operations per second for the lower bound.
        bf16: train in mixed precision.
    """
    flop = {name: 3 * forward_flop(model, images) for name, model in models.items()}
    timings = interleaved({n: training_step(m, images, bf16) for n, m in models.items()}, rounds, time.process_time)
    return [
        StepCost(
            name,
            flop[name] / 1e9,
            1e3 * flop[name] / speed,
            timing.minimum,
            timing.median,
            timing.minimum / timings[PLAIN].minimum,
            flop[name] / flop[PLAIN],
        )
        for name, timing in timings.items()
    ]


def as_table(costs: Sequence[StepCost]) -> str:
    """A Markdown table."""
    head = ("model", "GFLOP", "lower bound, ms", "min, ms", "median, ms", "time / Swin-T", "GFLOP / Swin-T")
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for cost in costs:
        figures = f"{cost.gflop:.1f} | {cost.lower_bound_ms:.0f} | {cost.min_ms:.0f} | {cost.median_ms:.0f}"
        lines.append(f"| {cost.name} | {figures} | {cost.relative_time:.2f} | {cost.relative_gflop:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--batch", type=int, default=2, help="images per step")
    parser.add_argument("--rounds", type=int, default=5, help="calls per model")
    parser.add_argument("--widths", type=int, nargs="*", default=[192, 128, 96, 64], help="additional neck widths")
    parser.add_argument("--variants", nargs="*", default=VARIANTS)
    parser.add_argument("--embed-dim", type=int, help="channels of the first stage")
    parser.add_argument("--bf16", action="store_true", help="mixed precision, as `train.cpu_precision: bf16`")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    speed = matrix_speed(dtype=torch.bfloat16 if args.bf16 else torch.float32)
    images = torch.rand(args.batch, 1, args.size, args.size)
    models = build_models(args.size, args.widths, args.variants, args.embed_dim)
    costs = measure_steps(models, images, args.rounds, speed, args.bf16)
    machine = machine_info() | {
        "torch": torch.__version__,
        "matrix_gflops": f"{speed / 1e9:.0f}",
        "convolution_gflops": f"{convolution_speed() / 1e9:.0f}",
    }
    rows = [asdict(cost) for cost in costs]
    print(json.dumps({"machine": machine, "rows": rows}, indent=1) if args.json else f"{machine}\n\n{as_table(costs)}")


if __name__ == "__main__":
    main()
