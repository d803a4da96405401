"""The tables and claims of the paper (doi:10.4108/eai.11.11675, retracted), as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import yaml

Row = Mapping[str, float]
"""Metric, named as in metrics.json, -> printed figure."""


@dataclass(frozen=True)
class Table:
    """One of tables 2 to 4.

    Args:
        id: ``table-2``.
        title: title in reports.
        place: place in the paper.
        dataset: name.
        limit: the largest number of records that its figures can be computed from.
        rows: model -> metric -> printed figure.
    """

    id: str
    title: str
    place: str
    dataset: str
    limit: int
    rows: Mapping[str, Row]


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper.

    Args:
        id: short name.
        place: place in the paper.
        claim: wording.
        kind: ``better`` (every model of `first` above every one of `second`), ``difference`` (by `value`), ``range``
            (every class within `value`), ``saliency`` or ``unmeasured``.
        datasets: those that it applies to.
        metrics: those that it applies to.
        first: models.
        second: models.
        significant: whether the paper says "significantly".
        value: printed figure or figures.
        reason: why it cannot be measured (``unmeasured``).
    """

    id: str
    place: str
    claim: str
    kind: str
    datasets: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    significant: bool = False
    value: float | tuple[float, float] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Paper:
    """The data file.

    Args:
        source: ``doi``, ``title``, ``status``, ``decimals`` of the printed figures.
        recipe: ``model`` and ``train`` settings, ``records`` per dataset, label ``policies``, ``validation`` share.
        tables: tables 2 to 4.
        claims: sentences of the text.
    """

    source: Mapping[str, str | int]
    recipe: Mapping[str, Mapping]
    tables: tuple[Table, ...]
    claims: tuple[Claim, ...] = field(default=())

    @property
    def saliency_datasets(self) -> set[str]:
        """Datasets of the claims about saliency: known findings are needed, so the paper need not use them."""
        return {dataset for claim in self.claims if claim.kind == "saliency" for dataset in claim.datasets}

    def printed(self, dataset: str, model: str, metric: str) -> float | None:
        """The printed figure, if any (tables 3 and 4 agree where they overlap)."""
        for table in self.tables:
            if table.dataset == dataset and metric in table.rows.get(model, {}):
                return table.rows[model][metric]
        return None


@cache
def load_paper() -> Paper:
    """The paper's tables and claims."""
    text = resources.files("ecgpipe.paper").joinpath("claims.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    columns = content["columns"]
    tables = tuple(
        Table(**table | {"rows": {model: dict(zip(columns, row, strict=True)) for model, row in table["rows"].items()}})
        for table in content["tables"]
    )
    claims = tuple(
        Claim(**{key: tuple(value) if isinstance(value, list) else value for key, value in claim.items()})
        for claim in content["claims"]
    )
    return Paper(content["source"], content["recipe"], tables, claims)
