"""The digitized leads as numbers for the plot in the browser (templates/plot.js)."""

from typing import Any

import numpy as np

from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.models.recordings import RATE
from ecgpipe.predict.pages import ShownRecording

HEAT_RATE = 25
"""Hz; the smoothed heat needs no higher rate."""
UNITS_PER_MV = 1000
SPEED, GAIN = 25, 10
"""mm/s and mm/mV of the plot, independent of the page's."""


def plot_of(recording: ShownRecording) -> dict[str, Any]:
    """The shown parts of the leads.

    Returns:
        ``speed`` and ``gain`` of the plot; ``rate``, Hz; ``leads``, each with ``name``, ``start`` in s, and ``values``
        in µV, null where the page shows no trace.
    """
    leads = []
    for name, row, first, last in _spans(recording):
        values = np.rint(recording.signal[row, first:last].astype(float) * UNITS_PER_MV)
        leads.append(
            {
                "name": name,
                "start": first / recording.sampling_rate,
                "values": [int(value) if np.isfinite(value) else None for value in values],
            }
        )
    return {"speed": SPEED, "gain": GAIN, "rate": recording.sampling_rate, "leads": leads}


def heat_in_plot(recording: ShownRecording, heat: np.ndarray) -> dict[str, Any]:
    """How much the leads of ``plot_of`` support a class.

    Args:
        recording: of the plot.
        heat: (12, samples) at the network's rate, 0 to 1.

    Returns:
        ``rate``, Hz; ``leads``, one list per lead from its start, percent.
    """
    step = RATE // HEAT_RATE
    rows = []
    for _, row, first, last in _spans(recording):
        start, stop = (round(at / recording.sampling_rate * RATE) for at in (first, last))
        part = heat[row, start:stop]
        padded = np.pad(part, (0, -len(part) % step))
        rows.append(np.rint(100 * padded.reshape(-1, step).max(axis=1, initial=0)).astype(int).tolist())
    return {"rate": HEAT_RATE, "leads": rows}


def _spans(recording: ShownRecording) -> list[tuple[str, int, int, int]]:
    """Name, row, and first and last sample of each lead shown."""
    spans = []
    for lead in recording.leads:
        first = max(0, round(lead.start * recording.sampling_rate))
        last = min(recording.signal.shape[1], round(lead.end * recording.sampling_rate))
        if lead.name in PRINTED_NAMES and last > first:
            spans.append((lead.name, PRINTED_NAMES.index(lead.name), first, last))
    return spans
