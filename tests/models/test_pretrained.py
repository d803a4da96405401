"""ImageNet weights: loaded as timm does, with a report of what matched."""

import hashlib
import os
import pickle
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import adapt_input_conv

from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.models import create_model

SWIN = "swin_tiny_patch4_window7_224"
BASELINES = {
    "resnet34": "resnet34",
    "vit": "vit_small_patch16_224",
    "mobilevit": "mobilevit_s",
    "convnext": "convnext_tiny",
    "swin": SWIN,
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Creates files like timm's ImageNet weights (3 channels, 1000 classes, 224 px), once each."""
    files = {}

    def make(architecture):
        if architecture not in files:
            torch.manual_seed(11)
            path = tmp_path_factory.mktemp("weights") / f"{architecture}.safetensors"
            save_file(timm.create_model(architecture).state_dict(), path)
            files[architecture] = path
        return files[architecture]

    return make


def state(model, exclude):
    return {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(exclude)}


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_load_what_timm_loads(name, weights):
    path = weights(BASELINES[name])
    ours = create_model(name, num_classes=5, img_size=320, pretrained=True, weights=str(path))
    sizes = {"vit": {"img_size": 320}, "swin": {"img_size": 320, "window_size": 10}}.get(name, {})
    theirs = timm.create_model(
        BASELINES[name],
        pretrained=True,
        pretrained_cfg_overlay={"file": str(path)},
        num_classes=5,
        in_chans=1,
        **sizes,
    )
    classifier = f"{theirs.pretrained_cfg['classifier']}."
    expected = state(theirs, classifier)
    assert expected.keys() == state(ours, classifier).keys()
    for key, tensor in state(ours, classifier).items():
        assert torch.equal(tensor, expected[key]), key

    report = ours.pretrained_report
    assert report.total == len(ours.state_dict())
    assert report.matched == report.total - 2  # the new classifier's weight and bias
    assert all(key.startswith(classifier) for key in report.missing) and not report.unused
    assert f"{report.matched} of {report.total}" in str(report) and str(path) in str(report)


@pytest.mark.parametrize("variant", ["swin_lgf_fpn", "swin_lgf_fpn_no_fpn"])
def test_the_backbone_of_the_full_model_loads_them(variant, weights):
    path = weights(SWIN)
    model = create_model(variant, num_classes=5, img_size=224, pretrained=True, weights=str(path))
    source = timm.create_model(SWIN, checkpoint_path=str(path))
    backbone = model.backbone.state_dict()
    assert model.pretrained_report.matched == model.pretrained_report.total == len(backbone)
    assert set(model.pretrained_report.unused) == {"norm.weight", "norm.bias"}
    stem = "patch_embed.proj.weight"
    # timm sums a grey stem's weights over the colours, so that a grey picture gives what it gave in colour
    torch.testing.assert_close(backbone[stem], source.state_dict()[stem].sum(1, keepdim=True))
    assert all(torch.equal(backbone[key], source.state_dict()[key]) for key in backbone if key != stem)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_stem_is_adapted_as_by_timm(channels, weights):
    path = weights("resnet34")
    model = create_model("resnet34", num_classes=5, in_chans=channels, pretrained=True, weights=str(path))
    colour = load_file(path)["conv1.weight"]
    assert colour.shape[1] == 3
    assert torch.equal(model.conv1.weight, adapt_input_conv(channels, colour))


def test_without_a_network_the_message_has_a_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError) as caught:
        create_model("resnet34", num_classes=5, pretrained=True)
    message = str(caught.value)
    assert "resnet34" in message and "HF_HUB_OFFLINE" in message and "model.weights" in message
    assert "\n" not in message


def test_grey_and_colour_models_agree_on_a_grey_picture(weights):
    path = str(weights(SWIN))
    grey, colour = (
        create_model("swin_lgf_fpn", num_classes=5, in_chans=c, img_size=96, pretrained=True, weights=path)
        for c in (1, 3)
    )
    x = torch.rand(1, 1, 96, 96)
    with torch.no_grad():
        one = grey.eval().backbone.patch_embed(x)
        three = colour.eval().backbone.patch_embed(x.expand(-1, 3, -1, -1))
    torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-5)


def test_timm_entry_point_loads_a_local_file(weights):
    model = timm.create_model(
        "swin_lgf_fpn_tiny",
        pretrained=True,
        pretrained_cfg_overlay={"file": str(weights(SWIN))},
        in_chans=3,
        num_classes=5,
        img_size=96,
    )
    assert model.pretrained_report.matched == model.pretrained_report.total


def test_from_scratch_ignores_the_file(tmp_path):
    model = create_model("resnet34", num_classes=5, img_size=64, weights=str(tmp_path / "none.safetensors"))
    assert model.pretrained_report is None


def load(path, variant="swin_lgf_fpn"):
    return create_model(variant, num_classes=5, img_size=96, pretrained=True, weights=str(path))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"absent\.safetensors"):
        load(tmp_path / "absent.safetensors")


