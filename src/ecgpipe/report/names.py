"""What people call a model, with what tells it from the model of that name."""

from collections.abc import Iterable, Mapping
from typing import Any

from ecgpipe.report.collect import Run
from ecgpipe.report.paper import NAMES


def model_name(variant: str, options: Mapping[str, Any] | None = None) -> str:
    """The name of a variant as it was built.

    A baseline of another architecture is told by that: "resnet18 for ResNet-34"; one with other options is
    "altered Swin-LGF-FPN". The recipe is told as the configuration names it: "Swin-LGF-FPN+paper".

    Args:
        variant: a model of benchmark.DATASET.models, ``variant`` or ``variant+recipe``.
        options: its model options where they are not the variant's own.
    """
    base, plus, recipe = variant.partition("+")
    name = NAMES.get(base, base)
    if options and base in NAMES:
        architecture = None if base.startswith("swin_lgf_fpn") else options.get("architecture")
        name = f"{architecture} for {name}" if architecture else f"altered {name}"
    return f"{name}{plus}{recipe}"


def name_of_run(run: Run) -> str:
    """The name of what a run trained."""
    return model_name(run.variant, (run.summary.get("model") or {}).get("options"))


def names_of_runs(runs: Iterable[Run]) -> dict[str, str]:
    """Variant -> name: of those that were run as they were built, of the paper's others as it has them."""
    return NAMES | {run.variant: name_of_run(run) for run in runs}


def alterations(runs: Iterable[Run]) -> list[str]:
    """A sentence per model that was not built as its variant says, each once: ``NAME: depths 2, 2; embed_dim 48.``"""
    told = {}
    for run in runs:
        options = (run.summary.get("model") or {}).get("options") or {}
        if options:
            changes = [f"{key} {_plain(value)}" for key, value in options.items()]
            told[name_of_run(run)] = "; ".join(changes)
    return [f"{name}: {changes}." for name, changes in told.items()]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
