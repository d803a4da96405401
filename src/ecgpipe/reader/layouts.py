"""Random layouts of synthetic training pages: where each lead is, and what is printed around it.

All lengths are millimetres of paper; y grows downwards.
"""

from dataclasses import dataclass

import numpy as np

from ecgpipe.reader.network import LEAD_NAMES

ARRANGEMENTS = {  # name: (rows, columns, probability)
    "3x4": (3, 4, 0.62), "6x2": (6, 2, 0.14), "12x1": (12, 1, 0.06), "6x1": (6, 1, 0.06), "3x5": (3, 5, 0.05),
    "4x3": (4, 3, 0.05), "2x6": (2, 6, 0.02),
}  # fmt: skip
SECONDS = {1: 10.0, 2: 5.0, 3: 3.3, 4: 2.5, 5: 2.5, 6: 1.6}  # of a lead, by the number of columns
CABRERA = ("aVL", "I", "aVR", "II", "aVF", "III")
EXTRA = ("V4R", "V8", "V9")
LONGEST = 9.8  # seconds of signal that a lead can show


@dataclass(frozen=True)
class Slot:
    """The position of one lead: its first sample is at ``x``, 0 mV at ``baseline``."""

    name: str
    x: float
    baseline: float
    width: float
    start: float  # seconds of the recording before the first sample
    channel: int  # row of the signal that is drawn


@dataclass(frozen=True)
class RandomLayout:
    """Slots of all leads, and the dimensions that determine everything else on the page."""

    slots: tuple[Slot, ...]
    width: float
    height: float
    left: float
    top: float
    pitch: float  # between rows
    rows: int
    gap: float  # between columns
    speed: float  # mm per second
    gain: float  # mm per millivolt


@dataclass(frozen=True)
class PrintStyle:
    """How names, separators and calibration pulses are printed."""

    named: bool
    name_size: float
    name_position: str
    name_offset: tuple[float, float]
    font: int
    plotter: bool  # a plotter's stroke font
    separator: str
    separator_length: float
    separator_width: float
    pulse: str
    pulse_width: float
    pulse_foot: float


def pick(rng: np.random.Generator, options: dict[str, float]) -> str:
    """One of the options, with these probabilities."""
    names = list(options)
    shares = np.array(list(options.values()))
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]


def random_layout(rng: np.random.Generator) -> RandomLayout:
    """Draw a layout: arrangement, order of leads, spacing, speed, gain and rhythm strips."""
    kind = pick(rng, {name: share for name, (_, _, share) in ARRANGEMENTS.items()})
    rows, columns, _ = ARRANGEMENTS[kind]
    order = list(LEAD_NAMES[:12])
    if rng.random() < 0.15:
        order[:6] = CABRERA
    if kind == "3x5":
        order += EXTRA
    if kind == "6x1" and rng.random() < 0.5:
        order = order[6:]
    if rng.random() < 0.05:
        rng.shuffle(order)
    speed = 25.0 if rng.random() < 0.93 else 50.0
    seconds = SECONDS[columns] * (1 if rng.random() < 0.8 else rng.uniform(0.7, 1.2))
    seconds = min(seconds, LONGEST, 250 / columns / speed if speed == 50 else LONGEST)
    width = seconds * speed
    pitch = rng.uniform(12, 24) if rows > 4 else rng.uniform(18, 40)
    left, top = rng.uniform(2, 22), rng.uniform(12, 60)
    gap = 0.0 if rng.random() < 0.75 else rng.uniform(1, 8)
    strips = int(rng.choice(4, p=[0.3, 0.5, 0.1, 0.1])) if columns > 1 else 0
    sequential = rng.random() < 0.7
    slots = []
    for index, name in enumerate(order[: rows * columns]):
        column, row = divmod(index, rows)
        start = column * min(seconds, (LONGEST - seconds) / max(columns - 1, 1)) if sequential else 0.0
        place = left + column * (width + gap), top + row * pitch
        slots.append(Slot(name, *place, width, max(start, 0.0), int(rng.integers(12))))
    whole = columns * (width + gap) - gap
    for strip in range(strips):
        name = str(rng.choice(["II", "V1", "V5", "III", "I"]))
        slots.append(Slot(name, left, top + (rows + strip) * pitch, whole, 0.0, int(rng.integers(12))))
    return RandomLayout(
        tuple(slots),
        width=left + whole + rng.uniform(1, 20),
        height=top + (rows - 1 + strips) * pitch + rng.uniform(8, 40),
        left=left,
        top=top,
        pitch=pitch,
        rows=rows,
        gap=gap,
        speed=speed,
        gain=float(rng.choice([10, 5, 20], p=[0.88, 0.07, 0.05])),
    )


