"""Each variant gives the same logits after export to ONNX and compilation."""

import json
import sys

import numpy as np
import pytest
import torch

from ecgpipe.errors import DataError, EcgpipeError
from ecgpipe.models import VARIANTS, create_model
from ecgpipe.models.export import export_onnx
from ecgpipe.models.lgf_fpn_layers import LGF, FeaturePyramid, PyramidHead

# Narrow, with one shifted block: exporters fail on kinds of layers, not on their number.
SWIN = {"embed_dim": 24, "depths": (2, 1, 1, 1)}
THIN = {
    "resnet34": {"layers": (1, 1, 1, 1)},
    "vit": {"embed_dim": 96, "depth": 1},
    "mobilevit": {"architecture": "mobilevit_xxs"},
    "convnext": {"dims": (24, 48, 96, 192), "depths": (1, 1, 1, 1)},
    **{name: SWIN | ({} if name == "swin" else {"neck_width": 16}) for name in VARIANTS if name.startswith("swin")},
}
SIZE = (64, 64)


def build(variant, **options):
    torch.manual_seed(3)
    return create_model(variant, num_classes=5, img_size=SIZE, **THIN[variant] | options).eval()


def images(batch, size=SIZE, channels=1):
    return torch.rand(batch, channels, *size, generator=torch.Generator().manual_seed(5))


# The layers of the long Swins are in the full model, too; MobileViT's export takes 9 s.
LONG = ("mobilevit", "swin", "swin_lgf_fpn_no_lgf", "swin_lgf_fpn_no_fpn", "swin_lgf_fpn_no_refine")
EACH_VARIANT = [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in VARIANTS]


@pytest.mark.parametrize("variant", EACH_VARIANT)
def test_onnx_agrees_to_1e_4(variant, tmp_path):
    """For any batch size; the model itself is not changed."""
    onnxruntime = pytest.importorskip("onnxruntime")
    model = build(variant)
    fused = [module.fused_attn for module in model.modules() if hasattr(module, "fused_attn")]
    worst = export_onnx(model, tmp_path / "m.onnx", in_chans=1, img_size=SIZE, metadata={"classes": ["a", "b"]})
    assert worst < 1e-4
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]  # the weights are inside
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    x = images(3)  # a batch size that the export did not check
    with torch.no_grad():
        expected = model(x).numpy()
    np.testing.assert_allclose(session.run(["logits"], {"image": x.numpy()})[0], expected, rtol=1e-4, atol=1e-4)
    assert fused == [module.fused_attn for module in model.modules() if hasattr(module, "fused_attn")]
    assert any(fused) or "swin" not in variant
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["a", "b"]


@pytest.mark.parametrize("variant", EACH_VARIANT)
def test_compiles_as_one_graph(variant):
    torch._dynamo.reset()
    model = build(variant)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(images(2)), model(images(2)), rtol=1e-4, atol=1e-5)


class Blocks(torch.nn.Module):
    """One of each kind of module of this package; a whole Swin takes the compiler minutes."""

    def __init__(self):
        super().__init__()
        self.lgf, self.neck, self.head = LGF(8), FeaturePyramid([8, 8], width=8), PyramidHead(2, 8, 5, drop_rate=0.0)

    def forward(self, x):
        enhanced = self.lgf(x).permute(0, 3, 1, 2)
        return self.head(self.neck([enhanced, enhanced[:, :, ::2, ::2]]))


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.long)])
def test_compiled_code_gives_the_same_loss_and_gradients(backend):
    """aot_eager traces forward and backward pass; inductor also generates C++ code, which takes a minute."""
    torch._dynamo.reset()
    torch.manual_seed(3)
    model = Blocks().train()
    found = []
    for run in (model, torch.compile(model, backend=backend)):
        model.zero_grad()
        loss = run(torch.rand(2, 8, 8, 8, generator=torch.Generator().manual_seed(5))).square().sum()
        loss.backward()
        found.append((loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}))
    (loss, gradients), (compiled_loss, compiled_gradients) = found
    torch.testing.assert_close(compiled_loss, loss, rtol=1e-4, atol=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(compiled_gradients[name], gradient, rtol=1e-3, atol=1e-4)


def test_a_wrong_export_is_not_written(tmp_path):
    class Fickle(torch.nn.Module):
        """Returns different values when it is traced."""

        def forward(self, x):
            return x.flatten(1)[:, :5] + (1.0 if torch.compiler.is_exporting() else 0.0)

    with pytest.raises(DataError, match="differ from PyTorch's by 1"):
        export_onnx(Fickle(), tmp_path / "m.onnx", in_chans=1, img_size=(8, 8))
    assert not list(tmp_path.iterdir())


def test_a_missing_onnx_is_reported_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(EcgpipeError, match=r"pip install 'ecgpipe\[onnx\]'"):
        export_onnx(torch.nn.Identity(), tmp_path / "m.onnx", in_chans=1, img_size=(8, 8))
