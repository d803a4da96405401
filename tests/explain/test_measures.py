"""Measures of saliency maps against hand calculations, SciPy, and networks with a known answer."""

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap
from torch import nn

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.bootstrap import NO_SPREAD, bootstrap_interval
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.explain.measure_run import group_means
from ecgpipe.explain.measures import (
    area_under_curve,
    cascade_randomisation,
    expected_iou,
    insertion_deletion_curves,
    iou,
    pointing,
    rank_correlation,
    share_within,
)
from ecgpipe.explain.measures import to_common_resolution as common
from ecgpipe.explain.regions import band, boxes_mask
from ecgpipe.explain.saliency import integrated_gradients, reduce_maps
from ecgpipe.models.factory import build_model


def half(side=8):
    mask = np.zeros((side, side), bool)
    mask[:, : side // 2] = True
    return mask


def test_share_pointing_and_iou_by_hand():
    saliency = np.zeros((8, 8))
    saliency[0, 0], saliency[0, 7], saliency[7, 7] = 0.5, 1.0, 0.5
    assert share_within(saliency, half()) == 0.25
    assert pointing(saliency, half()) == 0
    saliency[3, 1] = 1.0
    assert pointing(saliency, half()) == 0.5  # two highest places, one of them within
    mask = np.zeros((8, 8), bool)
    mask[0, 7] = mask[3, 1] = mask[4, 4] = mask[5, 5] = True
    # the four highest are the four that are not 0; two of them are in the mask: 2 / (4 + 4 - 2)
    assert iou(saliency, mask) == pytest.approx(1 / 3)
    assert all(np.isnan(measure(np.zeros((8, 8)), mask)) for measure in (share_within, pointing, iou))


def test_expected_iou_of_random_maps():
    rng, mask = np.random.default_rng(0), band([np.array([[0.1, 0.4], [0.9, 0.6]])], 100)
    found = np.mean([iou(rng.random((100, 100)), mask) for _ in range(60)])
    assert found == pytest.approx(expected_iou(mask.mean()), abs=0.004)


def test_rank_correlation_is_invariant_to_scale():
    saliency = np.random.default_rng(0).random((12, 12))
    assert rank_correlation(saliency, saliency**3) == pytest.approx(1)
    assert rank_correlation(saliency, 1 - saliency) == pytest.approx(-1)
    assert np.isnan(rank_correlation(saliency, np.zeros((12, 12))))


def test_common_resolution_discards_finer_detail():
    fine = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    shuffled = fine.reshape(8, 8, 8, 8).copy()
    for row in shuffled:  # the same values elsewhere within their area
        for column in range(8):
            row[:, column] = row[::-1, column]
    assert np.allclose(common(fine, 8), common(shuffled.reshape(64, 64), 8), atol=1e-6)
    assert not np.allclose(fine, shuffled.reshape(64, 64))


def test_reduced_maps_keep_their_mean():
    maps = np.random.default_rng(0).random((2, 640, 640)).astype(np.float32)
    reduced = reduce_maps(maps)
    assert reduced.shape == (2, 160, 160)
    assert reduced.mean(axis=(1, 2)) == pytest.approx(maps.mean(axis=(1, 2)), rel=1e-4)
    assert reduce_maps(maps[:, :96, :96]).shape == (2, 96, 96)


def test_positions_of_bands_and_boxes():
    mask = band([np.array([[0.25, 0.5], [0.75, 0.5]])], 200)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert abs((rows[0] + rows[-1]) / 2 - 100) <= 1 and 4 <= len(rows) <= 8  # 2 x 1.5% of 200
    assert abs(columns[0] - 50) <= 4 and abs(columns[-1] - 150) <= 4
    box = boxes_mask([np.array([[0.5, 0.0], [1.0, 0.0], [1.0, 0.5], [0.5, 0.5]])], 100)
    assert box[:50, 51:].all() and not box[:, :49].any() and not box[52:].any()


class Corner(nn.Module):
    """Two classes; the first is the ink in the upper left quarter."""

    def forward(self, images):
        ink = images[:, 0, :16, :16].sum(dim=(1, 2)) / 32
        return torch.stack([ink, torch.zeros_like(ink)], dim=1)


def test_insertion_and_deletion_reward_the_right_map():
    model, image = Corner().eval(), torch.ones(1, 32, 32)
    right, wrong = np.zeros((32, 32)), np.ones((32, 32))
    right[:16, :16], wrong[:16, :16] = 1, 0
    full = 1 / (1 + np.exp(-8))
    inserted, deleted = insertion_deletion_curves(model, image, 0, right, 4, "single", 0.5, full)
    assert inserted.tolist() == pytest.approx([0.5, full, full, full, full])
    assert deleted.tolist() == pytest.approx([full, 0.5, 0.5, 0.5, 0.5])
    assert area_under_curve(inserted) == pytest.approx((0.5 + full) / 8 + 3 * full / 4)
    inserted, deleted = insertion_deletion_curves(model, image, 0, wrong, 4, "single", 0.5, full)
    assert inserted.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.5, full])
    assert deleted.tolist() == pytest.approx([full, full, full, full, 0.5])
    inserted, deleted = insertion_deletion_curves(model, image, 0, right, 1, "single", 0.5, full, deletion=False)
    assert inserted.tolist() == pytest.approx([0.5, full]) and not len(deleted)


