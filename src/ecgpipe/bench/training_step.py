"""The time of a training step of the models, beside plain Swin-T as timm builds it and beside the arithmetic."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ecgpipe.bench.timing import interleaved
from ecgpipe.models import create_model
from ecgpipe.models.swin_lgf_fpn import SWIN_TINY

PLAIN = "timm's Swin-T"
VARIANTS = ("swin", "swin_lgf_fpn_no_fpn", "swin_lgf_fpn_no_lgf", "swin_lgf_fpn_no_refine", "swin_lgf_fpn")


@dataclass(frozen=True)
class StepCost:
    """One model's training step.

    Attributes:
        name: what was built.
        gflop: 1e9 operations, three times those of a forward pass.
        floor_ms: gflop at the measured rate of a matrix product.
        least_ms, median_ms: the step, forward and backward.
        ratio: least_ms over that of timm's Swin-T in the same run.
        work: gflop over that of timm's Swin-T.
    """

    name: str
    gflop: float
    floor_ms: float
    least_ms: float
    median_ms: float
    ratio: float
    work: float


def plain_swin(img_size: int) -> nn.Module:
    """Swin-T as timm builds it at that size: window 7, padded where it does not fit, attention unfused."""
    return timm.create_model(SWIN_TINY, num_classes=5, in_chans=1, img_size=img_size, drop_path_rate=0.1)


def contestants(img_size: int, widths: Sequence[int] = (), variants: Sequence[str] = VARIANTS) -> dict[str, nn.Module]:
    """The models that are timed, by name: timm's Swin-T, and ours in channels_last memory.

    Args:
        img_size: side in pixels.
        widths: neck widths at which the full model is built once more.
        variants: names for ``create_model``.
    """
    models: dict[str, nn.Module] = {PLAIN: plain_swin(img_size)}
    wanted: list[tuple[str, str, dict[str, Any]]] = [(name, name, {}) for name in variants]
    wanted += [(f"swin_lgf_fpn, neck_width {width}", "swin_lgf_fpn", {"neck_width": width}) for width in widths]
    for title, variant, options in wanted:
        model = create_model(variant, num_classes=5, in_chans=1, img_size=img_size, drop_path_rate=0.1, **options)
        models[title] = model.to(memory_format=torch.channels_last)
    return models


def step_of(model: nn.Module, images: torch.Tensor) -> Callable[[], None]:
    """A forward and a backward pass in training mode, without the optimiser."""
    targets = torch.arange(len(images), device=images.device) % 5
    model.train()

    def step() -> None:
        model.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(images), targets).backward()

    return step


def forward_flop(model: nn.Module, images: torch.Tensor) -> int:
    """Operations of a forward pass, as PyTorch counts them, by shapes alone: not every fused kernel has a count."""
    twin = copy.deepcopy(model).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        twin(images.to("meta"))
    return counter.get_total_flops()


def matrix_rate(side: int = 1024, repetitions: int = 5) -> float:
    """Floating point operations a second of a square float32 matrix product on the CPU, by processor time."""
    a, b = torch.rand(side, side), torch.rand(side, side)
    timing = interleaved({"": lambda: a @ b}, repetitions, time.process_time)[""]
    return 2 * side**3 / (timing.least / 1e3)


def convolution_rate(channels: int = 256, side: int = 56, repetitions: int = 5) -> float:
    """The same for a 3x3 convolution in channels_last memory: the neck's kind of work."""
    layer = nn.Conv2d(channels, channels, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.rand(2, channels, side, side).to(memory_format=torch.channels_last)
    with torch.no_grad():
        timing = interleaved({"": lambda: layer(x)}, repetitions, time.process_time)[""]
    return 2 * 2 * 9 * channels**2 * side**2 / (timing.least / 1e3)


def measure_steps(
    img_size: int,
    batch: int,
    rounds: int,
    widths: Sequence[int] = (),
    variants: Sequence[str] = VARIANTS,
    rate: float | None = None,
) -> list[StepCost]:
    """Time a step of every contestant in turn, on one CPU thread, by processor time.

    Args:
        img_size: side of the images in pixels.
        batch: images a step.
        rounds: how often each is called; a first round is not counted.
        widths, variants: see :func:`contestants`.
        rate: operations a second for the floor; measured if not given.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.rand(batch, 1, img_size, img_size)
    models = contestants(img_size, widths, variants)
    flop = {name: 3 * forward_flop(model, images) for name, model in models.items()}
    timings = interleaved({n: step_of(m, images) for n, m in models.items()}, rounds, time.process_time)
    rate = rate or matrix_rate()
    plain = timings[PLAIN].least
    return [
        StepCost(
            name,
            flop[name] / 1e9,
            1e3 * flop[name] / rate,
            timing.least,
            timing.median,
            timing.least / plain,
            flop[name] / flop[PLAIN],
        )
        for name, timing in timings.items()
    ]


def as_rows(costs: Sequence[StepCost]) -> list[dict[str, Any]]:
    """Plain values, for JSON."""
    return [asdict(cost) for cost in costs]


def as_text(costs: Sequence[StepCost]) -> str:
    """A Markdown table."""
    head = ("model", "GFLOP", "floor, ms", "least, ms", "median, ms", "steps of Swin-T", "its work")
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for cost in costs:
        figures = f"{cost.gflop:.1f} | {cost.floor_ms:.0f} | {cost.least_ms:.0f} | {cost.median_ms:.0f}"
        lines.append(f"| {cost.name} | {figures} | {cost.ratio:.2f} | {cost.work:.2f} |")
    return "\n".join(lines)
