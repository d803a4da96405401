"""Trainings that start from the weights of others: which may, and from which."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from ecgpipe.config.train import TrainConfig


class Runs(Protocol):
    """The trainings of a data set."""

    @property
    def splits(self) -> tuple[str, ...]: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def seeds(self) -> Sequence[int]: ...


def initial_problems(
    datasets: Sequence[str], runs_of: Callable[[str], Runs], train_of: Callable[[str], TrainConfig]
) -> Iterator[str]:
    """What is wrong with `initial` of the recipes in use, a line each.

    Args:
        datasets: those of the benchmark.
        runs_of: their trainings.
        train_of: model name with its recipe (``swin+tuned``) -> the recipe.
    """
    for dataset in datasets:
        for model in runs_of(dataset).models:
            initial, recipe = train_of(model).initial, model.partition("+")[2]
            if initial is None:
                continue
            place, (other, protocol, first) = f"recipes.{recipe}.initial", initial.split("/")
            if other not in datasets:
                yield f"{place}: {other} is not among the datasets, {', '.join(datasets)}"
                continue
            runs = runs_of(other)
            if protocol not in runs.splits or first not in runs.models:
                yield (
                    f"{place}: the benchmark has no training {initial}; of {other} it has the protocols "
                    f"{', '.join(runs.splits)} and the models {', '.join(runs.models)}"
                )
            elif train_of(first).initial is not None:
                yield f"{place}: {initial} starts from another training itself"
            elif lacking := sorted(set(runs_of(dataset).seeds) - set(runs.seeds)):
                yield f"{place}: benchmark.{other}.seeds lacks {', '.join(map(str, lacking))}, which {dataset} has"
            elif other == dataset and set(runs.splits) != {protocol}:
                # else records that test the one may have trained the other
                yield (
                    f"{place}: within one data set both trainings need the same split; benchmark.{dataset}.protocols "
                    f"has {', '.join(runs.splits)}"
                )
