"""Where things stand on a page, in millimetres from its top left corner."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ecgpipe.config.render import Colour
from ecgpipe.errors import ConfigError

LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Order of the rows of a signal; the names as WFDB headers of PTB-XL write them."""

PRINTED = {"AVR": "aVR", "AVL": "aVL", "AVF": "aVF"}
INCH = 25.4


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Part):
    """A text whose baseline starts at (x, y)."""

    x: float
    y: float
    text: str
    size: float = Field(11, gt=0, description="points")
    font: Literal["sans", "serif"] = "sans"


class Pulse(_Part):
    """A calibration pulse of 1 mV: up at x, down at x + width, with feet of ``foot`` mm on both sides."""

    x: float
    width: float = Field(5, gt=0)
    foot: float = Field(0, ge=0)


class Slot(_Part):
    """The place of one lead: its first sample at (x, baseline) for 0 mV, as much of it as ``width`` mm hold."""

    lead: Literal["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    x: float
    baseline: float
    width: float = Field(gt=0)
    start: float = Field(0, ge=0, description="millimetres of signal that stand left of this slot")
    name: Text | None = None
    pulse: Pulse | None = None


class Bar(_Part):
    """A filled rectangle of ink: a mark between leads, a rule, an edge of the page."""

    x0: float
    y0: float
    x1: float
    y1: float


class Grid(_Part):
    """Lines every 1 and 5 ``pitch`` through (x, y), within a box; ``dots`` > 0 makes the thin ones rows of dots."""

    x: float = 0
    y: float = 0
    pitch: float = Field(1, gt=0.1)
    box: tuple[float, float, float, float] | None = None
    line: float = Field(0.5, gt=0, description="width of a line in points")
    major: Colour = (255, 0, 0)
    minor: Colour = (254, 223, 219)
    dots: float = Field(0, ge=0, description="millimetres from dot to dot; 0 draws whole lines")
    major_dots: float = Field(0, ge=0, description="the same for every fifth line")
    frame: float = Field(0, ge=0, description="width in points of a frame around the box")
    frame_colour: Colour = (255, 0, 0)


class Layout(_Part):
    """A page.

    Lengths are millimetres and y grows downwards. Paper speed and gain are not part of it: a slot holds
    ``width / paper_speed`` seconds.
    """

    name: str
    width: float = Field(gt=0, le=1000)
    height: float = Field(gt=0, le=1000)
    slots: tuple[Slot, ...] = Field(min_length=1)
    grid: Grid = Grid()
    separators: tuple[Bar, ...] = ()
    bars: tuple[Bar, ...] = ()
    texts: tuple[Text, ...] = ()
    pulse_line: float = Field(1.125, gt=0, description="width of the pulses' line in points")
    trace_width: float = Field(0.75, gt=0, le=5, description="width of the traces in points")

    @model_validator(mode="after")
    def _on_page(self) -> "Layout":
        for slot in self.slots:
            if not (slot.x >= 0 and slot.x + slot.width <= self.width and 0 <= slot.baseline <= self.height):
                raise ValueError(f"lead {slot.lead} at x {slot.x}, baseline {slot.baseline} is not on the page")
        return self


def printed_name(lead: str) -> str:
    """A lead's name as it stands on pages."""
    return PRINTED.get(lead, lead)


def kit_layout() -> Layout:
    """ECG-Image-Kit's letter page: 3 x 4 leads of 62.5 mm and a strip of lead II, on a grid from the bottom left.

    Its rows stand a sixth of the page apart, the strip 20.992 mm above the lower edge, names 7 mm (strip: 8 mm)
    below the baselines; read from the pages and JSON files that the kit writes.
    """
    width, height, left, column = 11 * INCH, 8.5 * INCH, 15.0, 62.5
    baselines = [height * share / 12 for share in (5, 7, 9)]
    columns = (("I", "II", "III"), ("AVR", "AVL", "AVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
    pulse = Pulse(x=10)
    slots, separators = [], []
    for index, leads in enumerate(columns):
        x = left + index * column
        for lead, baseline in zip(leads, baselines, strict=True):
            name = Text(x=x, y=baseline + 7, text=printed_name(lead))
            slots.append(
                Slot(
                    lead=lead,
                    x=x,
                    baseline=baseline,
                    width=column,
                    start=index * column,
                    name=name,
                    pulse=None if index else pulse,
                )
            )
            if index:
                half = 2.25 / 72 * INCH / 2
                separators.append(Bar(x0=x - half, x1=x + half, y0=baseline - 3.5, y1=baseline + 3.5))
    strip = height - 20.992
    slots.append(
        Slot(
            lead="II", x=left, baseline=strip, width=4 * column, name=Text(x=left, y=strip + 8, text="II"), pulse=pulse
        )
    )
    edge = 0.4 / 72 * INCH
    bars = (
        Bar(x0=0, y0=0, x1=edge, y1=height),
        Bar(x0=width - edge, y0=0, x1=width, y1=height),
        Bar(x0=0, y0=0, x1=width, y1=edge),
        Bar(x0=0, y0=height - edge, x1=width, y1=height),
    )
    texts = (Text(x=50, y=height - 5, text="{speed}mm/s"), Text(x=100, y=height - 5, text="{gain}mm/mV"))
    return Layout(
        name="kit",
        width=width,
        height=height,
        slots=tuple(slots),
        grid=Grid(x=0, y=height),
        separators=tuple(separators),
        bars=bars,
        texts=texts,
    )


def matrix_layout(rows: int, columns: int) -> Layout:
    """Twelve leads in ``columns`` columns on landscape A4, with 250 mm of signal across the page.

    6x2 shows I..AVF beside V1..V6 (5 s each at 25 mm/s), 12x1 all leads below each other (10 s each).
    """
    width, height, left, top, total = 297.0, 210.0, 30.0, 25.0, 250.0
    column, pitch = total / columns, (height - top - 15.0) / rows
    slots, separators = [], []
    for index, lead in enumerate(LEADS):
        across, down = divmod(index, rows)
        x, baseline = left + across * column, round(top + (down + 0.5) * pitch, 3)
        name = Text(x=x + 1, y=baseline - min(5.0, 0.4 * pitch), text=printed_name(lead), size=9)
        slots.append(
            Slot(
                lead=lead,
                x=x,
                baseline=baseline,
                width=column,
                start=across * column,
                name=name,
                pulse=None if across else Pulse(x=left - 10),
            )
        )
        if across:
            separators.append(Bar(x0=x - 0.2, x1=x + 0.2, y0=baseline - 3, y1=baseline + 3))
    texts = (Text(x=left, y=height - 5, text="{speed} mm/s   {gain} mm/mV", size=9),)
    return Layout(
        name=f"{rows}x{columns}",
        width=width,
        height=height,
        slots=tuple(slots),
        separators=tuple(separators),
        texts=texts,
    )


@lru_cache(maxsize=8)
def layout_named(name: str) -> Layout:
    """The layout of that name, or the one that a .json, .yaml or .yml file holds.

    Raises:
        ConfigError: no such layout, or the file is missing or not a layout.
    """
    from ecgpipe.render.report_layout import report_layout  # builds on this module

    builders = {
        "kit": kit_layout,
        "cardiac-images": report_layout,
        "6x2": lambda: matrix_layout(6, 2),
        "12x1": lambda: matrix_layout(12, 1),
    }
    if name in builders:
        return builders[name]()
    path = Path(name)
    if path.suffix not in {".json", ".yaml", ".yml"}:
        raise ConfigError(f"layout {name!r}: not one of {', '.join(builders)}, nor a .json or .yaml file")
    try:
        text = path.read_text(encoding="utf-8")
        return Layout.model_validate(json.loads(text) if path.suffix == ".json" else yaml.safe_load(text))
    except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"layout file {name}: {error}") from error
