"""Speed and memory of a training step on a GPU by attention, window, compilation and precision.

python -m benchmarks.gpu [--size 640] [--batch 16] [--max-batch 512] [--device cuda] [--seconds 5] [--json]
    [--precisions tf32 bf16 fp16] [--windows 7 10] [--compiled no yes]

The script also runs on a CPU, but measures no memory there.
"""

import argparse
import gc
import itertools
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import timm
import torch
from timm.layers import set_fused_attn, use_fused_attn
from torch import nn

from benchmarks.models import forward_flop
from benchmarks.timing import machine_info
from ecgpipe.models import create_model
from ecgpipe.models.swin_lgf_fpn import SWIN_TINY
from ecgpipe.progress import progress

DTYPES = {"tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MAX_BATCH = 512


@dataclass(frozen=True)
class Case:
    """One row: ``plain`` is timm's Swin-T; ``tf32`` is float32 with TensorFloat-32 products."""

    model: str
    window: int
    fused: bool
    compiled: bool
    precision: str


CASES = [
    Case(*values)
    for values in itertools.product(("plain", "swin_lgf_fpn"), (7, 10), (False, True), (False, True), DTYPES)
]


def build(case: Case, img_size: int, **options: Any) -> nn.Module:
    """Build the model of a case, not yet compiled; ``options`` may make it smaller."""
    options |= {"num_classes": 5, "in_chans": 1, "img_size": img_size, "window_size": case.window}
    with _fused_attention(case.fused):
        if case.model == "plain":
            return timm.create_model(SWIN_TINY, **options)
        return create_model(case.model, **options).to(memory_format=torch.channels_last)


@contextmanager
def _fused_attention(fused: bool) -> Iterator[None]:
    before, experimental = use_fused_attn(), use_fused_attn(experimental=True)
    set_fused_attn(fused, experimental=fused)
    try:
        yield
    finally:
        set_fused_attn(before, experimental=experimental)


def measure(
    case: Case, *, device: str, img_size: int, batch: int, seconds: float, max_batch: int | None = None, **options: Any
) -> dict[str, Any]:
    """Measure images per second and peak memory at ``batch``, and at the batch size with the highest speed.

    The batch is doubled until memory is full, the speed falls by 10%, or at ``max_batch``; None: MAX_BATCH.

    Returns:
        The case; ``batch``; ``gflop`` per image and step; ``images_per_second`` and ``peak_mib`` at ``batch``;
        ``best_batch``, ``best_images_per_second`` and ``best_peak_mib``; ``matrix_fraction``: the best speed relative
        to a matrix product. None if out of memory; memory is None on a CPU.
    """
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high" if case.precision == "tf32" else "highest")
    model = build(case, img_size, **options).to(device)
    flop = 3 * forward_flop(model, torch.rand(1, 1, img_size, img_size, device=device))
    if case.compiled:
        torch._dynamo.reset()
        model = torch.compile(model, dynamic=False)  # a run has a constant batch size
    found: dict[int, tuple[float, float | None]] = {}
    size = best = batch
    while size <= (max_batch or MAX_BATCH):
        try:
            found[size] = _speed(model, case.precision, device, size, img_size, seconds)
        except torch.OutOfMemoryError:
            break
        if found[size][0] < 0.9 * found[best][0]:
            break
        best = max(found, key=lambda b: found[b][0])
        size *= 2
    del model
    gc.collect()
    speed, peak = found.get(batch, (None, None))
    best_speed, best_peak = found.get(best, (None, None))
    return asdict(case) | {
        "batch": batch,
        "gflop": flop / 1e9,
        "images_per_second": speed,
        "peak_mib": peak,
        "best_batch": best if found else None,
        "best_images_per_second": best_speed,
        "best_peak_mib": best_peak,
        "matrix_fraction": best_speed * flop / _matrix_speed(device, case.precision) if best_speed else None,
    }


def _speed(
    model: nn.Module, precision: str, device: str, batch: int, img_size: int, seconds: float
) -> tuple[float, float | None]:
    """Images per second, and peak MiB on a GPU."""
    on_gpu = device.startswith("cuda")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    scaler = torch.amp.GradScaler(device.split(":")[0], enabled=precision == "fp16" and on_gpu)
    images = torch.rand(batch, 1, img_size, img_size, device=device)
    targets = torch.arange(batch, device=device) % 5
    model.train()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with _autocast(device, precision):
            loss = nn.functional.cross_entropy(model(images).float(), targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if on_gpu:
            torch.cuda.synchronize()

    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(3 if on_gpu else 1):  # compilation, cuDNN's choice of kernels, the optimizer's state
        step()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds or not steps:
        step()
        steps += 1
    speed = steps * batch / (time.perf_counter() - start)
    return speed, torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None


def _autocast(device: str, precision: str) -> AbstractContextManager:
    return nullcontext() if precision == "tf32" else torch.autocast(device.split(":")[0], dtype=DTYPES[precision])


def _matrix_speed(device: str, precision: str) -> float:
    """Operations per second of a square matrix product."""
    on_gpu = device.startswith("cuda")
    side = 8192 if on_gpu else 512
    a, b = (torch.rand(side, side, device=device).to(DTYPES[precision]) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        a @ b
        if on_gpu:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def as_table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table."""
    head = ("model", "window", "fused", "compiled", "precision")
    figures = ("images_per_second", "peak_mib", "best_batch", "best_images_per_second", "best_peak_mib")
    figures = (*figures, "matrix_fraction")
    lines = [f"| {' | '.join(head + figures).replace('_', ' ')} |"]
    lines.append("|" + " --- |" * len(head) + " ---: |" * len(figures))
    for row in rows:
        shown = ["-" if row[key] is None else f"{row[key]:.3g}" for key in figures]
        lines.append(f"| {' | '.join([str(row[key]) for key in head] + shown)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=640, help="side of the images in pixels")
    parser.add_argument("--batch", type=int, default=16, help="images per step")
    parser.add_argument("--max-batch", type=int, default=MAX_BATCH, help="end of the search for the best batch")
    parser.add_argument("--precisions", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--windows", nargs="+", type=int, choices=(7, 10), default=[7, 10])
    parser.add_argument("--compiled", nargs="+", choices=("no", "yes"), default=["no", "yes"], help="torch.compile")
    parser.add_argument("--device", default="cuda", help="PyTorch's name of the device")
    parser.add_argument("--seconds", type=float, default=5.0, help="time per measurement")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    on_gpu = args.device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU; --device cpu tests the script")
    options = {"device": args.device, "img_size": args.size, "batch": args.batch, "seconds": args.seconds}
    options["max_batch"] = max(args.batch, args.max_batch)
    cases = [case for case in CASES if case.precision in args.precisions and case.window in args.windows]
    cases = [case for case in cases if ("yes" if case.compiled else "no") in args.compiled]
    rows = [measure(case, **options) for case in progress(cases, "cases", len(cases))]
    machine = machine_info() | {"torch": torch.__version__}
    machine |= {"gpu": torch.cuda.get_device_name()} if on_gpu else {}
    print(json.dumps({"machine": machine, "rows": rows}, indent=1) if args.json else f"{machine}\n\n{as_table(rows)}")


if __name__ == "__main__":
    main()
