"""The figures that the paper prints: tables 1 to 4 (doi:10.4108/eai.11.11675, retracted): claims to test.

What people call a model, with what tells it from the model of that name.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ecgpipe.paper import the_paper
from ecgpipe.report.collect import Run

PAPER_METRICS = ("accuracy", "specificity", "recall", "precision", "f1")

TABLE_1 = {
    "cardiac-images": {"name": "ECG Images Dataset of Cardiac Patients", "classes": 4, "records": 928},
    "ptb-xl": {"name": "PTB-XL", "classes": 5, "records": 21837},
}

TABLE_2, TABLE_3, TABLE_4 = (
    {model: tuple(row.values()) for model, row in table.rows.items()} for table in the_paper().tables
)
"""Model -> the figures of METRICS."""

PAPER_TABLES = {
    "cardiac-images": (("Table 2: comparison with baselines", TABLE_2),),
    "ptb-xl": (("Table 3: comparison with baselines", TABLE_3), ("Table 4: ablations", TABLE_4)),
}

MODEL_NAMES = {
    "resnet34": "ResNet-34",
    "vit": "Vision Transformer",
    "mobilevit": "MobileViT",
    "swin": "Swin Transformer (backbone only)",
    "convnext": "ConvNeXt",
    "swin_lgf_fpn": "Swin-LGF-FPN",
    "swin_lgf_fpn_no_lgf": "without LGF module",
    "swin_lgf_fpn_no_fpn": "without FPN neck",
    "swin_lgf_fpn_no_refine": "without refinement",
}
DATASET_TITLES = {
    "ptb-xl": "PTB-XL",
    "cardiac-images": "ECG Images dataset of Cardiac Patients",
    "simulated": "Simulated records",
}
PROTOCOL_MEANINGS = {
    "paper": "random by record; the validation part both stops training and is reported, as in the paper",
    "patient": "random, no patient on two sides; the test part is reported",
    "folds": "the data set's own folds: one stops training, one is reported, the others train",
    "unique": "random, all copies of an item (and all records of a patient) on one side; the test part is reported",
}


def model_name(variant: str, options: Mapping[str, Any] | None = None) -> str:
    """The name of a variant as it was built.

    A baseline of another architecture is told by that: "resnet18 for ResNet-34"; one with other options is
    "altered Swin-LGF-FPN". The recipe is told as the configuration names it: "Swin-LGF-FPN+paper".

    Args:
        variant: a model of benchmark.DATASET.models, ``variant`` or ``variant+recipe``.
        options: its model options where they are not the variant's own.
    """
    base, plus, recipe = variant.partition("+")
    name = MODEL_NAMES.get(base, base)
    if options and base in MODEL_NAMES:
        architecture = None if base.startswith("swin_lgf_fpn") else options.get("architecture")
        name = f"{architecture} for {name}" if architecture else f"altered {name}"
    return f"{name}{plus}{recipe}"


def name_of_run(run: Run) -> str:
    """The name of what a run trained."""
    return model_name(run.variant, (run.summary.get("model") or {}).get("options"))


def names_of_runs(runs: Iterable[Run]) -> dict[str, str]:
    """Variant -> name: of those that were run as they were built, of the paper's others as it has them."""
    return MODEL_NAMES | {run.variant: name_of_run(run) for run in runs}


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
