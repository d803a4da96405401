"""The network for prediction computes what the trained network computes."""

import pytest
import torch

from ecgpipe.reader import fused
from ecgpipe.reader.fused import FusedReader
from ecgpipe.reader.network import ReaderNet


@pytest.fixture(scope="module")
def net() -> ReaderNet:
    torch.manual_seed(1)
    net = ReaderNet(widths=(8, 12, 16, 20, 24))
    for module in net.modules():  # as after training: a normalization that changes something
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    return net.eval()


@pytest.mark.parametrize("strip", [16, 48, 1000])
def test_the_maps_agree(net, strip, monkeypatch):
    """Also where strips meet, and at the edges."""
    monkeypatch.setattr(fused, "STRIP", strip)
    pictures = torch.rand(2, 3, 128, 96) * 2 - 1
    with torch.inference_mode():
        expected, got = net(pictures), FusedReader(net)(pictures)
    for one, other in zip(expected, got, strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=1e-5 * float(one.abs().max()))


def test_the_trained_network_stays_as_it_is(net):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    FusedReader(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())
