"""Logits of a trained run for its validation and test records, or for those of another dataset."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError
from ecgpipe.models.factory import load_trained
from ecgpipe.models.inputs import to_input
from ecgpipe.progress import progress
from ecgpipe.train.data import EpochBatchSampler, PackedImages, make_loader
from ecgpipe.train.prepare import index_images, role_numbers


def predict_run(folder: Path | str, *, threads: int | None = None) -> tuple[RunIndex, np.ndarray]:
    """Run the trained model over the validation and test records, in float32.

    Args:
        folder: a trained run.
        threads: CPU threads.

    Returns:
        The index of those records, and their logits (n, classes) float32.
    """
    return _predict(Path(folder), RunConfig.read(folder), RunIndex.read(folder), threads)


def predict_external(
    folder: Path | str,
    dataset: str,
    *,
    record_ids: np.ndarray,
    roles: np.ndarray,
    images: Mapping[Path, np.ndarray],
    preprocess: PreprocessConfig,
    threads: int | None = None,
) -> tuple[RunIndex, np.ndarray]:
    """Run the trained model over the validation and test records of another dataset, in float32.

    Args:
        folder: a trained run.
        dataset: name of the other dataset.
        record_ids: (n,) records of its split.
        roles: (n,) train, validation or test.
        images: its packed image files -> record id of each row.
        preprocess: how its images were made; they are scaled to the model's input size like its own images.
        threads: CPU threads.

    Returns:
        The index of those records, without targets, and their logits (n, classes) float32.

    Raises:
        DataError: the images were not made like those of the run, or a record has none.
    """
    folder = Path(folder)
    run = RunConfig.read(folder)
    if run.preprocess is not None and run.preprocess != preprocess:
        own, other = run.preprocess.model_dump(), preprocess.model_dump()
        differ = ", ".join(f"{key} {other[key]!r}, not {own[key]!r}" for key in own if own[key] != other[key])
        raise DataError(
            f"the images of {dataset} were not made as those of {folder}: preprocess.{differ}; make them with the "
            "model's settings"
        )
    used = np.flatnonzero(np.asarray(roles) != "train")
    targets = np.zeros((len(used), len(run.classes)), np.uint8)
    index = index_images(np.asarray(record_ids)[used], role_numbers(np.asarray(roles)[used]), targets, images, dataset)
    files = tuple(str(Path(file).resolve()) for file in images)
    return _predict(folder, run.model_copy(update={"images": files}), index, threads, f" on {dataset}")


def _predict(
    folder: Path, run: RunConfig, index: RunIndex, threads: int | None, where: str = ""
) -> tuple[RunIndex, np.ndarray]:
    if threads:
        torch.set_num_threads(threads)
    model, _ = load_trained(folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    positions = np.flatnonzero(index.roles != ROLES.index("train"))
    loader = make_loader(PackedImages(folder, run, index), EpochBatchSampler(positions, run.train.batch_size, None))
    logits = []
    with torch.inference_mode():
        for batch in progress(loader, f"predict {run.dataset}/{run.variant}{where}", len(loader), "batches"):
            images = to_input(batch.packed.to(device), run.model.image_size, run.model.in_chans)
            logits.append(model(images).float().cpu().numpy())
    arrays = (index.record_ids, index.roles, index.files, index.rows, index.targets)
    return RunIndex(*(array[positions] for array in arrays)), np.concatenate(logits)