def random_style(rng: np.random.Generator, fonts: int) -> PrintStyle:
    """Draw the style of names, separators and pulses."""
    return PrintStyle(
        named=rng.random() < 0.94,
        name_size=rng.uniform(2, 4.6),
        name_position=pick(rng, {"above": 0.42, "below": 0.25, "on": 0.25, "left": 0.08}),
        name_offset=(rng.uniform(-1, 6), rng.uniform(3, 9)),
        font=int(rng.integers(fonts)),
        plotter=rng.random() < 0.3,
        separator=pick(rng, {"none": 0.3, "bar": 0.25, "line": 0.15, "dashes": 0.12, "ticks": 0.1, "colon": 0.08}),
        separator_length=rng.uniform(3, 10),
        separator_width=rng.uniform(0.15, 0.9),
        pulse=pick(rng, {"left": 0.5, "right": 0.18, "none": 0.28, "each": 0.04}),
        pulse_width=float(rng.choice([5, 5, 2.5, 3])),
        pulse_foot=rng.uniform(0, 3),
    )


def random_wave(
    rng: np.random.Generator, signals: np.ndarray, sampling_rate: float, slot: Slot, speed: float
) -> tuple[np.ndarray, np.ndarray]:
    """The signal in a slot: part of a random record, with artefacts of recorders and patients.

    Args:
        signals: int16 (records, 12, samples), microvolts.
        sampling_rate: of the signals, in Hz.

    Returns:
        Seconds from the slot's start, and millivolts.
    """
    samples = signals.shape[2]
    record = signals[int(rng.integers(len(signals))), slot.channel].astype(np.float32) / 1000
    count = int(slot.width / speed * sampling_rate)
    time = np.arange(count) / sampling_rate
    stretch = rng.uniform(0.85, 1.2)  # another heart rate
    stretch = min(stretch, (samples - 1) / max(slot.start * sampling_rate + count, 1))
    wave = np.interp((time * stretch + slot.start) * sampling_rate, np.arange(samples), record)
    wave *= np.exp(rng.normal(0, 0.3)) * (rng.uniform(1.5, 3) if rng.random() < 0.06 else 1)
    if rng.random() < 0.2:  # tremor, throughout or in bursts
        burst = 1 if rng.random() < 0.5 else np.sin(np.pi * time) > 0
        wave += rng.uniform(0.02, 0.12) * rng.standard_normal(count) * burst
    if rng.random() < 0.3:  # baseline wander
        wave += rng.uniform(0.05, 0.4) * np.sin(2 * np.pi * time * rng.uniform(0.1, 0.5) + rng.uniform(0, 6))
    if rng.random() < 0.05:  # a moved electrode
        wave += np.where(time > rng.uniform(0, time[-1]), rng.uniform(-1.5, 1.5), 0)
    if rng.random() < 0.06:  # pacing spikes
        for at in np.arange(rng.uniform(0, 1), time[-1], rng.uniform(0.6, 1)):
            first = int(at * sampling_rate)
            wave[first : first + 2] += rng.choice([-1, 1]) * rng.uniform(0.5, 2)
    if rng.random() < 0.03:  # lead off
        wave[:] = rng.normal(0, 0.01, count)
    wave -= np.median(wave) * rng.uniform(0.3, 1)
    return time, np.clip(wave, -6, 6)
