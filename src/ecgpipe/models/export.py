"""Export a model to a single ONNX file, which requires neither this package nor PyTorch."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ecgpipe.artifacts.files import atomic_path
from ecgpipe.errors import DataError, EcgpipeError

INPUT, OUTPUT = "image", "logits"
TOLERANCE = 1e-4


def export_onnx(
    model: nn.Module,
    path: Path | str,
    *,
    in_chans: int,
    img_size: tuple[int, int],
    metadata: Mapping[str, Any] | None = None,
) -> float | None:
    """Write a model as ONNX and compare its output with PyTorch's, if onnxruntime is installed.

    Input ``image`` (batch, in_chans, height, width) float32, output ``logits`` (batch, classes); any batch size.

    Args:
        model: a classifier; it is set to eval mode.
        path: the file to write.
        in_chans, img_size: of the images that the model was built for.
        metadata: entries for the file's metadata; values other than strings are written as JSON.

    Returns:
        The largest difference of the logits on random images; None without onnxruntime.

    Raises:
        EcgpipeError: onnx is not installed.
        DataError: the exported model does not run or gives different logits.
    """
    try:
        import onnxscript  # noqa: F401  (torch.onnx requires it)
    except ImportError as error:
        raise EcgpipeError(f"ONNX export requires the extra `onnx`: pip install 'ecgpipe[onnx]' ({error})") from error
    model.eval()
    images = torch.rand(2, in_chans, *img_size, generator=torch.Generator().manual_seed(0))
    with unfused_attention(model), _silent(), torch.no_grad():
        program = torch.onnx.export(
            model,
            (images,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    for name, value in (metadata or {}).items():
        program.model.metadata_props[name] = value if isinstance(value, str) else json.dumps(value)
    with atomic_path(path) as partial:
        program.save(partial, external_data=False)
        return _compare(model, partial, images)


@contextmanager
def unfused_attention(model: nn.Module) -> Iterator[None]:
    """Compute attention by products and a softmax, since ONNX lacks the fused operator for Swin."""
    fused = [module for module in model.modules() if getattr(module, "fused_attn", False)]
    for module in fused:
        module.fused_attn = False
    try:
        yield
    finally:
        for module in fused:
            module.fused_attn = True


def _compare(model: nn.Module, path: Path, images: torch.Tensor) -> float | None:
    try:
        import onnxruntime
    except ImportError:
        return None
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        worst = 0.0
        for batch in (images, images[:1]):  # another batch size than in the export
            with torch.no_grad():
                expected = model(batch).numpy()
            worst = max(worst, float(np.abs(session.run([OUTPUT], {INPUT: batch.numpy()})[0] - expected).max()))
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise DataError(f"onnxruntime cannot run the exported model: {error}") from error
    if not worst <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise DataError(f"the exported model's logits differ from PyTorch's by {worst:g}; no file was written")
    return worst


@contextmanager
def _silent() -> Iterator[None]:
    """Suppress the exporter's prints, logs and warnings about its own steps."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
