"""The cost of digitizing: a network for diagnoses on recordings and on digitized clean, scanned or photographed pages.

    python -m benchmarks.digitize_cost CONFIG.yaml DIGITIZED_FOLDER [--dataset ptb-xl] [--protocol folds] [--layout kit]
        [--records 500] [--train 5000] [--model MODEL_DIR] [--workers 2] [--json FILE]

Needs the files of `snakemake baselines` with `baselines.enabled: [signal]`. The signal reference is trained twice: on
whole recordings, and on the parts that the page shows (in the layout kit 2.5 s of each lead). The second network is
scored on the test records: on the parts that the page shows, and on the digitized pages. With --model, a saved image
model is also scored, on drawings of the recordings and of the digitized recordings. Differences are paired, with a
bootstrap over patients. Digitized pages are kept in DIGITIZED_FOLDER. A page that cannot be digitized counts as blank.
"""

import argparse
from contextlib import suppress
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml

from ecgpipe.acquire.datasets import make_dataset
from ecgpipe.artifacts import find_rows
from ecgpipe.artifacts.baselines import SAMPLING_RATE as REFERENCE_RATE
from ecgpipe.artifacts.baselines import SIGNALS_SHAPE, BaselineSignals
from ecgpipe.artifacts.digitized import SAMPLING_RATE, DigitizedRecord, read_digitized, write_digitized
from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import RECORDS, SPLIT, Labels
from ecgpipe.baselines.features import gaps_as_zero
from ecgpipe.baselines.signal_reference import EPOCHS, signal_reference
from ecgpipe.bootstrap import resampling_groups
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.pages import DegradeConfig, RenderConfig
from ecgpipe.config.schema import Config, validate_config
from ecgpipe.config.targets import Targets
from ecgpipe.errors import DataError
from ecgpipe.evaluate.compare import bootstrap_row, pair_head
from ecgpipe.evaluate.model_scores import Reported, bootstrap_scores
from ecgpipe.imaging.redraw import digitize_file, redrawn_image
from ecgpipe.predict import InputPage, Predictor
from ecgpipe.preprocess.apply import prepare_traces
from ecgpipe.progress import progress
from ecgpipe.render.layout import LEADS, layout_named
from ecgpipe.render.page import render_trace_coverage
from ecgpipe.render.shard import PageRenderer
from ecgpipe.workers import ordered_map

LEVELS = ("none", "scan", "photo")
NAMES = {"none": "digitized, clean page", "scan": "digitized, scan", "photo": "digitized, photo"}
WHOLE, SHOWN = "recording, 10 s", "recording, as the page shows it"


def as_page_shows(signal: np.ndarray, rate: float, render: RenderConfig) -> np.ndarray:
    """A recording (12, samples) with NaN where a page in this layout does not show it."""
    shown = np.zeros(signal.shape, bool)
    for slot in layout_named(render.layout).slots:
        start, end = (round(mm / render.paper_speed * rate) for mm in (slot.start, slot.start + slot.width))
        shown[LEADS.index(slot.lead), start:end] = True
    return np.where(shown, signal, np.nan)


def _digitize(row: tuple[str, str], renderer: PageRenderer) -> DigitizedRecord | str:
    try:
        return digitize_file(renderer.stored(row).image, row[0], None)
    except DataError as error:
        return f"{row[0]}: {error}"


def digitized_pages(
    rows: list[tuple[str, str]], renderer: PageRenderer, file: Path, workers: int
) -> dict[str, np.ndarray]:
    """Record id -> its digitized page, (12, samples) mV; digitized once, then read from the file."""
    if not file.exists():
        found = list(progress(ordered_map(partial(_digitize, renderer=renderer), rows, workers), file.stem, len(rows)))
        for error in filter(lambda each: isinstance(each, str), found):
            print(f"{file.stem}: {error}", flush=True)
        write_digitized([each for each in found if isinstance(each, DigitizedRecord)], file)
    return {record.record_id: record.signal.astype(np.float32) for record in read_digitized(file)}


