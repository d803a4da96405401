"""Equations 5 to 24 of the model against a plain NumPy computation in float64."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from scipy.special import erf
from timm.models.swin_transformer import SwinTransformerStage
from torch import nn

from ecgpipe.models.lgf_fpn_layers import (
    LGF,
    AxialTemporalAttention,
    ChannelAlignment,
    FeaturePyramid,
    GlobalPath,
    LocalPath,
    PyramidHead,
    Refinement,
    top_down,
)

CLOSE = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def randomised(module, rng):
    """Set all parameters and running statistics to random values, in float64."""
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.from_numpy(rng.normal(size=buffer.shape)))
            if name.endswith("running_var"):
                buffer.copy_(torch.from_numpy(rng.uniform(0.5, 2.0, size=buffer.shape)))
    return module


def numpy_of(parameter):
    return parameter.detach().numpy()


def gelu(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def conv(x, layer):
    """Zero-padded, optionally grouped convolution of x (B, C, H, W)."""
    weight, groups = numpy_of(layer.weight), getattr(layer, "groups", 1)
    weight = weight[..., None, None] if weight.ndim == 2 else weight  # a 1x1 convolution kept as a linear layer
    out_channels, group_inputs = weight.shape[:2]
    out = np.zeros((x.shape[0], out_channels, *x.shape[2:]))
    for b in range(x.shape[0]):
        for o in range(out_channels):
            first_input = o // (out_channels // groups) * group_inputs
            for i in range(group_inputs):
                out[b, o] += correlate2d(x[b, first_input + i], weight[o, i], mode="same")
            if layer.bias is not None:
                out[b, o] += numpy_of(layer.bias)[o]
    return out


def group_norm(x, layer):
    out = np.empty_like(x)
    size = x.shape[1] // layer.num_groups
    for b in range(x.shape[0]):
        for g in range(layer.num_groups):
            part = x[b, g * size : (g + 1) * size]
            out[b, g * size : (g + 1) * size] = (part - part.mean()) / np.sqrt(part.var() + layer.eps)
    return out * numpy_of(layer.weight)[:, None, None] + numpy_of(layer.bias)[:, None, None]


def batch_norm(x, layer):
    """Batch statistics in training mode, else running statistics."""
    if layer.training:
        mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    else:
        mean, var = numpy_of(layer.running_mean), numpy_of(layer.running_var)
    scale = numpy_of(layer.weight) / np.sqrt(var + layer.eps)
    return (x - mean[:, None, None]) * scale[:, None, None] + numpy_of(layer.bias)[:, None, None]


def layer_norm(x, layer):
    centred = x - x.mean(axis=-1, keepdims=True)
    normed = centred / np.sqrt(x.var(axis=-1, keepdims=True) + layer.eps)
    return normed * numpy_of(layer.weight) + numpy_of(layer.bias)


def linear(x, layer):
    return x @ numpy_of(layer.weight).T + numpy_of(layer.bias)


def upsample(x, size):
    """Equation 16: a sum over all source pixels with a triangular kernel, borders repeated."""

    def kernel(target, source):
        weights = np.zeros((target, source))
        for t in range(target):
            position = min(max((t + 0.5) * source / target - 0.5, 0), source - 1)
            for s in range(source):
                weights[t, s] = max(0.0, 1 - abs(position - s))
        return weights

    return np.einsum("hi,bcij,wj->bchw", kernel(size[0], x.shape[2]), x, kernel(size[1], x.shape[3]))


def compare(module, reference, *shape, rng):
    x = rng.normal(size=shape)
    np.testing.assert_allclose(module(torch.from_numpy(x)).detach().numpy(), reference(x), **CLOSE)


def on_nhwc(module, x):
    """Apply a module for NHWC maps to an NCHW map."""
    return module(torch.from_numpy(x).permute(0, 2, 3, 1)).detach().permute(0, 3, 1, 2).numpy()


def local_path(x, module):
    return gelu(group_norm(conv(conv(x, module.depthwise), module.pointwise), module.norm))


def global_path(x, module):
    pooled = x.max(axis=(2, 3), keepdims=True)
    return np.broadcast_to(gelu(conv(pooled, module.pointwise)), x.shape)  # upsampled: constant over the map


def gate_weights(f1, module):
    if module.gate == "column":
        f1 = f1.mean(axis=2, keepdims=True)
    return sigmoid(conv(gelu(conv(f1, module.inner)), module.outer))


def test_local_path_is_equation_9(rng):
    module = randomised(LocalPath(6, norm_groups=3), rng)
    x = rng.normal(size=(2, 6, 5, 7))
    np.testing.assert_allclose(on_nhwc(module, x), local_path(x, module), **CLOSE)


def test_global_path_is_equation_10(rng):
    module = randomised(GlobalPath(4), rng)
    x = rng.normal(size=(2, 4, 5, 3))
    ours = on_nhwc(module, x)
    assert ours.shape == (2, 4, 1, 1)
    np.testing.assert_allclose(np.broadcast_to(ours, x.shape), global_path(x, module), **CLOSE)


@pytest.mark.parametrize("gate", ["pixel", "column"])
def test_gate_is_equation_13(rng, gate):
    module = randomised(AxialTemporalAttention(4, gate), rng)
    x = rng.normal(size=(2, 4, 5, 3))
    np.testing.assert_allclose(on_nhwc(module, x), gate_weights(x, module), **CLOSE)


def test_column_gate_has_one_weight_per_column(rng):
    weights = on_nhwc(randomised(AxialTemporalAttention(4, "column"), rng), rng.normal(size=(1, 4, 5, 3)))
    assert weights.shape == (1, 4, 1, 3)


@pytest.mark.parametrize("gate", ["pixel", "column"])
def test_lgf_is_equations_9_to_14(rng, gate):
    module = randomised(LGF(6, gate, norm_groups=2), rng)
    x = rng.normal(size=(2, 6, 5, 7))
    f = np.concatenate([local_path(x, module.local_path), global_path(x, module.global_path)], axis=1)
    f1 = group_norm(conv(f, module.compress), module.norm)
    expected = f1 * gate_weights(f1, module.attention) + x
    np.testing.assert_allclose(on_nhwc(module, x), expected, **CLOSE)


@pytest.mark.parametrize(("channels", "groups"), [(96, 32), (768, 32), (24, 8), (20, 4)])
def test_groups_divide_the_channels(channels, groups):
    module = LGF(channels)
    assert module.norm.num_groups == module.local_path.norm.num_groups == groups


def test_lgf_with_zero_gain_starts_as_the_identity(rng):
    x = torch.from_numpy(rng.normal(size=(2, 5, 7, 6)))
    assert torch.equal(LGF(6, init_gain=0.0).double()(x), x)
    assert not torch.allclose(LGF(6).double()(x), x)


def alignment(x, module):
    main = batch_norm(conv(x, module.main), module.main_norm)
    return np.maximum(main + batch_norm(conv(x, module.residual), module.residual_norm), 0)


def refinement(x, module):
    return np.maximum(conv(batch_norm(x, module.norm), module.conv), 0)


@pytest.mark.parametrize("training", [False, True])
def test_channel_alignment_is_equation_15(rng, training):
    module = randomised(ChannelAlignment(3, 4), rng).train(training)
    compare(module, lambda x: alignment(x, module), 2, 3, 5, 6, rng=rng)


@pytest.mark.parametrize("training", [False, True])
def test_refinement_is_equations_20_to_23(rng, training):
    module = randomised(Refinement(4), rng).train(training)
    compare(module, lambda x: refinement(x, module), 2, 4, 5, 6, rng=rng)


SIZES = [(13, 10), (7, 5), (4, 3), (2, 2)]


def test_top_down_is_equations_16_to_19(rng):
    f1, f2, f3, f4 = levels = [rng.normal(size=(2, 3, *size)) for size in SIZES]
    f34 = upsample(f4, SIZES[2]) + f3
    f234 = upsample(f34, SIZES[1]) + f2
    f1234 = upsample(f234, SIZES[0]) + f1
    for ours, expected in zip(top_down([torch.from_numpy(x) for x in levels]), [f1234, f234, f34, f4], strict=True):
        np.testing.assert_allclose(ours.numpy(), expected, **CLOSE)


@pytest.mark.parametrize("refine", [True, False])
def test_pyramid_is_equations_15_to_23(rng, refine):
    channels = [2, 3, 4, 5]
    neck = randomised(FeaturePyramid(channels, width=4, refine=refine), rng).eval()
    maps = [rng.normal(size=(2, c, *size)) for c, size in zip(channels, SIZES, strict=True)]
    aligned = [alignment(x, module) for x, module in zip(maps, neck.align, strict=True)]
    expected = [aligned[3]]
    for level in (2, 1, 0):
        expected.insert(0, upsample(expected[0], SIZES[level]) + aligned[level])
    if refine:
        expected = [refinement(x, module) for x, module in zip(expected, neck.refine, strict=True)]
    for ours, wanted in zip(neck([torch.from_numpy(x) for x in maps]), expected, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), wanted, **CLOSE)


@pytest.mark.parametrize("levels", [4, 1])
def test_head_is_equation_24(rng, levels):
    head = randomised(PyramidHead(levels, channels=6, num_classes=5, hidden=8), rng).eval()
    maps = [rng.normal(size=(3, 6, *size)) for size in SIZES[:levels]]
    logits = numpy_of(head.fusion.logits) if levels > 1 else np.zeros(1)
    weights = np.exp(logits) / np.exp(logits).sum()
    fused = sum(w * level.mean(axis=(2, 3)) for w, level in zip(weights, maps, strict=True))
    hidden = linear(layer_norm(fused, head.norm), head.fc1)
    celu = np.maximum(hidden, 0) + np.minimum(0, np.exp(hidden) - 1)
    expected = linear(layer_norm(celu, head.hidden_norm), head.fc2)
    ours = head([torch.from_numpy(level) for level in maps]).detach().numpy()
    np.testing.assert_allclose(ours, expected, **CLOSE)


def test_level_weights_start_equal():
    assert torch.equal(PyramidHead(4, 6, 5).fusion.weights, torch.full((4,), 0.25))


def test_dropout_acts_between_norm_and_last_layer(rng):
    head = PyramidHead(1, channels=6, num_classes=5, hidden=400, drop_rate=0.5).double()
    seen = {}
    head.fc2.register_forward_pre_hook(lambda _, inputs: seen.update(inputs=inputs[0]))
    head.train()([torch.from_numpy(rng.normal(size=(2, 6, 3, 3)))])
    assert 0.4 < (seen["inputs"] == 0).double().mean() < 0.6


def window_attention(x, attention, shift):
    """W-MSA or SW-MSA, token by token; in a shifted window, a token reads only its real neighbours."""
    height, width, channels = x.shape
    window, heads = attention.window_size[0], attention.num_heads
    head_dim = channels // heads
    qkv = linear(x, attention.qkv).reshape(height, width, 3, heads, head_dim)
    bias = numpy_of(attention.relative_position_bias_table)
    out = np.zeros_like(x)

    def cell(position, side):  # window number after the cyclic shift, and whether the position wrapped around
        return ((position - shift) % side) // window, position < shift

    tokens = [(y, x_) for y in range(height) for x_ in range(width)]
    for y, x_ in tokens:
        home = cell(y, height), cell(x_, width)
        peers = [(v, u) for v, u in tokens if (cell(v, height), cell(u, width)) == home]
        for h in range(heads):
            scores = []
            for v, u in peers:
                index = (y - v + window - 1) * (2 * window - 1) + (x_ - u + window - 1)
                scores.append(qkv[y, x_, 0, h] @ qkv[v, u, 1, h] / math.sqrt(head_dim) + bias[index, h])
            weights = np.exp(np.array(scores) - max(scores))
            weights /= weights.sum()
            values = np.array([qkv[v, u, 2, h] for v, u in peers])
            out[y, x_, h * head_dim : (h + 1) * head_dim] = weights @ values
    return linear(out, attention.proj)


def test_swin_blocks_are_equations_5_to_8(rng):
    stage = SwinTransformerStage(8, 8, (8, 8), depth=2, downsample=False, num_heads=2, window_size=4)
    stage = stage.double().eval()
    for parameter in stage.parameters():  # moderate values: a masked score of -100 must stay negligible
        nn.init.normal_(parameter, std=0.3)
    x = rng.normal(size=(8, 8, 8))
    f = x
    for block, shift in zip(stage.blocks, (0, 2), strict=True):
        f = window_attention(layer_norm(f, block.norm1), block.attn, shift) + f
        f = linear(gelu(linear(layer_norm(f, block.norm2), block.mlp.fc1)), block.mlp.fc2) + f
    ours = stage(torch.from_numpy(x)[None])[0].detach().numpy()
    np.testing.assert_allclose(ours, f, rtol=1e-9, atol=1e-9)
