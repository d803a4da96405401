"""ecgpipe as an entry of the George B. Moody PhysioNet Challenge 2024: what its public runner calls.

The runner and the evaluator are those of physionetchallenges/python-example-2024 and evaluation-2024; README.md says
how to run them. Nothing of their code is used here.
"""

import logging
from pathlib import Path

import numpy as np
from challenge_header import find_records, read_header
from challenge_model import Classifier, load_classifier, train_classifier, training_signal
from challenge_pages import as_expected, read_pages

from ecgpipe.errors import DataError
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.read import load_reader

logger = logging.getLogger("ecgpipe.challenge")


def train_models(data_folder: str, model_folder: str, verbose: bool) -> None:
    """Train the classifier on all labelled records; the page reader comes with ecgpipe and is not trained again.

    Args:
        data_folder: headers, with signals or images or both.
        model_folder: gets the classifier; is created.
        verbose: print what is done.

    Raises:
        DataError: no records, or too few with labels.
    """
    records = find_records(data_folder)
    if not records:
        raise DataError(f"{data_folder}: no header files")
    reader, signals, labels = load_reader(), [], []
    for number, record in enumerate(records, 1):
        if verbose and (number % 100 == 0 or number == len(records)):
            print(f"read {number} of {len(records)} records")
        try:
            header = read_header(record)
        except DataError as error:
            logger.warning("%s", error)
            continue
        if header.labels and (signal := training_signal(header, reader)) is not None:
            signals.append(signal)
            labels.append(header.labels)
    if verbose:
        print(f"training on {len(signals)} records with labels")
    classifier = train_classifier(signals, labels)
    Path(model_folder).mkdir(parents=True, exist_ok=True)
    classifier.save(Path(model_folder))


def load_models(model_folder: str, verbose: bool) -> tuple[ReaderNet, Classifier | None]:
    """The page reader of ecgpipe and the trained classifier; None in its place if there is none."""
    classifier = load_classifier(Path(model_folder))
    if classifier is None:
        logger.warning("%s: no classifier; labels are left out", model_folder)
    return load_reader(), classifier


def run_models(
    record: str, digitization_model: ReaderNet, classification_model: Classifier | None, verbose: bool
) -> tuple[np.ndarray, list[str] | None]:
    """Digitize and classify one record.

    Args:
        record: path without suffix, of a header that names images.
        digitization_model, classification_model: of ``load_models``.
        verbose: not used; what is wrong with an image is always logged.

    Returns:
        The signal, (samples, signals) mV in the header's order, rate and length, NaN where the page shows nothing; and
        the labels, empty if no image could be read.
    """
    header = read_header(record)
    signal = read_pages(header, digitization_model)
    labels = None if classification_model is None else classification_model.labels(signal, header.rate)
    return as_expected(signal, header), labels