def reference_logits(
    train: np.ndarray, roles: np.ndarray, targets: np.ndarray, tests: list, task: str, seed: int
) -> list:
    """Train once and return the logits of each set of test signals.

    Args:
        train: (n, 12, 1000) signals of training and validation records, with their roles and targets.
        tests: (m, 12, 1000) each, all of the same records.
    """
    signals = np.concatenate([train, *tests])
    count = sum(map(len, tests))
    roles = np.concatenate([roles, np.repeat("test", count)])
    targets = np.concatenate([targets, np.zeros((count, targets.shape[1]), targets.dtype)])
    logits = signal_reference(signals, targets, roles, task, EPOCHS, seed)
    return np.split(logits[-count:], len(tests))


def model_logits(predictor: Predictor, signals: list[np.ndarray | None], rate: float) -> np.ndarray:
    """(n, classes) logits of a saved image model on recordings (12, samples), drawn as in its training; None: blank."""
    config, saved = predictor.saved.preprocessing, predictor.saved
    drawing = (
        RenderConfig(**saved.drawing["render"]).clean if saved.drawing and saved.drawing["render"] else RenderConfig()
    )
    blank, pages = np.zeros((1, 1, 3), np.uint8), []
    for signal in signals:
        image = np.zeros((config.size, config.size), np.uint8)
        if signal is not None:
            with suppress(DataError):  # nothing of the page is in the layout
                if config.digitized:
                    image = redrawn_image(signal, rate, drawing, config).image
                else:
                    cover = render_trace_coverage(signal, rate, drawing, gaps=True)
                    image = prepare_traces(cover, drawing.dpi, config).image
        pages.append(InputPage("", "record", blank, image))
    shares = np.stack([each.uncalibrated for each in predictor.predict(pages)]).clip(1e-9, 1 - 1e-9)
    return np.log(shares / (1 - shares)) if saved.task == "multilabel" else np.log(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("digitized", type=Path, metavar="DIGITIZED_FOLDER")
    parser.add_argument("--dataset", default="ptb-xl")
    parser.add_argument("--protocol", default="folds")
    parser.add_argument("--layout", default="kit")
    parser.add_argument("--records", type=int, help="a random sample of the test records")
    parser.add_argument("--train", type=int, help="a random sample of the training records")
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=LEVELS)
    parser.add_argument("--model", type=Path, help="folder of a saved image model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)  # of each worker
    cv2.setNumThreads(1)
    config = validate_config(yaml.safe_load(args.config.read_text()))
    scores = cost(config, args)
    for row in scores["rows"]:
        print(f"{row['input']:<45} macro AUC {row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f})")
    for row in scores["differences"]:
        ends = f"({row['low']:+.3f} to {row['high']:+.3f})"
        print(f"{row['first']} minus {row['second']}: {row['difference']:+.3f} {ends}")
    if args.json:
        write_json(args.json, scores)


def cost(config: Config, args: argparse.Namespace) -> dict:
    """Macro AUC of every input, and paired differences, of the network and of the image model."""
    dataset = make_dataset(args.dataset, config.settings_of(args.dataset), config.results, config.resources)
    targets, folder = Targets(config, {args.dataset: dataset.shards()}), Path(config.results, args.dataset)
    records, labels = RECORDS.read(folder / "records.parquet"), Labels.read(folder / "labels.parquet")
    split = SPLIT.read(folder / f"splits/{args.protocol}/seed-{args.seed}.parquet").sort_values("record_id")
    chosen = _sample(_sample(split, "test", args.records, args.seed), "train", args.train, args.seed)
    ids, roles = chosen["record_id"].to_numpy(str), chosen["role"].to_numpy(str)
    stored = BaselineSignals.read(targets.of_shards("baselines/{shard}.signals.npz", [args.dataset]))
    whole = stored.signals[find_rows(ids, stored.record_ids)[0]].astype(np.float32)
    render = RenderConfig(layout=args.layout)
    shown = np.stack([gaps_as_zero(as_page_shows(each, REFERENCE_RATE, render), REFERENCE_RATE) for each in whole])
    test, truth = roles == "test", labels.of_records(ids)
    ids_of_test = ids[test]

    paths = records.set_index("record_id")["path"]
    rows = [(record_id, paths[record_id]) for record_id in ids_of_test]
    pages = {}
    for level in args.levels:
        degraded = render.model_copy(update={"degrade": DegradeConfig(level=level)})
        renderer = PageRenderer(dataset.source, config=degraded, **dataset.read_options)
        name = f"{args.dataset}-{args.protocol}-{len(rows)}-{args.seed}-{Path(args.layout).stem}-{level}.npz"
        pages[NAMES[level]] = digitized_pages(rows, renderer, args.digitized / name, args.workers)
    read = {
        name: np.stack(
            [
                gaps_as_zero(found[each], SAMPLING_RATE) if each in found else np.zeros(SIGNALS_SHAPE, np.float32)
                for each in ids_of_test
            ]
        )
        for name, found in pages.items()
    }
    torch.set_num_threads(args.workers)  # the workers have ended
    inputs = {SHOWN: shown[test], **read}
    fit = shown[~test], roles[~test], truth[~test]
    logits = dict(zip(inputs, reference_logits(*fit, list(inputs.values()), labels.task, args.seed), strict=True))
    fit = whole[~test], roles[~test], truth[~test]
    logits[WHOLE] = reference_logits(*fit, [whole[test]], labels.task, args.seed)[0]
    pairs = [(WHOLE, SHOWN), *((SHOWN, name) for name in pages)]
    if args.model:
        predictor = Predictor(args.model)
        if predictor.saved.classes != labels.classes:
            raise DataError(f"{args.model}: classes {predictor.saved.classes}, the labels have {labels.classes}")
        recordings = list(map(PageRenderer(dataset.source, **dataset.read_options).read, rows))
        image = f"image model, {WHOLE}"
        logits[image] = model_logits(predictor, [signal for signal, _ in recordings], recordings[0][1])
        for name, found in pages.items():
            logits[f"image model, {name}"] = model_logits(predictor, list(map(found.get, ids_of_test)), SAMPLING_RATE)
            pairs.append((image, f"image model, {name}"))

    evaluate, groups = config.evaluate, resampling_groups(ids_of_test, records)
    reported = {name: _reported(ids_of_test, values, truth[test], labels, groups) for name, values in logits.items()}
    return _scored(reported, pairs, evaluate)


def _sample(split, role: str, most: int | None, seed: int):
    """The split with at most ``most`` records of a role."""
    of_role = split[split["role"] == role]
    if most is None or len(of_role) <= most:
        return split
    return split.drop(of_role.index.difference(of_role.sample(most, random_state=seed).index))


def _reported(ids, logits, targets, labels: Labels, groups) -> Reported:
    roles = np.repeat("test", len(ids))
    predictions = Predictions(ids, roles, logits.astype(np.float32), targets, labels.classes, labels.task)
    return Reported(predictions, roles, groups)


def _scored(reported: dict[str, Reported], pairs: list[tuple[str, str]], config: EvaluateConfig) -> dict:
    scores = bootstrap_scores({name: {0: run} for name, run in reported.items()}, config)
    tail = 100 * (1 - config.confidence) / 2
    rows = []
    for name, own in scores.items():
        low, high = np.nanpercentile(own[0].samples["auc_macro"], [tail, 100 - tail])
        rows.append({"input": name, "auc": own[0].value["auc_macro"], "low": float(low), "high": float(high)})
    differences = []
    for first, second in pairs:
        head = pair_head(first, second, None, {0: reported[first]})
        differences.append(bootstrap_row(head, scores[first], scores[second], "auc_macro", config))
    return {"rows": rows, "differences": differences}


if __name__ == "__main__":
    main()
