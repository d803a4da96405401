"""Throughput and memory of a training step over attention, window, compilation and precision, on a GPU.

It runs on a CPU as well, which shows that it runs; there it measures no memory.
"""

import gc
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.layers import set_fused_attn, use_fused_attn
from torch import nn

from ecgpipe.bench.training_step import forward_flop
from ecgpipe.models import create_model
from ecgpipe.models.swin_lgf_fpn import SWIN_TINY

MODELS = ("plain", "swin_lgf_fpn")
PRECISIONS = ("tf32", "bf16", "fp16")


@dataclass(frozen=True)
class Case:
    """One row of the table: ``plain`` is timm's Swin-T, ``tf32`` is float32 with TensorFloat-32 products."""

    model: str
    window: int
    fused: bool
    compiled: bool
    precision: str


def cases(
    models: Sequence[str] = MODELS,
    windows: Sequence[int] = (7, 10),
    precisions: Sequence[str] = PRECISIONS,
    compiled: Sequence[bool] = (False, True),
) -> list[Case]:
    """All combinations."""
    fused = (False, True)
    return [Case(*choice) for choice in itertools.product(models, windows, fused, compiled, precisions)]


def build(case: Case, img_size: int, **options: Any) -> nn.Module:
    """The model of a case, not yet compiled; ``options`` make it smaller for a trial."""
    with _fused(case.fused):
        if case.model == "plain":
            return timm.create_model(
                SWIN_TINY, num_classes=5, in_chans=1, img_size=img_size, window_size=case.window, **options
            )
        return create_model(
            case.model, num_classes=5, in_chans=1, img_size=img_size, window_size=case.window, **options
        ).to(memory_format=torch.channels_last)


@contextmanager
def _fused(fused: bool) -> Iterator[None]:
    """timm's switch as the case wants it, and afterwards as it was."""
    before, experimental = use_fused_attn(), use_fused_attn(experimental=True)
    set_fused_attn(fused, experimental=fused)
    try:
        yield
    finally:
        set_fused_attn(before, experimental=experimental)


def measure(
    case: Case,
    *,
    device: str,
    img_size: int = 640,
    batch: int = 16,
    seconds: float = 5.0,
    limit: int = 512,
    **options: Any,
) -> dict[str, Any]:
    """A row: images a second and peak memory at ``batch``, and at the batch with the most images a second.

    Batches are doubled until memory is full, throughput falls by a tenth, or ``limit`` is reached.

    Returns:
        The case's fields; ``gflop`` an image and step; ``images_per_second`` and ``peak_mib`` at ``batch``;
        ``best_batch``, ``best_images_per_second``, ``best_peak_mib``; ``floor_share``, the share of the measured matrix
        rate that the best one reaches. None where memory did not do, or on a CPU for memory.
    """
    row: dict[str, Any] = dict(vars(case))
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high" if case.precision == "tf32" else "highest")
    model = build(case, img_size, **options).to(device)
    flop = 3 * forward_flop(model, torch.rand(1, 1, img_size, img_size, device=device))
    if case.compiled:
        torch._dynamo.reset()
        model = torch.compile(model, dynamic=False)  # a batch at a time, as a training has it
    found: dict[int, tuple[float, float | None]] = {}
    size, best = batch, batch
    while size <= limit:
        try:
            found[size] = _throughput(model, case.precision, device, size, img_size, seconds)
        except torch.OutOfMemoryError:
            break
        if found[size][0] < 0.9 * found[best][0]:
            break
        best = max(found, key=lambda b: found[b][0])
        size *= 2
    del model
    gc.collect()
    rate, peak = found.get(batch, (None, None))
    best_rate, best_peak = found.get(best, (None, None))
    return row | {
        "batch": batch,
        "gflop": flop / 1e9,
        "images_per_second": rate,
        "peak_mib": peak,
        "best_batch": best if found else None,
        "best_images_per_second": best_rate,
        "best_peak_mib": best_peak,
        "floor_share": best_rate * flop / product_rate(device, case.precision) if best_rate else None,
    }


def _throughput(
    model: nn.Module, precision: str, device: str, batch: int, img_size: int, seconds: float
) -> tuple[float, float | None]:
    """Images a second, and peak MiB on a GPU."""
    on_gpu = device.startswith("cuda")
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-6)
    scaler = torch.amp.GradScaler(device.split(":")[0], enabled=precision == "fp16" and on_gpu)
    images = torch.rand(batch, 1, img_size, img_size, device=device)
    targets = torch.arange(batch, device=device) % 5
    model.train()

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with autocast(device, precision):
            loss = nn.functional.cross_entropy(model(images).float(), targets)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()

    def wait() -> None:
        if on_gpu:
            torch.cuda.synchronize()

    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(3 if on_gpu else 1):  # compilation, cuDNN's choices, the optimiser's state
        step()
    wait()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds or not steps:
        step()
        wait()
        steps += 1
    rate = steps * batch / (time.perf_counter() - start)
    return rate, torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None


def autocast(device: str, precision: str) -> AbstractContextManager:
    """The casts of a precision."""
    if precision == "tf32":
        return nullcontext()
    return torch.autocast(device.split(":")[0], dtype={"bf16": torch.bfloat16, "fp16": torch.float16}[precision])


def product_rate(device: str, precision: str, side: int | None = None) -> float:
    """Operations a second of a square matrix product in a precision."""
    on_gpu = device.startswith("cuda")
    side = side or (8192 if on_gpu else 512)
    dtype = {"tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        a @ b
        if on_gpu:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def as_text(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table."""
    head = ("model", "window", "fused", "compiled", "precision")
    figures = ("images_per_second", "peak_mib", "best_batch", "best_images_per_second", "best_peak_mib", "floor_share")
    lines = [
        f"| {' | '.join(head + figures).replace('_', ' ')} |",
        "|" + " --- |" * len(head) + " ---: |" * len(figures),
    ]
    for row in rows:
        shown = ["-" if row[key] is None else f"{row[key]:.3g}" for key in figures]
        lines.append(f"| {' | '.join([str(row[key]) for key in head] + shown)} |")
    return "\n".join(lines)
