"""The classifier: the network of the built-in model (``ecgpipe.models.recordings``) for a training set's labels."""

import logging
import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from challenge_header import ChallengeHeader
from challenge_pages import read_pages

from ecgpipe.artifacts.files import atomic_path, read_json, write_json
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.box import BoxConfig
from ecgpipe.config.data import CHALLENGE_CLASSES
from ecgpipe.errors import DataError, RecordError
from ecgpipe.evaluate.external import best_f1_threshold
from ecgpipe.models.recording_folder import page_output
from ecgpipe.models.recordings import RATE, WINDOW, RecordingNet, at_network_rate
from ecgpipe.models.weights import read_weights, write_weights
from ecgpipe.reader.network import ReaderNet
from ecgpipe.train.recordings import Examples, train_recordings

logger = logging.getLogger("ecgpipe.challenge")
WEIGHTS, DESCRIPTION = "classifier.safetensors", "classifier.json"
SAMPLES = 10 * RATE
STEPS, EPOCHS = 2000, (20, 100)
"""Steps of the training, and the fewest and most epochs in which they are taken."""
MEMBERS, WIDTH, BATCH = 2, 24, 64
HELD_OUT, LEAST_HELD_OUT = 5, 50
"""Every fifth record chooses the thresholds, if there are at least 50."""
COLUMNS, STRIP = 4, 1  # of the most common page, 3 x 4 with lead II below


@dataclass(frozen=True)
class Classifier:
    """A trained classifier.

    Attributes:
        net: gives a logit per class.
        classes: their names.
        thresholds: (classes,) smallest logits with which a record gets a class.
    """

    net: RecordingNet
    classes: tuple[str, ...]
    thresholds: np.ndarray

    def labels(self, signal: np.ndarray, rate: float) -> list[str]:
        """Classes of a recording (12, samples) in mV, NaN where it is unknown; at least one if anything is known."""
        try:
            above = page_output(self.net, at_network_rate(signal, rate)).logits - self.thresholds
        except DataError:
            return []
        return [self.classes[i] for i in np.flatnonzero((above >= 0) | (above == above.max()))]

    def save(self, folder: Path) -> None:
        """Write the two files of the model."""
        with atomic_path(folder / WEIGHTS) as partial:
            write_weights(self.net.state_dict(), partial)
        described = {"classes": self.classes, "thresholds": [round(float(each), 5) for each in self.thresholds]}
        sizes = {"members": len(self.net.members), "width": self.net.members[0].features[0].out_channels}
        write_json(folder / DESCRIPTION, described | sizes)


def load_classifier(folder: Path) -> Classifier | None:
    """The saved classifier; None if the training set had no labels."""
    if not (folder / DESCRIPTION).is_file():
        return None
    described = read_json(folder / DESCRIPTION)
    net = RecordingNet(len(described["classes"]), described["members"], described["width"])
    net.load_state_dict(read_weights(folder / WEIGHTS))
    return Classifier(net.eval(), tuple(described["classes"]), np.array(described["thresholds"]))


def training_signal(header: ChallengeHeader, reader: ReaderNet) -> np.ndarray | None:
    """A record for the training, float16 (12, SAMPLES) mV: its signal or, without one, its digitized page.

    A lead that is known for a shorter time is repeated. None, with a message in the log, if nothing could be read.
    """
    record = header.file.with_suffix("")
    try:
        signal, rate = read_signal(record, record.name)
    except RecordError as error:
        if header.file.with_suffix(".dat").is_file():
            logger.warning("%s: %s; its image is used", header.file, error.detail)
        signal, rate = read_pages(header, reader), header.rate
    signal = at_network_rate(signal, rate)[:, :SAMPLES]
    known = [row[np.isfinite(row)] for row in signal]
    if max(map(len, known)) < WINDOW // 2:
        logger.warning("%s: neither signal nor page can be used for the training", header.file)
        return None
    return np.stack([np.resize(row, SAMPLES) if len(row) else np.zeros(SAMPLES) for row in known]).astype(np.float16)


def train_classifier(signals: Sequence[np.ndarray], labels: Sequence[Iterable[str]]) -> Classifier:
    """Train on recordings.

    Args:
        signals: (12, SAMPLES) each, mV at RATE.
        labels: the labels of each; any names, the Challenge's come first.

    Raises:
        DataError: fewer than two records, or no label.
    """
    present = {name for each in labels for name in each}
    classes = tuple(name for name in CHALLENGE_CLASSES if name in present)
    classes += tuple(sorted(present - set(classes)))
    if not classes or len(signals) < 2:
        raise DataError(f"{len(signals)} records with {len(classes)} classes are too few for training")
    targets = np.array([[name in each for name in classes] for each in map(set, labels)], np.uint8)
    stacked, held = np.stack(signals), np.zeros(len(signals), bool)
    if len(signals) >= LEAST_HELD_OUT:
        held[::HELD_OUT] = True
    examples = Examples(stacked[~held], targets[~held], targets[~held, :0])
    batch = min(BATCH, len(examples.signals))
    epochs = int(np.clip(math.ceil(STEPS / (len(examples.signals) // batch)), *EPOCHS))
    precision = "bf16" if torch.cuda.is_available() else "fp32"
    recipe = BoxConfig(members=MEMBERS, width=WIDTH, batch_size=batch, epochs=epochs, precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        net = train_recordings(examples, recipe, Path(folder), threads=torch.get_num_threads())
    thresholds = np.zeros(len(classes))
    if held.any():
        logits = np.stack([page_output(net, as_page(signal)).logits for signal in stacked[held]])
        thresholds = np.array([best_threshold(*pair) for pair in zip(logits.T, targets[held].T, strict=True)])
    return Classifier(net, classes, thresholds)


def as_page(signal: np.ndarray) -> np.ndarray:
    """What the most common page shows of a recording (12, SAMPLES): float32 of the same shape, NaN elsewhere."""
    shown = np.full(signal.shape, np.nan, np.float32)
    for lead, row in enumerate(signal):
        column = lead * COLUMNS // len(signal)
        part = np.s_[:] if lead == STRIP else np.s_[column * SAMPLES // COLUMNS : (column + 1) * SAMPLES // COLUMNS]
        shown[lead, part] = row[part]
    return shown


def best_threshold(logits: np.ndarray, truth: np.ndarray) -> float:
    """The decision threshold with the largest F-measure, halfway to the next lower logit; 0 if no record has the class.

    On these records the library's threshold has the same F-measure; that one is itself the logit of a record.

    Args:
        logits, truth: (n,) of records; truth is 0 or 1.
    """
    if not truth.any():
        return 0.0
    best = best_f1_threshold(logits, truth)
    lower = logits[logits < best]
    return float((best + (lower.max() if len(lower) else best - 1)) / 2)