def test_integrated_gradients_of_a_linear_model_are_its_weights_on_ink():
    torch.manual_seed(0)
    layer = nn.Linear(64, 3)
    model = nn.Sequential(nn.Flatten(), layer).eval()
    image = (torch.rand(1, 8, 8) < 0.5).float()
    expected = torch.relu(layer.weight[1].reshape(8, 8) * image[0]).detach().numpy()
    found = integrated_gradients(model, image, 1)
    assert found == pytest.approx(expected / expected.max(), abs=1e-5)


def run_of(variant, **options):
    return RunConfig(
        dataset="simulated", protocol="paper", variant=variant, seed=0, classes=("A", "B"), task="single", images=(),
        model=ModelConfig(image_size=64, options=options), train=TrainConfig(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("variant", "options", "first"),
    [("resnet10t", {}, "fc"), ("swin", {}, "head"), ("swin_lgf_fpn", {"embed_dim": 24, "neck_width": 16}, "head")],
)
def test_cascade_randomises_the_classifier_first_and_everything_last(variant, options, first):
    run = run_of(variant, **options)
    torch.manual_seed(1)
    model = build_model(run).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kept, names = [], []
    for name, randomised, last_one in cascade_randomisation(model, run, 7, 3):
        state = randomised.state_dict()
        random = [key for key in before if before[key].numel() > 1 and before[key].std() > 0]  # not constants
        kept.append(sum(torch.equal(state[key], before[key]) for key in random) / len(random))
        names.append(name)
        last, whole = state, last_one
    assert len(names) == 3 and whole
    assert 1 > kept[0] > kept[1] > kept[2] == 0
    torch.manual_seed(7)
    fresh = build_model(run).state_dict()
    assert all(torch.equal(last[key], fresh[key]) for key in fresh)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert next(cascade_randomisation(model, run, 7, 100))[0].startswith(first)


def test_means_and_intervals_match_scipy():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 1))
    mean, samples = group_means(values, [str(i) for i in range(60)], 4000, 1)
    ours = bootstrap_interval(mean[0], samples[:, 0], 0.95)
    theirs = bootstrap((values[:, 0],), np.mean, n_resamples=4000, method="percentile", random_state=2)
    assert ours["value"] == pytest.approx(values.mean())
    assert (ours["low"], ours["high"]) == pytest.approx(tuple(theirs.confidence_interval), abs=0.03)
    # the same patients twice: the interval must not shrink
    mean, samples = group_means(np.repeat(values, 2, axis=0), [str(i // 2) for i in range(120)], 4000, 1)
    assert samples.std() == pytest.approx(group_means(values, [str(i) for i in range(60)], 4000, 1)[1].std(), rel=1e-9)


def test_single_patient_has_no_interval():
    mean, samples = group_means(np.array([[0.2], [0.4]]), ["a", "a"], 100, 0)
    assert bootstrap_interval(mean[0], samples[:, 0], 0.95) == {
        "value": pytest.approx(0.3), "low": None, "high": None, "note": NO_SPREAD,
    }  # fmt: skip


def test_missing_values_are_ignored():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    mean, samples = group_means(values, ["a", "b", "c"], 200, 0)
    assert mean[0] == 2 and np.isnan(mean[1])
    assert bootstrap_interval(mean[1], samples[:, 1], 0.95)["value"] is None
    assert 1 <= bootstrap_interval(mean[0], samples[:, 0], 0.95)["low"] <= 2
