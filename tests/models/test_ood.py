"""Out-of-distribution score: at most 1 for 99% of validation images, above 1 for other images."""

import numpy as np
import pytest
import timm
import torch
from safetensors.numpy import load_file
from sklearn.covariance import OAS

from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.model_folder import OodLimits
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError
from ecgpipe.models import create_model
from ecgpipe.models.gaussian import shrunk_covariance
from ecgpipe.models.ood import OodDetector, fit_ood, ink_statistics, logits_and_features
from ecgpipe.train.prepare import prepare_run

SIZE = 64


def waves(count: int, rng: np.random.Generator) -> np.ndarray:
    """Four rows of waves, as on a page."""
    images = np.zeros((count, SIZE, SIZE), np.uint8)
    x = np.arange(SIZE)
    for image in images:
        for row in range(4):
            y = 8 + 14 * row + rng.uniform(2, 5) * np.sin(x * rng.uniform(0.3, 0.6) + rng.uniform(0, 6))
            image[y.round().astype(int), x] = 1
    return images


def packed(images: np.ndarray) -> np.ndarray:
    return np.stack([pack(image) for image in images])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("ood"), np.random.default_rng(0)
    images = waves(360, rng)
    ids = [f"{number:03d}" for number in range(360)]
    write_images(list(packed(images)), SIZE, folder / "images.npy")
    prepare_run(
        folder / "run",
        dataset="waves",
        protocol="patient",
        variant="resnet10t",
        seed=0,
        classes=("A", "B"),
        task="single",
        record_ids=ids,
        roles=["train"] * 200 + ["validation"] * 160,
        targets=np.eye(2, dtype=np.uint8)[np.arange(360) % 2],
        images={folder / "images.npy": ids},
        model=ModelConfig(image_size=SIZE),
        train=TrainConfig(batch_size=16),
    )
    torch.manual_seed(0)
    model = create_model("resnet10t", num_classes=2, img_size=SIZE).eval()
    run, items = RunConfig.read(folder / "run"), RunIndex.read(folder / "run")
    return model, fit_ood(model, folder / "run", run, items), images, folder


def scores(model, detector, images):
    with torch.inference_mode():
        features = logits_and_features(model, torch.from_numpy(images).unsqueeze(1).float())[1].numpy()
    return detector.scores(features, packed(images)).max(axis=1)


def test_99_percent_of_validation_images_are_within_the_limit(fitted):
    model, detector, images, _ = fitted
    found = scores(model, detector, images[200:])
    assert detector.limits.validation_images == 160 and detector.limits.training_images == 200
    assert (found <= 1 + 1e-4).sum() in (159, 160)
    assert found.max() > 0.99


def test_other_images_exceed_the_limit(fitted):
    model, detector, images, _ = fitted
    rng = np.random.default_rng(1)
    assert (scores(model, detector, waves(40, rng)) <= 1).mean() > 0.9
    others = {
        "noise": (rng.random((8, SIZE, SIZE)) < 0.3).astype(np.uint8),
        "blank but for a speck": np.eye(SIZE, dtype=np.uint8)[None] * (np.arange(SIZE) < 3),
        "on their side": images[:8].transpose(0, 2, 1).copy(),
        "two rows only": images[:8] * (np.arange(SIZE) < 32)[:, None].astype(np.uint8),
    }
    for name, strange in others.items():
        assert (scores(model, detector, strange) > 1).mean() > 0.8, name


def test_write_and_read(fitted, tmp_path):
    model, detector, images, _ = fitted
    detector.write(tmp_path)
    again = OodDetector.read(tmp_path, detector.limits)
    assert np.array_equal(scores(model, again, images[:4]), scores(model, detector, images[:4]))
    assert all(len(tensor) != 200 for tensor in load_file(tmp_path / "ood.safetensors").values())  # no record's own row
    (tmp_path / "ood.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"ood\.safetensors: cannot be read .*save the model again"):
        OodDetector.read(tmp_path, detector.limits)
    with pytest.raises(DataError, match=r"ood\.safetensors"):
        OodDetector.read(tmp_path / "none", OodLimits(**detector.limits.model_dump()))


def test_without_images_there_is_no_detector(fitted):
    model, _, _, folder = fitted
    run = RunConfig.read(folder / "run").model_copy(update={"images": ("../gone.npy",)})
    assert fit_ood(model, folder / "run", run, RunIndex.read(folder / "run")) is None


def test_shrinkage_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    vectors = rng.normal(0, 1, (30, 12)) * np.linspace(0.5, 2, 12)
    vectors -= vectors.mean(axis=0)
    expected = OAS(assume_centered=True).fit(vectors).covariance_
    assert np.allclose(shrunk_covariance(vectors), expected, atol=1e-5)


def test_ink_statistics_of_a_line():
    image = np.zeros((1, SIZE, SIZE), np.uint8)
    image[0, 10, :] = 1
    found = ink_statistics(packed(image))[0]
    rows, columns = found[1:33], found[33:65]
    assert np.flatnonzero(rows).tolist() == [5] and rows[5] == 0.5  # two rows of pixels to a band
    assert np.allclose(columns, 1 / SIZE)


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto", "swin_lgf_fpn", "levit_128s"])
def test_features_are_the_input_of_the_last_layer(name):
    options = {"embed_dim": 24, "neck_width": 32, "depths": (1, 1, 1, 1)} if name == "swin_lgf_fpn" else {}
    size = 224 if name.startswith("levit") else 64
    model = create_model(name, num_classes=3, in_chans=1, img_size=size, **options).eval()
    images = torch.rand(2, 1, size, size)
    with torch.inference_mode():
        logits, features = logits_and_features(model, images)
        assert torch.equal(logits, model(images))
        if not name.startswith("levit"):  # it has two last layers
            assert torch.allclose(model.get_classifier()(features), logits, atol=1e-6)
    assert features.ndim == 2 and features.shape[1] > 3
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_without_a_last_layer_the_logits_are_the_features():
    model = timm.create_model("resnet10t", num_classes=0, in_chans=1).eval()
    with torch.inference_mode():
        logits, features = logits_and_features(model, torch.rand(1, 1, 64, 64))
    assert logits is features
