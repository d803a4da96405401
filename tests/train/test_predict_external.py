"""Predictions for records of another dataset."""

import numpy as np
import pytest
import torch

from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError
from ecgpipe.models.factory import load_trained
from ecgpipe.models.inputs import to_input
from ecgpipe.train.engine import train_run
from ecgpipe.train.hardware import TrainerOptions
from ecgpipe.train.predict import predict_external
from tests.train.conftest import SIZE, draw_bars


def test_validation_and_test_records_of_the_other_dataset_in_the_models_size(make_run, tmp_path):
    folder = make_run(epochs=1, warmup_epochs=0)
    train_run(folder, TrainerOptions(threads=1, tensorboard=False))
    images, _ = draw_bars(12, seed=9)
    packed, ids = [pack(image) for image in images], [f"x{i}" for i in range(12)]
    (tmp_path / "other").mkdir()
    files = {tmp_path / "other/a.npy": slice(0, 7), tmp_path / "other/b.npy": slice(7, 12)}
    for file, rows in files.items():
        write_images(packed[rows], SIZE, file)
    wanted = np.array(["x11", "x0", "x5", "x7"])  # in any order, and not of all images
    given = {
        "record_ids": wanted,
        "roles": np.array(["test", "train", "validation", "test"]),
        "images": {file: np.array(ids[rows]) for file, rows in files.items()},
        "threads": 1,
    }
    index, logits = predict_external(folder, "other", **given, preprocess=PreprocessConfig(size=SIZE))
    assert index.record_ids.tolist() == ["x11", "x5", "x7"] and index.roles.tolist() == [2, 1, 2]
    model, run = load_trained(folder)
    with torch.inference_mode():
        batch = torch.from_numpy(np.stack([packed[i] for i in (11, 5, 7)]))
        expected = model(to_input(batch, run.model.image_size, run.model.in_chans)).numpy()
    assert logits == pytest.approx(expected, abs=1e-5)

    with pytest.raises(DataError, match="1 records of the split other have no image, the first is y0"):
        missing = given | {"record_ids": np.array(["x1", "y0", "x2", "x3"]), "roles": np.full(4, "test")}
        predict_external(folder, "other", **missing, preprocess=PreprocessConfig())
    RunConfig.read(folder).model_copy(update={"preprocess": PreprocessConfig(size=SIZE)}).write(folder)
    with pytest.raises(DataError, match=r"images of other were not made as those of .*: preprocess\.size 64, not 128"):
        predict_external(folder, "other", **given, preprocess=PreprocessConfig(size=64))
