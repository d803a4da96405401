"""Page layouts, in millimetres from the top left corner; y grows downwards."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ecgpipe.config.base import explain
from ecgpipe.config.pages import Colour
from ecgpipe.errors import ConfigError
from ecgpipe.lead_names import LEADS, printed_name

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

    @field_validator("text")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if "\n" in value:
            raise ValueError("a text has one line; give a text for each line")
        return value


class Pulse(_Part):
    """A calibration pulse of 1 mV: up at x, down at x + width, with ``foot`` mm of baseline on both sides."""

    x: float
    width: float = Field(5, gt=0)
    foot: float = Field(0, ge=0)


class Slot(_Part):
    """The place of one lead: 0 mV of its first sample is at (x, baseline), and the slot is ``width`` mm wide."""

    lead: Literal["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    x: float
    baseline: float
    width: float = Field(gt=0)
    start: float = Field(0, ge=0, description="millimetres of signal before this slot")
    name: Text | None = None
    pulse: Pulse | None = None


class Bar(_Part):
    """A filled rectangle of ink: a separator between leads, a rule, an edge of the page."""

    x0: float
    y0: float
    x1: float
    y1: float


class Grid(_Part):
    """Lines every 1 and 5 ``pitch`` through (x, y), within a box; ``dots`` > 0 draws the minor lines as dots."""

    x: float = 0
    y: float = 0
    pitch: float = Field(1, gt=0.1)
    box: tuple[float, float, float, float] | None = None
    line: float = Field(0.5, gt=0, description="line width in points")
    major: Colour = (255, 0, 0)
    minor: Colour = (254, 223, 219)
    dots: float = Field(0, ge=0, description="millimetres from dot to dot on minor lines; 0 draws solid lines")
    major_dots: float = Field(0, ge=0, description="the same for every fifth line")
    frame: float = Field(0, ge=0, description="width in points of a frame around the box")
    frame_colour: Colour = (255, 0, 0)


class Layout(_Part):
    """A page. Paper speed and gain are not part of it: a slot shows ``width / paper_speed`` seconds."""

    name: str
    width: float = Field(gt=0, le=1000)
    height: float = Field(gt=0, le=1000)
    slots: tuple[Slot, ...] = Field(min_length=1)
    grid: Grid = Grid()
    separators: tuple[Bar, ...] = ()
    bars: tuple[Bar, ...] = ()
    texts: tuple[Text, ...] = ()
    pulse_line: float = Field(1.125, gt=0, description="line width of the pulses in points")
    trace_width: float = Field(0.75, gt=0, le=5, description="line width of the traces in points")

    @model_validator(mode="after")
    def _on_page(self) -> "Layout":
        for slot in self.slots:
            if not (slot.x >= 0 and slot.x + slot.width <= self.width and 0 <= slot.baseline <= self.height):
                raise ValueError(f"lead {slot.lead} at x {slot.x}, baseline {slot.baseline} is not on the page")
        x0, y0, x1, y1 = box = self.grid.box or (0, 0, self.width, self.height)
        if not (0 <= x0 < x1 <= self.width and 0 <= y0 < y1 <= self.height):
            raise ValueError(f"grid.box {list(box)} is not on the page: give its left, upper, right and lower edge")
        return self


@lru_cache(maxsize=8)
def layout_named(name: str) -> Layout:
    """Return a built-in layout, or read one from a .json, .yaml or .yml file.

    Raises:
        ConfigError: unknown name, or a file that is missing or not a layout.
    """
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
    except ValidationError as error:
        problems = "; ".join(explain(error, Layout)).removeprefix(": ")  # about the whole file
        raise ConfigError(f"layout file {name}: {problems}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"layout file {name}: {error}") from error


def _slots(
    rows: int,
    left: float,
    width: float,
    baselines: Sequence[float],
    name: Callable[[str, float, int], Text],
    pulse: Pulse,
) -> list[Slot]:
    """Slots of all leads in columns of ``rows``; ``name`` gets the lead, x and row; the first column has the pulses."""
    slots = []
    for index, lead in enumerate(LEADS):
        column, row = divmod(index, rows)
        x = left + column * width
        slots.append(
            Slot(
                lead=lead,
                x=x,
                baseline=baselines[row],
                width=width,
                start=column * width,
                name=name(printed_name(lead), x, row),
                pulse=None if column else pulse,
            )
        )
    return slots


def _separators(slots: list[Slot], half_width: float, half_height: float) -> tuple[Bar, ...]:
    """A short bar at the start of each slot, except in the first column."""
    return tuple(
        Bar(
            x0=slot.x - half_width,
            x1=slot.x + half_width,
            y0=slot.baseline - half_height,
            y1=slot.baseline + half_height,
        )
        for slot in slots
        if slot.start
    )


def kit_layout() -> Layout:
    """Build ECG-Image-Kit's letter page: 3 x 4 leads of 62.5 mm and a strip of lead II.

    Rows are a sixth of the page apart, the strip is 20.992 mm above the lower edge, names are 7 mm (strip: 8 mm) below
    the baselines. The dimensions were measured on the kit's pages and JSON files.
    """
    width, height, left, column = 11 * INCH, 8.5 * INCH, 15.0, 62.5
    edge, strip, pulse = 0.4 / 72 * INCH, height - 20.992, Pulse(x=10)
    baselines = [height * share / 12 for share in (5, 7, 9)]
    slots = _slots(3, left, column, baselines, lambda name, x, row: Text(x=x, y=baselines[row] + 7, text=name), pulse)
    name = Text(x=left, y=strip + 8, text="II")
    return Layout(
        name="kit",
        width=width,
        height=height,
        slots=(*slots, Slot(lead="II", x=left, baseline=strip, width=4 * column, name=name, pulse=pulse)),
        grid=Grid(x=0, y=height),
        separators=_separators(slots, 2.25 / 72 * INCH / 2, 3.5),
        bars=(
            Bar(x0=0, y0=0, x1=edge, y1=height),
            Bar(x0=width - edge, y0=0, x1=width, y1=height),
            Bar(x0=0, y0=0, x1=width, y1=edge),
            Bar(x0=0, y0=height - edge, x1=width, y1=height),
        ),
        texts=(Text(x=50, y=height - 5, text="{speed}mm/s"), Text(x=100, y=height - 5, text="{gain}mm/mV")),
    )


def matrix_layout(rows: int, columns: int) -> Layout:
    """Build a landscape A4 page of twelve leads in columns, with 250 mm of signal across the page.

    6x2 shows I..AVF beside V1..V6 (5 s each at 25 mm/s), 12x1 one lead per row (10 s each).
    """
    width, height, left, top, total = 297.0, 210.0, 30.0, 25.0, 250.0
    pitch = (height - top - 15.0) / rows
    baselines = [round(top + (row + 0.5) * pitch, 3) for row in range(rows)]
    above = min(5.0, 0.4 * pitch)
    slots = _slots(
        rows,
        left,
        total / columns,
        baselines,
        lambda name, x, row: Text(x=x + 1, y=baselines[row] - above, text=name, size=9),
        Pulse(x=left - 10),
    )
    return Layout(
        name=f"{rows}x{columns}",
        width=width,
        height=height,
        slots=tuple(slots),
        separators=_separators(slots, 0.2, 3),
        texts=(Text(x=left, y=height - 5, text="{speed} mm/s   {gain} mm/mV", size=9),),
    )


REPORT_SIZE = (2213, 1572)
"""Pixels at 200 dpi."""
REPORT_DOT, REPORT_FRAME = (101, 89, 88), (248, 166, 175)
REPORT_TEXTS = (
    (995, 60.5, 15.8, "ECG REPORT"),
    (68, 92, 9.8, "ID :"),
    (319, 92, 9.8, "Years"),
    (443, 92, 9.8, "Sex"),
    (613, 92, 9.8, "cm"),
    (762, 92, 9.8, "kg"),
    (905, 92, 9.8, "/"),
    (955, 92, 9.8, "mmHg"),
    (1092, 92, 9.8, "Race:"),
    (1331, 92, 9.8, "Room No.:"),
    (1521, 92, 9.8, "Department:"),
    (68, 125, 9.8, "Exam.Room:"),
    (277, 125, 9.8, "Medication:"),
    (68, 169, 9.8, "Diagnosis Information:"),
    (1555, 203, 9.8, "Technician :"),
    (1555, 236, 9.8, "Ref-Phys. :"),
    (1555, 269, 9.8, "Report Confirmed by:"),
    (68, 1553, 8.5, "0.67~25Hz  AC50  {speed}mm/s  {gain}mm/mV  4*2.5s+1r"),
)


def _mm(pixels: float) -> float:
    return pixels / 200 * INCH


def report_layout() -> Layout:
    """Build the report page of the ECG Images dataset of Cardiac Patients, with lead II as the strip.

    Measured on the published files (Khan and Hussain, 10.17632/gwbz3fsgp8). At 200 dpi, signal and pulses are to scale;
    the grid is printed 0.9% too wide. The header's fields stay empty.
    """
    left, column, rows = 152.5, 62.5, (463.5, 763.5, 1065.5)
    pulse = Pulse(x=_mm(105.5), width=_mm(16.5), foot=_mm(8.5))
    slots = _slots(
        3,
        _mm(left),
        column,
        [_mm(row) for row in rows],
        lambda name, x, row: Text(x=x, y=_mm(rows[row] - 7), text=name, size=10.3, font="serif"),
        pulse,
    )
    name = Text(x=_mm(left), y=_mm(1359), text="II", size=10.3, font="serif")
    strip = Slot(lead="II", x=_mm(left), baseline=_mm(1366), width=4 * column, name=name, pulse=pulse)
    edges = [_mm(left) + index * column for index in (1, 2, 3)]
    grid = Grid(
        x=_mm(145.5),
        y=_mm(324.5),
        pitch=1.009,
        box=(_mm(69.5), _mm(285), _mm(2174.5), _mm(1516.5)),
        line=0.36,
        major=REPORT_DOT,
        minor=REPORT_DOT,
        dots=1.009,
        major_dots=0.5045,
        frame=1.1,
        frame_colour=REPORT_FRAME,
    )
    return Layout(
        name="cardiac-images",
        width=_mm(REPORT_SIZE[0]),
        height=_mm(REPORT_SIZE[1]),
        slots=(*slots, strip),
        grid=grid,
        separators=tuple(Bar(x0=x - _mm(1.5), x1=x + _mm(1.5), y0=_mm(420.5), y1=_mm(1108.5)) for x in edges),
        bars=tuple(Bar(x0=_mm(68), x1=_mm(2155), y0=_mm(y), y1=_mm(y + 4)) for y in (136, 142)),
        texts=tuple(Text(x=_mm(x), y=_mm(y), text=text, size=size, font="serif") for x, y, size, text in REPORT_TEXTS),
        pulse_line=1.1,
        trace_width=1.3,
    )
