"""Saliency maps, the choice of records, overlays."""

import numpy as np
import pytest
import torch

from ecgpipe.explain import saliency
from ecgpipe.explain.overlay import contact_sheet, overlay
from ecgpipe.explain.run import choose_records
from ecgpipe.explain.saliency import saliency_maps
from ecgpipe.models import create_model
from ecgpipe.models.cam import cam_target

SMALL = ["resnet34", "vit", "mobilevit", "swin", "convnext", "swin_lgf_fpn", "swin_lgf_fpn_no_fpn"]


@pytest.mark.parametrize("variant", SMALL)
def test_equations_36_and_37(variant):
    """Compare with gradients computed here at the same layer."""
    torch.manual_seed(0)
    model = create_model(variant, num_classes=3, img_size=96).eval()
    image = torch.rand(1, 1, 96, 96)
    target = cam_target(model)
    kept = {}
    handle = target.layer.register_forward_hook(lambda *args: kept.update(output=args[2]))
    logits = model(image)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, 1], kept["output"])
    maps, gradient = target.to_nchw(kept["output"]).detach(), target.to_nchw(gradient)
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # equation 36
    cam = torch.relu((weights * maps).sum(dim=1))[0].numpy()  # equation 37
    found = saliency_maps(model, image, [1])[0]
    assert found.shape == (96, 96)
    if cam.max() == 0:
        assert found.max() == 0
        return
    expected = (cam - cam.min()) / (cam.max() - cam.min())
    rows = (np.arange(cam.shape[0]) + 0.5) * 96 / cam.shape[0]
    sampled = found[np.ix_(rows.astype(int), rows.astype(int))]
    assert np.corrcoef(sampled.ravel(), expected.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam", "eigencam", "integrated-gradients"])
def test_batches_give_the_same_maps_as_single_images(method, monkeypatch):
    torch.manual_seed(0)
    model = create_model("resnet10t", num_classes=3, img_size=64).eval()
    images, labels = (torch.rand(3, 1, 64, 64) < 0.2).float(), [0, 2, 1]
    together = saliency_maps(model, images, labels, method, title=None)
    monkeypatch.setattr(saliency, "BATCH_PIXELS", 64 * 64)
    single = saliency_maps(model, images, labels, method, title=None)
    assert together == pytest.approx(single, abs=1e-4)


@pytest.mark.parametrize("variant", SMALL)
def test_gradients_are_computed_only_from_the_target_layer_on(variant):
    """A backward pass through the whole network costs three times the time and twice the memory."""
    torch.manual_seed(0)
    model = create_model(variant, num_classes=3, img_size=96).eval()
    inputs_of_target = []
    cam_target(model).layer.register_forward_hook(lambda _, given, __: inputs_of_target.extend(given))
    saliency_maps(model, torch.rand(1, 1, 96, 96), [1], title=None)
    assert inputs_of_target and not any(given.requires_grad for given in inputs_of_target)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_chosen_records_depend_on_ids_only_and_single_label_records_come_first():
    ids = np.array([f"{i:03d}" for i in range(40)])
    rng = np.random.default_rng(0)
    targets = (rng.random((40, 3)) < 0.4).astype(np.uint8)
    chosen = choose_records(ids, targets, 2, seed=1)
    assert [label for _, label in chosen] == [0, 0, 1, 1, 2, 2]
    for position, label in chosen:
        assert targets[position, label]
        assert targets[position].sum() == targets[targets[:, label] == 1].sum(axis=1).min()
    order = rng.permutation(40)
    again = choose_records(ids[order], targets[order], 2, seed=1)
    assert [ids[order][i] for i, _ in again] == [ids[i] for i, _ in chosen]
    assert choose_records(ids, targets, 2, seed=2) != chosen


def test_class_with_few_records_is_used_completely():
    targets = np.eye(2, dtype=np.uint8)[[0, 0, 1]]
    assert len(choose_records(np.array(["a", "b", "c"]), targets, 5, 0)) == 3


def test_overlay_colours_salient_pixels_and_keeps_the_trace():
    page = np.full((100, 200, 3), 255, np.uint8)
    page[50, :] = 0
    heat = np.zeros((10, 10))
    heat[:, 5:] = 1
    shown = overlay(page, heat, (0, 0, 0, 0))
    assert (shown[:, :80] == page[:, :80]).all()
    assert shown[10, 190].tolist() != [255, 255, 255]
    assert shown[50, 190].max() < 10  # the trace stays dark


def test_overlay_leaves_the_margins_alone():
    page = np.full((100, 100, 3), 255, np.uint8)
    shown = overlay(page, np.ones((8, 8)), (0.1, 0.2, 0.3, 0.4))  # top, right, bottom, left
    coloured = (shown != 255).any(axis=2)
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    assert (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) == (10, 70, 40, 80)


def test_contact_sheet_accepts_pictures_of_any_size():
    pictures = [np.zeros((60, 80, 3), np.uint8), np.zeros((300, 200, 3), np.uint8), np.zeros((10, 90, 3), np.uint8)]
    sheet = contact_sheet(pictures, ["a", "b", "c"])
    assert sheet.ndim == 3
    assert (sheet == 0).any()
