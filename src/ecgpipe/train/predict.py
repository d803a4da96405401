"""Logits of a trained run for its validation and test records."""

from pathlib import Path

import numpy as np
import torch

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.runs import RunIndex
from ecgpipe.models.factory import load_trained
from ecgpipe.models.inputs import to_input
from ecgpipe.progress import progress
from ecgpipe.train.data import EpochBatchSampler, PackedImages, make_loader


def predict_run(folder: Path | str, *, threads: int | None = None) -> tuple[RunIndex, np.ndarray]:
    """Run the trained model over the validation and test records, in float32.

    Args:
        folder: a trained run.
        threads: CPU threads.

    Returns:
        The index of those records, and their logits (n, classes) float32.
    """
    folder = Path(folder)
    if threads:
        torch.set_num_threads(threads)
    model, run = load_trained(folder)
    index = RunIndex.read(folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    positions = np.flatnonzero(index.roles != ROLES.index("train"))
    loader = make_loader(PackedImages(folder, run, index), EpochBatchSampler(positions, run.train.batch_size, None))
    logits = []
    with torch.inference_mode():
        for batch in progress(loader, f"predict {run.dataset}/{run.variant}", len(loader), "batches"):
            images = to_input(batch.packed.to(device), run.model.image_size, run.model.in_chans)
            logits.append(model(images).float().cpu().numpy())
    arrays = (index.record_ids, index.roles, index.files, index.rows, index.targets)
    return RunIndex(*(array[positions] for array in arrays)), np.concatenate(logits)
