"""External validation: models of one dataset scored on another one, and the classes that the two share."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from ecgpipe.config.base import check_unique
from ecgpipe.config.benchmark import DatasetRuns, ExternalConfig
from ecgpipe.config.data import base_protocol, protocol_parts
from ecgpipe.errors import ConfigError

SAME_CLASS = {
    "normal": "NORM",
    "myocardial infarction": "MI",
    "history of myocardial infarction": "MI",
}
"""Classes of cardiac-images, in lower case -> the equivalent superclass of PTB-XL. The class abnormal heartbeat has
none: it may be a conduction disturbance or an arrhythmia."""


class External(NamedTuple):
    """An entry of `benchmark.external` with its defaults resolved.

    For a cross-validation, ``protocol`` and ``target_protocol`` name its first fold.
    """

    key: str
    dataset: str
    protocol: str
    target: str
    target_protocol: str
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    target_seeds: tuple[int, ...]
    classes: dict[str, tuple[str, ...]] | None

    def target_seed(self, seed: int) -> int:
        """The seed of the target's split for a model with this seed: the same if the target has it, else its first."""
        return seed if seed in self.target_seeds else self.target_seeds[0]


def resolve_external(
    entries: Sequence[ExternalConfig],
    datasets: Sequence[str],
    runs_of: Callable[[str], DatasetRuns],
    starts_on: Callable[[str], str | None],
    shares_records: Callable[[str, str], bool],
) -> list[External]:
    """The entries with their defaults.

    Args:
        entries: `benchmark.external`.
        datasets: datasets of the benchmark.
        runs_of: dataset -> its runs.
        starts_on: model -> the dataset of the run that it starts from (`init_from`, of its own run or of the one
            that this continues).
        shares_records: whether two datasets show the same recordings.

    Raises:
        ValueError: an entry names a dataset, protocol or model that the benchmark does not have; one line each.
    """
    problems: list[str] = []
    splits = []
    for number, entry in enumerate(entries):
        key = f"benchmark.external.{number}"
        source = _split(f"{key}.from", entry.source, datasets, runs_of, problems)
        splits.append((key, source, _split(f"{key}.to", entry.target, datasets, runs_of, problems)))
    if problems:
        raise ValueError("; ".join(problems))
    found = []
    for (key, source, target), entry in zip(splits, entries, strict=True):
        runs = runs_of(source[0])
        # runs that share recordings with the source, too, keep to the published folds
        same = () if shares_records(source[0], target[0]) else datasets
        shown = {target[0], *(one for one in same if shares_records(one, target[0]))}
        seen = {name for name in runs.models if starts_on(name) in shown}
        default = tuple(name for name in runs.models if name not in seen)
        models = default if entry.models is None else entry.models
        classes = entry.classes and {
            name: (own,) if isinstance(own, str) else own for name, own in entry.classes.items()
        }
        one = External(key, *source, *target, models, runs.seeds, runs_of(target[0]).seeds, classes)
        problems += _entry_problems(one, runs.models, seen)
        if shares_records(one.dataset, one.target) and not (
            base_protocol(one.protocol) == "folds" and one.protocol == one.target_protocol
        ):
            problems.append(
                f"{key}: {one.dataset} and {one.target} show the same recordings; only the published folds keep "
                "test recordings out of the training: use the protocol folds for both"
            )
        found.append(one)
    check_unique(
        ["/".join(source) + " -> " + "/".join(target) for _, source, target in splits], prefix="benchmark.external: "
    )
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _split(
    key: str,
    text: str,
    datasets: Sequence[str],
    runs_of: Callable[[str], DatasetRuns],
    problems: list[str],
) -> tuple[str, str]:
    """The dataset and split that ``text`` names; errors are appended to ``problems``."""
    dataset, _, protocol = text.partition("/")
    if dataset not in datasets:
        problems.append(f"{key}: {dataset!r} is not among the datasets, {', '.join(datasets)}")
        return dataset, ""
    protocols = runs_of(dataset).protocols
    if protocol and protocol not in protocols:
        problems.append(
            f"{key}: {protocol!r} is not among the protocols of benchmark.{dataset}.protocols, {', '.join(protocols)}"
        )
        return dataset, ""
    return dataset, protocol_parts(protocol or protocols[0])[0]


