"""Save and load a signal model, with its out-of-distribution score (artifacts.recording_model)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file as save_tensors

from ecgpipe.artifacts.files import SUMS, atomic_path, write_json, write_sums, write_text
from ecgpipe.artifacts.model_folder import CARD_FILE, OOD_FILE
from ecgpipe.artifacts.recording_model import FeatureLimit, RecordingModel
from ecgpipe.artifacts.runs import METRICS_FILE, WEIGHTS_FILE
from ecgpipe.errors import DataError
from ecgpipe.models.gaussian import QUANTILE, Gaussian, read_gaussians, write_gaussians
from ecgpipe.models.recordings import RecordingNet, page_windows
from ecgpipe.models.weights import read_weights

REMEDY = "install ecgpipe again, or make the model again (snakemake box)"


@dataclass(frozen=True)
class PageOutput:
    """The network's output for one page.

    Attributes:
        logits: (classes,).
        features: (d,) of the first network, the mean over the page's windows.
    """

    logits: np.ndarray
    features: np.ndarray


@torch.inference_mode()
def page_output(net: RecordingNet, signal: np.ndarray) -> PageOutput:
    """Logits and features of a page's signal, (12, samples) mV at the network's rate, NaN where it shows no trace.

    Raises:
        DataError: no lead is shown for long enough.
    """
    windows, _ = page_windows(signal)
    if not len(windows):
        raise DataError("no lead is shown for 0.2 s or more")
    inputs = net.inputs(torch.from_numpy(windows))
    pooled = [member.pooled(inputs) for member in net.members]
    logits = torch.stack([member.head(part) for member, part in zip(net.members, pooled, strict=True)])
    return PageOutput(logits.mean(dim=(0, 1)).numpy(), pooled[0].mean(dim=0).numpy())


def fit_limit(training: np.ndarray, validation: np.ndarray) -> tuple[Gaussian, FeatureLimit]:
    """Fit the out-of-distribution score: a Mahalanobis distance of features, and the limit of its usual values.

    Args:
        training, validation: (n, d) features of training records, and of digitized validation pages.
    """
    least = max(0.01 * float(np.median(training.std(axis=0))), 1e-6)
    gaussian = Gaussian.fit(training, least)
    limit = float(np.quantile(gaussian.distance(validation), QUANTILE, method="higher"))
    return gaussian, FeatureLimit(
        features=limit, quantile=QUANTILE, training_records=len(training), validation_pages=len(validation)
    )


def save_recording_model(
    folder: Path, net: RecordingNet, saved: RecordingModel, gaussian: Gaussian, metrics: dict, card: str
) -> None:
    """Write all files of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMS).unlink(missing_ok=True)
    with atomic_path(folder / WEIGHTS_FILE) as partial:
        save_tensors({name: value.contiguous() for name, value in _half(net).items()}, partial)
    write_gaussians(folder / OOD_FILE, {"": gaussian})
    write_json(folder / METRICS_FILE, metrics)
    write_text(folder / CARD_FILE, card)
    saved.write(folder)
    write_sums(folder, [WEIGHTS_FILE, OOD_FILE, METRICS_FILE])


def _half(net: RecordingNet) -> dict[str, torch.Tensor]:
    state = net.state_dict()
    return {name: value.half() if value.is_floating_point() else value for name, value in state.items()}


def rounded(net: RecordingNet) -> RecordingNet:
    """The network with its weights rounded to float16, as they are saved, so that it scores like the saved model."""
    net.load_state_dict(_half(net))
    return net.eval()


def load_recording_model(folder: Path | str) -> tuple[RecordingNet, RecordingModel]:
    """Load a signal model, in eval mode, on the CPU.

    Raises:
        DataError: not such a model, or missing, damaged or wrong weights.
    """
    saved = RecordingModel.read(folder)
    path = Path(folder) / WEIGHTS_FILE
    net = RecordingNet(len(saved.classes), saved.members, saved.width)
    try:
        net.load_state_dict(read_weights(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; {REMEDY}") from error
    except (SafetensorError, OSError, RuntimeError) as error:
        raise DataError(f"{path}: not the weights of the model in config.json ({error}); {REMEDY}") from error
    return net.eval(), saved


def load_features(folder: Path | str) -> Gaussian:
    """The statistics of the out-of-distribution score.

    Raises:
        DataError: missing or damaged.
    """
    return read_gaussians(Path(folder) / OOD_FILE, [""], REMEDY)[0]
