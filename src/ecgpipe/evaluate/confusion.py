"""The paper's five metrics (equations 28-32) from confusion matrices, one or thousands at once."""

import numpy as np

AVERAGES = ("weighted", "macro")


def confusion_cells(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(n,) class numbers each -> (n, classes * classes) 0/1: the cell of the confusion matrix of a record."""
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + predicted] = 1
    return cells


def binary_cells(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(n, classes) 0/1 each -> (n, classes, 2, 2): per class the cell [truth, prediction] of a record."""
    cells = np.zeros((*targets.shape, 2, 2))
    rows, columns = np.indices(targets.shape)
    cells[rows, columns, targets.astype(int), predicted.astype(int)] = 1
    return cells


def one_against_rest(confusion: np.ndarray) -> np.ndarray:
    """(..., C, C) confusion [truth, prediction] -> (..., C, 2, 2): each class against all others."""
    total = confusion.sum(axis=(-2, -1))[..., None]
    true_positive = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, called = confusion.sum(axis=-1), confusion.sum(axis=-2)
    false_negative, false_positive = support - true_positive, called - true_positive
    true_negative = total - support - called + true_positive
    negative = np.stack([true_negative, false_positive], axis=-1)
    return np.stack([negative, np.stack([false_negative, true_positive], axis=-1)], axis=-2)


def class_metrics(tables: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics per class from 2 x 2 tables.

    Args:
        tables: (..., C, 2, 2) counts [truth, prediction].

    Returns:
        specificity, recall, precision, f1 (equations 29-32), each (..., C) in [0, 1]. A precision without any
        positive call, and an F1 without either, count 0 (as in scikit-learn); a recall without positives and a
        specificity without negatives are NaN: there is nothing to measure.
    """
    (true_negative, false_positive), (false_negative, true_positive) = (
        (tables[..., 0, 0], tables[..., 0, 1]),
        (tables[..., 1, 0], tables[..., 1, 1]),
    )

    def share(part: np.ndarray, whole: np.ndarray, otherwise: float) -> np.ndarray:
        return np.divide(part, whole, out=np.full(np.shape(part), otherwise), where=whole > 0)

    positives = true_positive + false_negative
    f1 = share(2 * true_positive, 2 * true_positive + false_positive + false_negative, 0.0)
    return {
        "specificity": share(true_negative, true_negative + false_positive, np.nan),
        "recall": share(true_positive, positives, np.nan),
        "precision": share(true_positive, true_positive + false_positive, 0.0),
        "f1": np.where(positives > 0, f1, np.nan),
    }


def average(values: np.ndarray, support: np.ndarray, how: str) -> np.ndarray:
    """Mean over classes (last axis): ``macro`` counts each class once, ``weighted`` by its number of records.

    Classes without a record (NaN) are left out.
    """
    weights = support.astype(float) if how == "weighted" else np.ones_like(support, dtype=float)
    weights = np.where(np.isnan(values), 0.0, weights)
    total = weights.sum(axis=-1)
    summed = (np.nan_to_num(values) * weights).sum(axis=-1)
    return np.divide(summed, total, out=np.full(np.shape(summed), np.nan), where=total > 0)


def summary_metrics(tables: np.ndarray, accuracy: np.ndarray) -> dict[str, np.ndarray]:
    """The five metrics with both averages, by name (``recall_weighted``, ...).

    Args:
        tables: (..., C, 2, 2) counts.
        accuracy: (...,) overall accuracy (equation 28 over all classes: the share of records that are right).
    """
    support = tables[..., 1, :].sum(axis=-1)
    values = {"accuracy": np.asarray(accuracy)}
    for name, per_class in class_metrics(tables).items():
        for how in AVERAGES:
            values[f"{name}_{how}"] = average(per_class, support, how)
    return values