def _entry_problems(one: External, known: Sequence[str], seen: Collection[str]) -> Iterator[str]:
    """The errors in an entry; ``known``: the models of its dataset, ``seen``: those that start from its target."""
    if one.dataset == one.target:
        yield f"{one.key}: from and to are both {one.dataset}; name two datasets"
    if unknown := [name for name in one.models if name not in known]:
        yield (
            f"{one.key}.models: {', '.join(unknown)} is not trained on {one.dataset}; benchmark.{one.dataset}.models "
            f"has {', '.join(known)}"
        )
    if len(set(one.models)) < len(one.models):
        yield f"{one.key}.models: a model occurs twice; remove one"
    if refused := [name for name in one.models or known if name in seen]:
        yield (
            f"{one.key}.models: {', '.join(refused)} starts from a run on recordings of {one.target}; name "
            "another model"
        )


class SharedClass(NamedTuple):
    """A class that two datasets share.

    Attributes:
        name: the name in reports.
        source: its classes in the dataset that the model was trained on.
        target: its classes in the dataset that the model is scored on.
    """

    name: str
    source: tuple[str, ...]
    target: tuple[str, ...]


def shared_classes(
    source: Sequence[str],
    target: Sequence[str],
    mapping: Mapping[str, Sequence[str]] | None,
    key: str,
    names: tuple[str, str],
) -> tuple[SharedClass, ...]:
    """The classes that two datasets share, in the order of the source's.

    Several classes of one dataset with the same partner count as one class: a record has it if it has any of them.

    Args:
        source, target: class names.
        mapping: class of the source -> classes of the target; None: by name (``SAME_CLASS``).
        key: the entry's key in the configuration.
        names: names of the two datasets.

    Raises:
        ConfigError: there is none, or the mapping does not fit the classes.
    """
    have = f"{names[0]} has the classes {', '.join(source)}; {names[1]} has {', '.join(target)}"
    if mapping is None:
        shared = _by_name(source, target)
        if not shared:
            raise ConfigError(
                f"{key}.classes: the two datasets share no class by name. {have}. Set {key}.classes to a mapping "
                f"{{class of {names[0]}: class of {names[1]}}}"
            )
    else:
        for label, known, given in (
            (names[0], source, list(mapping)),
            (names[1], target, [name for partners in mapping.values() for name in partners]),
        ):
            if unknown := [name for name in dict.fromkeys(given) if name not in known]:
                raise ConfigError(f"{key}.classes: {label} has no class {', '.join(unknown)}. {have}")
        shared = _by_mapping(mapping, key)
    for one in shared:
        for label, own, known in ((names[0], one.source, source), (names[1], one.target, target)):
            if set(own) == set(known):
                raise ConfigError(f"{key}.classes: {one.name} covers all classes of {label}, so no record is negative")
    return shared


def _by_name(source: Sequence[str], target: Sequence[str]) -> tuple[SharedClass, ...]:
    def meaning(name: str) -> str:
        return SAME_CLASS.get(name.casefold(), name).casefold()

    shared = []
    for one in dict.fromkeys(map(meaning, source)):
        own = tuple(name for name in source if meaning(name) == one)
        partners = tuple(name for name in target if meaning(name) == one)
        if partners:
            known = next((label for label in SAME_CLASS.values() if label.casefold() == one), None)
            shared.append(SharedClass(known or own[0], own, partners))
    return tuple(shared)


def _by_mapping(mapping: Mapping[str, Sequence[str]], key: str) -> tuple[SharedClass, ...]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, partners in mapping.items():
        groups.setdefault(tuple(dict.fromkeys(partners)), []).append(name)
    every = [partner for partners in groups for partner in partners]
    if len(set(every)) < len(every):
        twice = next(name for name in every if every.count(name) > 1)
        raise ConfigError(
            f"{key}.classes: {twice} is a partner of several classes that do not have the same partners; give these "
            "classes the same list"
        )
    return tuple(
        SharedClass(own[0] if len(own) == 1 or len(partners) > 1 else partners[0], tuple(own), partners)
        for partners, own in groups.items()
    )
