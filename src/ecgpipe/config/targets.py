"""The files that the workflow can make for a configuration: inputs of the rules, and targets of `all`."""

import re
from collections.abc import Iterable, Mapping, Sequence

from ecgpipe.config.analysis import DIGITIZED_BASELINE, SHUFFLED_BASELINE, SIGNAL_BASELINE
from ecgpipe.config.data import protocol_parts
from ecgpipe.config.external import External
from ecgpipe.config.schema import Config
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import ConfigError
from ecgpipe.paper import Claim


def job_name(rule: str, output: str) -> str:
    """Path of a rule's logs and benchmarks, without suffix: ``train/{dataset}/{protocol}/{variant}/seed-{seed}``."""
    names = dict.fromkeys(re.findall(r"\{(\w+)", output))
    return "/".join([rule, *("seed-{seed}" if name == "seed" else f"{{{name}}}" for name in names)])


class Targets:
    """Paths below the results folder, in the order of the configuration.

    Args:
        config: the validated configuration.
        shards: dataset -> names of its shards.
    """

    def __init__(self, config: Config, shards: Mapping[str, Sequence[str]]) -> None:
        self.config, self.shards, self.results = config, shards, config.results

    def of_datasets(self, file: str) -> list[str]:
        """A file of every dataset."""
        return [f"{self.results}/{dataset}/{file}" for dataset in self.config.datasets]

    def of_shards(self, pattern: str, datasets: Iterable[str] | None = None) -> list[str]:
        """A file of every shard, such as ``pages/{shard}.parquet``, of all or the given datasets."""
        return [
            f"{self.results}/{dataset}/{pattern.format(shard=shard)}"
            for dataset in (self.config.datasets if datasets is None else datasets)
            for shard in self.shards[dataset]
        ]

    def pages(self) -> list[str]:
        """The pages files.

        Raises:
            ConfigError: the configuration keeps none.
        """
        if not self.config.keep_pages:
            raise ConfigError("keep_pages is false: there are no pages files; set it to true, or request `images`")
        return self.of_shards("pages/{shard}.parquet")

    def shown_pages(self, dataset: str, shard: str | None = None) -> list[str]:
        """The pages that the images of a dataset show, of every shard or of one; none if they are drawn on demand."""
        digitizes = self.config.digitizes(dataset)
        pattern = "digitized/{shard}.npz" if digitizes else "pages/{shard}.parquet"
        shards = self.shards[dataset] if shard is None else [shard]
        folder = f"{self.results}/{dataset}"
        return [f"{folder}/{pattern.format(shard=name)}" for name in shards if digitizes or self.config.keep_pages]

    def problems(self) -> list[str]:
        """The tables of records that each stage left out."""
        pages = self.of_shards("pages/{shard}.problems.parquet") if self.config.keep_pages else []
        read = [
            dataset
            for dataset in self.config.datasets
            if self.config.digitizes(dataset) or DIGITIZED_BASELINE in self._baselines_of(dataset)
        ]
        digitized = self.of_shards("digitized/{shard}.problems.parquet", read)
        images = self.of_shards("images/{shard}.problems.parquet")
        return self.of_datasets("records.problems.parquet") + pages + digitized + images

    def splits(self, dataset: str | None = None) -> list[str]:
        """Every split, of all datasets or of one."""
        return [
            f"{self.results}/{name}/splits/{part}/seed-{seed}.parquet"
            for name in (self.config.datasets if dataset is None else [dataset])
            for part in self.config.benchmark.of(name).splits
            for seed in self.config.benchmark.of(name).seeds
        ]

    def run(self, dataset: str, protocol: str, model: str, seed: int | str, file: str) -> str:
        """A file of one run."""
        return f"{self.results}/{dataset}/{protocol}/{model}/seed-{seed}/{file}"

    def runs(self, file: str) -> list[str]:
        """A file of every run."""
        return [
            self.run(dataset, part, model, seed, file)
            for dataset in self.config.datasets
            for part in self.config.benchmark.of(dataset).splits
            for model in self.config.benchmark.of(dataset).models
            for seed in self.config.benchmark.of(dataset).seeds_of(model)
        ]

    def init_weights(self, model: str, seed: int | str) -> list[str]:
        """The weights that a model's run starts from, if its recipe names another run."""
        init_from = self.config.train_of(model).init_from
        if init_from is None:
            return []
        dataset, protocol, first = init_from.split("/")
        return [self.run(dataset, protocol, first, seed, "weights.safetensors")]

    def continued(self, dataset: str, protocol: str, model: str, seed: int | str) -> list[str]:
        """The weights of the run that a model's run continues, if its recipe names one."""
        first = self.config.train_of(model).continue_from
        if first is None:
            return []
        return [self.run(dataset, protocol, f"{model.partition('+')[0]}+{first}", seed, "weights.safetensors")]

    def windows(self, dataset: str, recipe: TrainConfig, suffix: str) -> list[str]:
        """Files of the further pages of each training record (`train.windows`), of every shard.

        Raises:
            ConfigError: the dataset has images, no recordings; or ECG-Image-Kit draws its pages.
        """
        if recipe.windows > 1 and self.config.kind_of(dataset) == "images":
            raise ConfigError(
                f"train.windows is {recipe.windows}, but {dataset} has images, not recordings, so no further pages can "
                "be drawn; train its models with a recipe that does not set windows"
            )
        if recipe.windows > 1 and self.config.render.renderer != "ecgpipe":
            raise ConfigError(
                f"train.windows is {recipe.windows}, but {self.config.render.renderer} draws only one page of a "
                "recording; set render.renderer: ecgpipe, or windows: 1"
            )
        folders = [f"windows/{number}-of-{recipe.windows}" for number in range(2, recipe.windows + 1)]
        return [file for folder in folders for file in self.of_shards(f"{folder}/{{shard}}.{suffix}", [dataset])]

    def trials(self, dataset: str, file: str) -> list[str]:
        """A file of every trial of the search for a recipe.

        Raises:
            ConfigError: the search has no models, or its protocol cannot be used for the dataset.
        """
        search = self.config.tuning
        if not search.models:
            raise ConfigError("tuning.models is empty: name the models whose settings the search compares")
        if reason := self.config.unfit(dataset, search.protocol):
            raise ConfigError(
                f"tuning.protocol: for {dataset}, {search.protocol} {reason}; set another protocol, or request only "
                f"{self.results}/NAME/tuning/best.yaml of another dataset"
            )
        folder = f"{self.results}/{dataset}/tuning/{search.protocol}"
        return [f"{folder}/{name}/seed-{seed}/{file}" for name in self.config.trials for seed in search.seeds]

    def baselines(self) -> list[str]:
        """The scores of every baseline."""
        return [
            self.run(dataset, part, name, seed, "metrics.json")
            for dataset in self.config.datasets
            for part in self.config.benchmark.of(dataset).splits
            for name in self._baselines_of(dataset)
            for seed in self.config.benchmark.of(dataset).seeds
        ]

    def predictions(self, dataset: str, protocol: str) -> list[str]:
        """The predictions of every model and seed under a protocol, with all folds of a cross-validation."""
        runs = self.config.benchmark.of(dataset)
        return [
            self.run(dataset, part, model, seed, "predictions.parquet")
            for model in runs.models
            for seed in runs.seeds_of(model)
            for part in protocol_parts(protocol)
        ]

    def baseline_predictions(self, dataset: str, protocol: str) -> list[str]:
        """The predictions of the baselines that models are compared with: those without shuffled labels."""
        runs = self.config.benchmark.of(dataset)
        return [
            self.run(dataset, part, name, seed, "predictions.parquet")
            for name in self._baselines_of(dataset)
            if not name.startswith(SHUFFLED_BASELINE)
            for seed in runs.seeds
            for part in protocol_parts(protocol)
        ]

    def _baselines_of(self, dataset: str) -> list[str]:
        """The dataset's baselines; the one on the recordings only if the dataset has recordings."""
        if not self.config.benchmark.of(dataset).baselines:
            return []
        signals = self.config.kind_of(dataset) == "signals"
        return [name for name in self.config.baselines.names if signals or name != SIGNAL_BASELINE]

    def predictions_by_protocol(self, dataset: str) -> dict[str, list[str]]:
        """Protocol -> its predictions."""
        protocols = self.config.benchmark.of(dataset).protocols
        return {protocol: self.predictions(dataset, protocol) for protocol in protocols}

    def comparisons(self) -> list[str]:
        """The comparisons of models under every protocol."""
        return [
            f"{self.results}/{dataset}/comparisons/{protocol}.json"
            for dataset in self.config.datasets
            for protocol in self.config.benchmark.of(dataset).protocols
        ]

    def externals(self) -> list[str]:
        """The scores of every external validation."""
        return [
            f"{self.results}/{one.target}/external/{one.target_protocol}/{one.dataset}/{one.protocol}.json"
            for one in self.config.external
        ]

    def external(self, dataset: str, protocol: str, target: str, target_protocol: str) -> External:
        """One entry of `benchmark.external`.

        Raises:
            ConfigError: there is no such entry.
        """
        wanted = (dataset, protocol, target, target_protocol)
        found = next((one for one in self.config.external if one[1:5] == wanted), None)
        if found is None:
            raise ConfigError(
                f"benchmark.external has no entry from {dataset}/{protocol} to {target}/{target_protocol}; add it"
            )
        return found

    def external_predictions(self, one: External) -> dict[str, list[str]]:
        """Predictions of the models of an entry: ``external`` for the target's records, ``source`` for those of the
        source, and ``internal`` of the same models trained on the target, with the same seeds."""
        here, there = self.config.benchmark.of(one.dataset), self.config.benchmark.of(one.target)
        runs = [(model, seed) for model in one.models for seed in one.seeds if seed in here.seeds_of(model)]
        name = f"external/{one.target}/{one.target_protocol}.parquet"
        return {
            "external": [self.run(one.dataset, one.protocol, model, seed, name) for model, seed in runs],
            "source": [self.run(one.dataset, one.protocol, model, seed, "predictions.parquet") for model, seed in runs],
            "internal": [
                self.run(one.target, one.target_protocol, model, seed, "predictions.parquet")
                for model, seed in runs
                if model in there.models and seed in there.seeds_of(model)
            ],
        }

    def explained(self, file: str) -> list[str]:
        """A file of every explained run: the first seed and, of a cross-validation, the first fold."""
        return [file for _, file in self._explained(file)]

    def saliency_of(self, claims: Iterable[Claim]) -> list[str]:
        """The measured saliency of the models and datasets that claims about saliency name."""
        named = {
            (dataset, model)
            for claim in claims
            if claim.kind == "saliency"
            for dataset in claim.datasets
            for model in (*claim.first, *claim.second)
        }
        return [file for pair, file in self._explained("saliency.parquet") if pair in named]

    def _explained(self, file: str) -> list[tuple[tuple[str, str], str]]:
        return [
            ((dataset, model), self.run(dataset, protocol_parts(protocol)[0], model, runs.seeds[0], file))
            for dataset in self.config.datasets
            for runs in [self.config.benchmark.of(dataset)]
            for protocol in runs.protocols
            for model in runs.models
            if model in self.config.explain.variants
        ]

    def everything(self) -> list[str]:
        """The files of the target `all`."""
        return [
            *([f"{self.results}/strict.ok"] if self.config.strict else []),
            f"{self.results}/report/index.html",
            f"{self.results}/report/claims.json",
            *self.runs("metrics.json"),
            *self.runs("model/config.json"),
            *self.comparisons(),
            *self.of_datasets("comparisons/protocols.json"),
            *self.externals(),
            *self.explained("saliency.json"),
        ]
