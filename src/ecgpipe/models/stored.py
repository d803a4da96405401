"""The model of a run: built from run.json, with or without its trained weights."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ecgpipe.artifacts.runs import WEIGHTS_FILE, RunConfig
from ecgpipe.errors import DataError
from ecgpipe.models.factory import create_model


def build_model(run: RunConfig) -> nn.Module:
    """The untrained model that a run describes."""
    return create_model(
        run.variant,
        num_classes=len(run.classes),
        in_chans=run.model.in_chans,
        img_size=run.model.image_size,
        pretrained=run.model.pretrained,
        **run.model.options,
    )


def load_trained(folder: Path | str) -> tuple[nn.Module, RunConfig]:
    """A run's model with its trained weights, in eval mode, on the CPU.

    Raises:
        DataError: the weights are missing, broken, or of another model.
    """
    run = RunConfig.read(folder)
    path = Path(folder) / WEIGHTS_FILE
    # the trained weights replace all others, so none need be fetched
    model = build_model(run.model_copy(update={"model": run.model.model_copy(update={"pretrained": False})}))
    try:
        model.load_state_dict(load_file(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; train the run first") from error
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a readable weights file ({error}); train the run again") from error
    except RuntimeError as error:
        raise DataError(
            f"{path}: these weights are not of the model in run.json; train the run again\n{error}"
        ) from error
    return model.eval(), run
