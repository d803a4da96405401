"""Every variant, exported to ONNX and compiled, gives the answers of the model itself."""

import json
import sys

import numpy as np
import pytest
import torch

from ecgpipe.errors import DataError, EcgpipeError
from ecgpipe.models import VARIANTS, create_model
from ecgpipe.models.export import export_onnx
from ecgpipe.models.lgf_fpn_layers import LGF, FeaturePyramid, PyramidHead

# One shifted block each, and narrow: what an exporter may stumble over is in the kinds of layers, not in their number.
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


@pytest.mark.parametrize("variant", VARIANTS)
def test_onnx_agrees_to_1e_4(variant, tmp_path):
    """By way of ``torch.export``, with any batch; the model itself stays as it was."""
    onnxruntime = pytest.importorskip("onnxruntime")
    model = build(variant)
    fused = [module.fused_attn for module in model.modules() if hasattr(module, "fused_attn")]
    worst = export_onnx(model, tmp_path / "m.onnx", in_chans=1, img_size=SIZE, metadata={"classes": ["a", "b"]})
    assert worst < 1e-4
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]  # the weights are inside
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    x = images(3)  # neither batch that the export itself has compared
    with torch.no_grad():
        expected = model(x).numpy()
    np.testing.assert_allclose(session.run(["logits"], {"image": x.numpy()})[0], expected, rtol=1e-4, atol=1e-4)
    assert fused == [module.fused_attn for module in model.modules() if hasattr(module, "fused_attn")]
    assert any(fused) or "swin" not in variant
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["a", "b"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_compiles_as_one_graph(variant):
    torch._dynamo.reset()
    model = build(variant)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(images(2)), model(images(2)), rtol=1e-4, atol=1e-5)


class Blocks(torch.nn.Module):
    """A module of each kind that this package adds to timm's, for the compiler: a whole Swin takes it minutes."""

    def __init__(self):
        super().__init__()
        self.lgf, self.neck, self.head = LGF(8), FeaturePyramid([8, 8], width=8), PyramidHead(2, 8, 5, drop_rate=0.0)

    def forward(self, x):
        enhanced = self.lgf(x).permute(0, 3, 1, 2)
        return self.head(self.neck([enhanced, enhanced[:, :, ::2, ::2]]))


def test_compiled_code_gives_the_same_loss_and_gradients():
    """Through the real compiler (inductor), which needs a C++ compiler."""
    torch._dynamo.reset()
    torch.manual_seed(3)
    model = Blocks().train()
    found = []
    for run in (model, torch.compile(model)):
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
        """Answers otherwise when it is traced than when it is called."""

        def forward(self, x):
            return x.flatten(1)[:, :5] + (1.0 if torch.compiler.is_exporting() else 0.0)

    with pytest.raises(DataError, match="differ from PyTorch's by 1"):
        export_onnx(Fickle(), tmp_path / "m.onnx", in_chans=1, img_size=(8, 8))
    assert not list(tmp_path.iterdir())


def test_without_onnx_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(EcgpipeError, match=r"pip install 'ecgpipe\[onnx\]'"):
        export_onnx(torch.nn.Identity(), tmp_path / "m.onnx", in_chans=1, img_size=(8, 8))
