"""Models from files: a run's, with or without its trained weights, and a saved model's."""

from pathlib import Path

from safetensors import SafetensorError
from torch import nn

from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.artifacts.runs import WEIGHTS_FILE, RunConfig
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.models.factory import create_model
from ecgpipe.models.weights import read_weights


def build_model(run: RunConfig) -> nn.Module:
    """The untrained model that a run describes."""
    return create_model(
        run.variant,
        num_classes=len(run.classes),
        in_chans=run.model.in_chans,
        img_size=run.model.image_size,
        pretrained=run.model.pretrained,
        plugin=run.model.plugin,
        **run.model.options,  # type: ignore[arg-type]
    )


def load_trained(folder: Path | str) -> tuple[nn.Module, RunConfig]:
    """A run's model with its trained weights, in eval mode, on the CPU.

    Raises:
        DataError: the weights are missing, broken, or of another model.
    """
    run = RunConfig.read(folder)
    # the trained weights replace all others, so none need be fetched
    model = build_model(run.model_copy(update={"model": run.model.model_copy(update={"pretrained": False})}))
    _load_weights(model, Path(folder) / WEIGHTS_FILE, "train the run", "run.json")
    return model.eval(), run


def load_model(folder: Path | str, plugin: Path | str | None = None) -> tuple[nn.Module, SavedModel]:
    """A saved model (``<run>/model``, or wherever it was copied to), in eval mode, on the CPU.

    Args:
        folder: of the saved model.
        plugin: the Python file that registers its architecture, for a model of one's own. It is run as code, and so
            never taken from what the folder says.

    Returns:
        The model, images (B, in_chans, size, size) to logits (B, classes), and what config.json says of it.

    Raises:
        DataError: no saved model, of another version of the format, or with missing, broken or other weights.
        ConfigError: this version of timm or ecgpipe does not know the architecture, or its plugin is not given.
    """
    saved = SavedModel.read(folder)
    settings = saved.model
    if settings.plugin is not None and plugin is None:
        raise ConfigError(
            f"{folder}: its architecture {saved.variant} was registered by a file of one's own, {settings.plugin}; "
            "that is code, so look at it and name it: --plugin FILE, or load_model(folder, plugin=FILE)"
        )
    model = create_model(
        saved.variant,
        num_classes=len(saved.classes),
        in_chans=settings.in_chans,
        img_size=settings.image_size,
        plugin=None if plugin is None else str(plugin),
        **settings.options,  # type: ignore[arg-type]
    )
    _load_weights(model, Path(folder) / WEIGHTS_FILE, "save the model", "config.json")
    return model.eval(), saved


def _load_weights(model: nn.Module, path: Path, remedy: str, settings: str) -> None:
    try:
        model.load_state_dict(read_weights(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; {remedy} first") from error
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a readable weights file ({error}); delete it and {remedy} again") from error
    except RuntimeError as error:
        raise DataError(f"{path}: these weights are not of the model in {settings}; {remedy} again\n{error}") from error
