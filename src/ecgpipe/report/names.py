"""Names shown in the report: models, datasets, protocols, metrics; and the tables printed in the paper."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ecgpipe.metrics import METRICS, metrics_shown
from ecgpipe.paper import load_paper
from ecgpipe.report.collect import Run

COLUMNS = tuple((metric.name, metric.label) for metric in metrics_shown("results"))
"""Metrics of the tables of results, with their labels."""
TESTED = tuple(metric.name for metric in metrics_shown("tests"))
"""Metrics of the tables of paired tests."""
PUBLISHED = tuple(metric.name for metric in metrics_shown("page"))
"""Metrics shown on the published page; its CSV files have all of COLUMNS."""
LABELS = {metric.name: metric.label for metric in METRICS}
PAPER_COLUMNS = tuple((metric, LABELS[metric]) for metric in next(iter(load_paper().tables[0].rows.values())))
"""Metrics of the paper's tables in their order, with their labels."""

MODEL_NAMES = {
    "resnet34": "ResNet-34",
    "vit": "Vision Transformer",
    "mobilevit": "MobileViT",
    "swin": "Swin Transformer (backbone only)",
    "convnext": "ConvNeXt",
    "swin_lgf_fpn": "Swin-LGF-FPN",
    "swin_lgf_fpn_no_lgf": "Swin-LGF-FPN without LGF module",
    "swin_lgf_fpn_no_fpn": "Swin-LGF-FPN without FPN neck",
    "swin_lgf_fpn_no_refine": "Swin-LGF-FPN without refinement",
}
DATASET_TITLES = {
    "ptb-xl": "PTB-XL",
    "cardiac-images": "ECG Images dataset of Cardiac Patients",
    "simulated": "Simulated records",
}
CLASS_NAMES = {
    "NORM": "normal ECG",
    "MI": "myocardial infarction",
    "STTC": "ST/T change",
    "CD": "conduction disturbance",
    "HYP": "hypertrophy",
}
"""PTB-XL's superclasses, which the simulated records share."""


class BaselineNames(NamedTuple):
    """A baseline's names: in rows of tables, in small figures and in sentences."""

    row: str
    short: str
    in_text: str


BASELINES = {
    "majority": BaselineNames("Class frequencies alone", "Class frequencies", "class frequencies alone"),
    "nearest": BaselineNames(
        "Nearest neighbour on page thumbnails", "Nearest neighbour on thumbnails",
        "a nearest neighbour on page thumbnails",
    ),
    "outside": BaselineNames(
        "Logistic regression on the area outside the traces", "Area outside the traces",
        "a classifier of the area outside the traces",
    ),
    "thumbnail": BaselineNames(
        "Logistic regression on image thumbnails", "Logistic regression on thumbnails",
        "logistic regression on thumbnails",
    ),
    "shuffled": BaselineNames(
        "Thumbnails with shuffled training labels", "Shuffled training labels", "shuffled training labels"
    ),
    "signal": BaselineNames(
        "Signal reference: a network on the recordings", "Signal reference", "the signal reference"
    ),
    "digitized": BaselineNames(
        "The signal reference on digitized pages", "Signal reference on digitized pages",
        "the signal reference on digitized pages",
    ),
}  # fmt: skip


def baseline_names(kind: str) -> BaselineNames:
    """The names of a kind of baseline: ``shuffled``."""
    return BASELINES.get(kind) or BaselineNames(kind, kind, f"the baseline {kind}")


PROTOCOL_MEANINGS = {
    "paper": "random split by record; the validation set decides when training stops and is also scored",
    "patient": "random split by patient; the test set is scored",
    "folds": "the dataset's own folds: one decides when training stops, one is scored, the others are for training",
    "unique": "random split that keeps duplicates, and all records of a patient, together; the test set is scored",
}

# the paper: doi:10.4108/eai.11.11675, retracted; its figures are claims to test
TABLE_1 = {
    "cardiac-images": {"name": "ECG Images Dataset of Cardiac Patients", "classes": 4, "records": 928},
    "ptb-xl": {"name": "PTB-XL", "classes": 5, "records": 21837},
}
TABLE_2, TABLE_3, TABLE_4 = (
    {model: tuple(row.values()) for model, row in table.rows.items()} for table in load_paper().tables
)
"""Model -> printed figures in the order of PAPER_COLUMNS."""
PAPER_TABLES = {
    "cardiac-images": (("Table 2: comparison with baselines", TABLE_2),),
    "ptb-xl": (("Table 3: comparison with baselines", TABLE_3), ("Table 4: ablations", TABLE_4)),
}


def class_names(dataset: str, classes: Iterable[str]) -> dict[str, str]:
    """Class -> spelled out, where the class is an abbreviation known to the dataset."""
    known = CLASS_NAMES if dataset in ("ptb-xl", "simulated") else {}
    return {name: known[name] for name in classes if name in known}


def report_title(title: str | None, datasets: Mapping[str, str]) -> str:
    """The configured title, or one made from the datasets (name -> title)."""
    if title:
        return title
    if any(name in PAPER_TABLES for name in datasets):
        return "ECG image classification: Swin-LGF-FPN, rebuilt and measured"
    return f"ECG image classification: {', '.join(datasets.values())}"


def model_name(variant: str, options: Mapping[str, Any] | None = None) -> str:
    """The display name of a variant as it was built.

    Examples: "resnet18 for ResNet-34" for a baseline with another architecture, "Swin-LGF-FPN (modified)" for other
    options, "Swin-LGF-FPN+paper" for the recipe ``paper``.

    Args:
        variant: a model of benchmark.DATASET.models, ``variant`` or ``variant+recipe``.
        options: model options that differ from the variant's.
    """
    base, plus, recipe = variant.partition("+")
    name = f"{MODEL_NAMES.get(base, base)}{plus}{recipe}"
    if not options or base not in MODEL_NAMES:
        return name
    architecture = None if base.startswith("swin_lgf_fpn") else options.get("architecture")
    return f"{architecture} for {name}" if architecture else f"{name} (modified)"


def name_of_run(run: Run) -> str:
    """The display name of a trained model."""
    return model_name(run.variant, (run.summary.get("model") or {}).get("options"))


def names_of_runs(runs: Iterable[Run]) -> dict[str, str]:
    """Variant -> display name, for the given runs as they were built and for the paper's other models."""
    return MODEL_NAMES | {run.variant: name_of_run(run) for run in runs}


def alterations(runs: Iterable[Run]) -> list[str]:
    """One sentence per model with options that differ from its variant's: ``NAME: depths 2, 2; embed_dim 48.``"""
    changed = {}
    for run in runs:
        options = (run.summary.get("model") or {}).get("options") or {}
        if options:
            changed[name_of_run(run)] = "; ".join(f"{key} {_plain(value)}" for key, value in options.items())
    return [f"{name}: {changes}." for name, changes in changed.items()]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
