"""Results of a hyperparameter search, from validation scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ecgpipe.artifacts.files import atomic_path, verify, write_text
from ecgpipe.errors import DataError


def write_tuning(
    histories: Sequence[Path], points: Sequence[Mapping[str, Any]], score: str, table: Path, best: Path
) -> None:
    """Write the table and the best settings.

    Args:
        histories: history.csv of every trial and seed.
        points: ``variant`` and ``changes`` (setting -> value) of each history.
        score: column of the histories to optimise: validation_loss is minimised, other scores are maximised.
        table: output, CSV: one row per trial, best first: settings, seeds, means over seeds of epochs, seconds and
            scores at each run's epoch of lowest validation loss, and ``lowest`` and ``highest`` score of a seed.
        best: output, YAML: the best settings as a configuration file: in ``train``, for several models those of each in
            ``tuned``; settings of a model in ``variants``.

    Raises:
        DataError: a history is damaged, or no trial has the score.
    """
    rows = []
    for file, point in zip(histories, points, strict=True):
        verify(file)
        history = pd.read_csv(file)
        chosen = history.loc[history["validation_loss"].idxmin()]
        scores = {name: chosen[name] for name in history if name.startswith("validation_")}  # type: ignore[attr-defined]
        training = {"epochs": len(history), "best_epoch": chosen["epoch"], "seconds": history["seconds"].sum()}
        rows.append({"variant": point["variant"], **point["changes"], **training, **scores})
    found = pd.DataFrame(rows)
    settings = ["variant", *dict(points[0]["changes"])]
    rising = score == "validation_loss"
    grouped = found.groupby(settings, sort=False, dropna=False)
    means = grouped.mean()
    means.insert(0, "seeds", grouped.size())
    means["lowest"], means["highest"] = grouped[score].min(), grouped[score].max()
    if means[score].isna().all():
        raise DataError(
            f"{table}: no trial has a {score}, since all or none of the validation records have one of the classes; "
            "set tuning.score: validation_loss"
        )
    means = means.sort_values(score, ascending=rising, kind="stable").reset_index()
    with atomic_path(table) as partial:
        means.to_csv(partial, index=False)
    head, sections = "", {}
    for variant, trials in means.groupby("variant", sort=False):
        first = trials.iloc[0]
        head += f"# The best of {len(trials)} trials of {variant} by {score}: {first[score]:.4f}\n"
        winner = next(
            point["changes"]
            for point in points
            if all(_same(first[key], value) for key, value in {"variant": point["variant"], **point["changes"]}.items())
        )
        for key, value in winner.items():
            section, _, name = key.partition(".")
            if section == "model":  # not as `model`, over which an entry in the user's `variants` would win
                own = sections.setdefault("variants", {}).setdefault(variant, {})
            elif means["variant"].nunique() > 1:
                own = sections.setdefault("tuned", {}).setdefault(variant, {})
            else:
                own = sections.setdefault("train", {})
            own[name] = value
    write_text(best, head + yaml.safe_dump(sections, sort_keys=False))


def _same(mean: Any, value: Any) -> bool:
    return (value is None and pd.isna(mean)) or mean == value