def test_pickled_weights_are_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    for name in ("weights.pth", "disguised.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps({"state_dict": Bomb()}))
        with pytest.raises(DataError, match=name):
            load(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_only_safetensors_are_requested_from_the_hub(monkeypatch, tmp_path):
    """timm alone would fall back to the pickle."""
    asked = []

    def hub(*names, **keys):
        asked.append(keys["filename"])
        if keys["filename"].endswith(".safetensors"):
            raise huggingface_hub.errors.LocalEntryNotFoundError("no such file at the hub")
        torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "pytorch_model.bin")
        return str(tmp_path / "pytorch_model.bin")

    monkeypatch.setattr(timm.models._hub, "hf_hub_download", hub)
    with pytest.raises(DataError, match=r"could not be downloaded.*HF_ENDPOINT.*model\.weights"):
        create_model("resnet10t", num_classes=5, img_size=64, pretrained=True)
    assert asked == ["model.safetensors"]


def test_weights_published_only_as_a_pickle_are_refused():
    with pytest.raises(DataError, match=r"gcvit_xxtiny.*published as a pickle only.*model\.weights"):
        create_model("gcvit_xxtiny", num_classes=5, img_size=224, pretrained=True)


def test_even_harmless_pickled_weights_are_refused(tmp_path):
    torch.save(timm.create_model("resnet34").state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(DataError, match=r"not a \.safetensors file"):
        load(tmp_path / "resnet34.pth", "resnet34")


def test_weights_of_another_architecture_are_refused(weights):
    with pytest.raises(DataError, match="another architecture"):
        load(weights("resnet34"))


def test_weights_of_another_size_are_refused(tmp_path):
    path = tmp_path / "narrow.safetensors"
    save_file(timm.create_model(SWIN, embed_dim=48).state_dict(), path)
    with pytest.raises(DataError, match="does not fit"):
        load(path)


class Mirror(BaseHTTPRequestHandler):
    """Serves one file as the hub does, and notes what is asked for."""

    def do_HEAD(self):
        self.server.asked.append(self.path)
        found = self.path == "/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"
        self.send_response(200 if found else 404)
        if found:
            self.send_header("ETag", '"made-here"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        return found

    def do_GET(self):
        if self.do_HEAD():
            self.wfile.write(self.server.content)

    def log_message(self, *_):
        pass


def test_a_mirror_serves_the_weights_and_the_cache_serves_them_offline(tmp_path):
    """In other processes: the hub's library reads its variables when it is imported."""
    torch.manual_seed(11)
    published = timm.create_model("test_resnet")
    save_file(published.state_dict(), tmp_path / "model.safetensors")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.content, server.asked = (tmp_path / "model.safetensors").read_bytes(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = (
        "from ecgpipe.models import create_model; "
        "model = create_model('test_resnet', num_classes=5, in_chans=3, img_size=64, pretrained=True); "
        "print(model.pretrained_report, model.conv1[0].weight.sum().item())"
    )
    mirror = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "cache")}
    expected = published.conv1[0].weight.sum().item()
    try:
        for variables in (mirror, mirror | {"HF_HUB_OFFLINE": "1"}):
            run = subprocess.run(
                [sys.executable, "-c", code], env=os.environ | variables, capture_output=True, text=True, check=False
            )
            assert run.returncode == 0, run.stderr
            assert "test_resnet.r160_in1k" in run.stdout
            assert float(run.stdout.split()[-1]) == pytest.approx(expected, rel=1e-5)
            asked, server.asked = server.asked, []
            assert bool(asked) == ("HF_HUB_OFFLINE" not in variables)
    finally:
        server.shutdown()


def test_a_file_is_compared_with_its_checksum(weights):
    path = weights("resnet34")
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    create_model("resnet34", num_classes=5, pretrained=True, weights=str(path), weights_sha256=checksum)
    with pytest.raises(DataError, match=rf"{path}.*{checksum}, not {'0' * 64} \(weights_sha256\)"):
        create_model("resnet34", num_classes=5, pretrained=True, weights=str(path), weights_sha256="0" * 64)


def test_the_configuration_checks_the_keys(tmp_path):
    file = tmp_path / "weights.safetensors"
    values = {"variants": {"swin": {"pretrained": True, "weights": str(file)}}}
    with pytest.raises(ConfigError, match=r"variants\.swin\.weights: no such file"):
        validate_config(values)
    file.touch()
    assert validate_config(values).model_of("swin").weights == str(file)
    values["variants"]["swin"]["pretrained"] = False
    with pytest.raises(ConfigError, match=r"variants\.swin.*weights: only read with pretrained: true"):
        validate_config(values)
    with pytest.raises(ConfigError, match="there is no file to check"):
        validate_config({"model": {"weights_sha256": "0" * 64}})
