"""Options of the ``render`` stage: what a page goes through between the printer and the file.

Options of the ``render`` stage: what a page looks like.

Options of the ``preprocess`` stage: from a page to the binary image that models see.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ecgpipe.config.base import Section

DEGRADE_LEVELS = ("none", "scan", "photo", "harsh")
Number = Annotated[float, Field(ge=-1000, le=1000)]


class DegradeEffect(Section):
    """One kind of degradation: how often, and how strong where it happens."""

    probability: float = Field(ge=0, le=1, description="Share of pages.")
    range: tuple[Number, Number] = Field(description="The strength is drawn evenly from this range.")

    @model_validator(mode="after")
    def _ordered(self) -> "DegradeEffect":
        if self.range[0] > self.range[1]:
            raise ValueError(f"range {list(self.range)}: the first number is above the second")
        return self


# kind: (unit and meaning, least and greatest strength allowed, then probability, low and high of scan, photo, harsh)
Effect = tuple[float, float, float]
DEGRADE_KINDS: dict[str, tuple[str, tuple[float, float], Effect, Effect, Effect]] = {
    "grid_colour": ("another hue of the grid, and its density against the layout's", (0, 2), (0.5, 0.6, 1.2),
                    (0.5, 0.5, 1.2), (0.7, 0.3, 1.5)),
    "no_grid": ("the grid is left out (the range has no effect)", (0, 1), (0.05, 0, 0), (0.05, 0, 0), (0.15, 0, 0)),
    "paper": ("yellowed paper, percent", (0, 40), (0.3, 0, 8), (0.5, 0, 12), (0.7, 0, 25)),
    "pen": ("another colour of the ink, and mm that its traces are wider", (0, 0.5), (0.3, 0, 0.1), (0.3, 0, 0.12),
            (0.6, 0, 0.2)),
    "printed_text": ("printed lines", (0, 12), (0.4, 1, 4), (0.4, 1, 4), (0.7, 2, 8)),
    "handwriting": ("handwritten words", (0, 12), (0.2, 1, 3), (0.3, 1, 4), (0.6, 2, 8)),
    "creases": ("folds", (0, 12), (0.2, 1, 2), (0.5, 1, 4), (0.8, 2, 8)),
    "wrinkles": ("depth of wrinkles, percent of brightness", (0, 60), (0.1, 2, 5), (0.4, 3, 12), (0.8, 8, 25)),
    "bend": ("height of the wave of paper that does not lie flat, mm", (0, 5), (0, 0, 0), (0.4, 0.2, 1.2),
             (0.7, 0.5, 2.5)),
    "rotation": ("degrees", (-45, 45), (0.8, -1.5, 1.5), (0.9, -4, 4), (1, -10, 10)),
    "perspective": ("percent of the page that a corner moves at most", (0, 15), (0, 0, 0), (0.9, 0.5, 3), (1, 1, 7)),
    "crop": ("percent cut off at each edge; below 0: background shows", (-20, 10), (0.3, -1, 0.5), (1, -5, 0.5),
             (1, -8, 2)),
    "shadow": ("darkness of a shadow, percent", (0, 80), (0, 0, 0), (0.4, 10, 35), (0.8, 20, 60)),
    "uneven_light": ("fall of the light across the page, percent", (0, 80), (0.2, 2, 8), (0.8, 5, 30), (1, 10, 50)),
    "temperature": ("colder (below 0) or warmer light, percent", (-50, 50), (0.3, -4, 4), (0.8, -15, 15), (1, -25, 25)),
    "blur": ("standard deviation, mm", (0, 0.6), (0.5, 0.02, 0.08), (0.7, 0.03, 0.12), (0.9, 0.05, 0.2)),
    "noise": ("standard deviation, percent of white", (0, 20), (0.5, 0.3, 1.5), (0.9, 0.5, 3), (1, 1.5, 6)),
    "jpeg": ("quality of the JPEG file; a page without is a PNG", (5, 100), (0.8, 80, 95), (1, 65, 92), (1, 30, 80)),
}  # fmt: skip


def _kind(name: str) -> Any:
    meaning, (low, high), *_ = DEGRADE_KINDS[name]
    text = f"{meaning[0].upper()}{meaning[1:]} ({low:g} to {high:g}); none: as the level has it."
    return Field(None, description=text)


class DegradeConfig(Section):
    """Scans and photographs of pages; each record's draw depends on the seed and its id alone."""

    level: Literal["none", "scan", "photo", "harsh"] = Field(
        "none", description="none: pages as drawn; scan, photo, harsh: sets of the kinds below, each harder."
    )
    seed: int = Field(0, ge=0, description="Seed of all choices.")
    grid_colour: DegradeEffect | None = _kind("grid_colour")
    no_grid: DegradeEffect | None = _kind("no_grid")
    paper: DegradeEffect | None = _kind("paper")
    pen: DegradeEffect | None = _kind("pen")
    printed_text: DegradeEffect | None = _kind("printed_text")
    handwriting: DegradeEffect | None = _kind("handwriting")
    creases: DegradeEffect | None = _kind("creases")
    wrinkles: DegradeEffect | None = _kind("wrinkles")
    bend: DegradeEffect | None = _kind("bend")
    rotation: DegradeEffect | None = _kind("rotation")
    perspective: DegradeEffect | None = _kind("perspective")
    crop: DegradeEffect | None = _kind("crop")
    shadow: DegradeEffect | None = _kind("shadow")
    uneven_light: DegradeEffect | None = _kind("uneven_light")
    temperature: DegradeEffect | None = _kind("temperature")
    blur: DegradeEffect | None = _kind("blur")
    noise: DegradeEffect | None = _kind("noise")
    jpeg: DegradeEffect | None = _kind("jpeg")

    @model_validator(mode="after")
    def _within_bounds(self) -> "DegradeConfig":
        for name, (_, (low, high), *_) in DEGRADE_KINDS.items():
            effect = getattr(self, name)
            if effect and not low <= effect.range[0] <= effect.range[1] <= high:
                raise ValueError(f"{name}: range {list(effect.range)} is not within {low:g} to {high:g}")
        return self

    def effect(self, name: str) -> DegradeEffect:
        """The kind's own setting, or the level's."""
        own = getattr(self, name)
        if own is not None:
            return own
        if self.level == "none":
            return DegradeEffect(probability=0, range=(0, 0))
        probability, low, high = DEGRADE_KINDS[name][1 + DEGRADE_LEVELS.index(self.level)]  # type: ignore[misc, str-unpack]
        return DegradeEffect(probability=probability, range=(low, high))

    @property
    def active(self) -> bool:
        """Whether any page can change."""
        return any(self.effect(name).probability > 0 for name in DEGRADE_KINDS)


Channel = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Channel, Channel, Channel]


LAYOUTS = ("kit", "cardiac-images", "6x2", "12x1")


class RenderConfig(Section):
    """One look of page; hashable, so that what is common to all its pages is prepared once."""

    layout: str = Field(
        "kit",
        min_length=1,
        description="Where things stand on the page: kit, cardiac-images, 6x2, 12x1, or the path of a layout file "
        "(.json, .yaml).",
    )

    @field_validator("layout")
    @classmethod
    def _layout_exists(cls, value: str) -> str:
        if value not in LAYOUTS and not Path(value).is_file():
            close = difflib.get_close_matches(value, LAYOUTS, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise ValueError(
                f"no such layout or layout file; {hint}allowed are {', '.join(LAYOUTS)}, or the path of a file"
            )
        return value

    dpi: float = Field(200, ge=50, le=600, description="Resolution in pixels per inch.")
    paper_speed: float = Field(25, gt=0, le=200, description="Millimetres of paper per second of signal.")
    gain: float = Field(10, gt=0, le=100, description="Millimetres of paper per millivolt.")
    trace_width: float | None = Field(
        None, gt=0, le=5, description="Width of the traces in points (1/72 inch); none: the layout's own."
    )
    grid: bool = Field(True, description="Draw the grid.")
    pulse: bool = Field(True, description="Draw the calibration pulses (1 mV, 0.2 s or as the layout has it).")
    separators: bool = Field(True, description="Draw the marks between leads of one row.")
    lead_names: bool = Field(True, description="Write the leads' names.")
    annotations: bool = Field(True, description="Write the layout's other texts (speed, gain, header, footer).")
    paper: Colour = Field((255, 255, 255), description="Colour of the paper, RGB.")
    ink: Colour = Field((0, 0, 0), description="Colour of traces and text, RGB.")
    grid_major: Colour | None = Field(None, description="Colour of the 5 mm lines, RGB; none: the layout's own.")
    grid_minor: Colour | None = Field(None, description="Colour of the 1 mm lines, RGB; none: the layout's own.")
    degrade: DegradeConfig = Field(
        default_factory=DegradeConfig, description="What happens to pages between the printer and the file."
    )
    renderer: Literal["ecgpipe", "ecg-image-kit"] = Field(
        "ecgpipe", description="What draws: this pipeline, or ECG-Image-Kit itself (its own pages, at dpi)."
    )
    kit_path: str | None = Field(
        None, description="ecg-image-kit: its checkout, or the folder codes/ecg-image-generator of it."
    )
    kit_python: str = Field("python", min_length=1, description="ecg-image-kit: the interpreter that runs it.")
    kit_timeout: float = Field(3600, gt=0, description="ecg-image-kit: seconds that a shard may take.")

    @model_validator(mode="after")
    def _kit_is_there(self) -> "RenderConfig":
        if self.renderer == "ecg-image-kit":
            if self.kit_path is None:
                raise ValueError("renderer ecg-image-kit needs kit_path, the folder of its checkout")
            if self.degrade.active:
                raise ValueError("degrade works on this pipeline's own pages; set renderer: ecgpipe, or level: none")
        return self


Margin = Annotated[float, Field(ge=0, lt=0.5)]


class PreprocessConfig(Section):
    """One way of preprocessing."""

    variant: Literal["trace", "paper"] = Field(
        "trace",
        description="trace keeps the trace and drops grid, text and frame; paper follows equations 1-4 to the letter.",
    )
    size: int = Field(640, ge=32, le=4096, description="Side of the square image in pixels.")
    crop: tuple[Margin, Margin, Margin, Margin] = Field(
        (0.01, 0.01, 0.01, 0.01),
        description="paper: shares of the page cut off at the top, right, bottom and left edge.",
    )
    canny_low: float = Field(50, ge=0, description="paper: lower hysteresis threshold on the Sobel magnitude.")
    canny_high: float = Field(150, ge=0, description="paper: upper hysteresis threshold on the Sobel magnitude.")
    kernel: int = Field(3, ge=1, le=31, description="paper: side of the square structuring element in pixels (odd).")
    darkness: float = Field(
        0.55,
        gt=0,
        lt=1,
        description="trace: a pixel is ink where its brightest colour channel is less than this share of the way "
        "from the page's ink (0) to its paper (1).",
    )
    rectified_darkness: float = Field(
        0.48,
        gt=0,
        lt=1,
        description="trace: the same for pages that deskew turned; photographed grids are darker, traces blurred.",
    )
    trace_crop: tuple[Margin, Margin, Margin, Margin] = Field(
        (0, 0, 0, 0),
        description="trace: shares of the page cut off at the top, right, bottom and left edge once the trace is "
        "found: where a layout leaves much of the page to its header, traces become larger. Needs deskew: false, "
        "since of a page that was turned nobody knows the edges.",
    )
    coverage: float = Field(
        0.25,
        gt=0,
        le=1,
        description="trace: an output pixel is ink where ink covers at least this share of it; at 0.25 no line of "
        "the pages' width breaks up.",
    )
    max_side: int = Field(
        2600, ge=256, le=20000, description="trace: larger images are first reduced to this many pixels a side."
    )
    deskew: bool = Field(
        True,
        description="trace: turn pages upright that were scanned or photographed at an angle; straight pages are left "
        "exactly as they are.",
    )
    drop_text: bool = Field(True, description="trace: drop lead names and other small marks.")
    from_traces: bool = Field(
        False,
        description="trace, with keep_pages: false: draw only the traces of records, since all else would be dropped "
        "again; faster, and the images differ a little (docs/preprocessing.md).",
    )
    drop_marks: bool = Field(True, description="trace: drop calibration pulses, separators, rules and frames.")

    @model_validator(mode="after")
    def _consistent(self) -> "PreprocessConfig":
        if self.size % 8:
            raise ValueError(f"size ({self.size}) must be a multiple of 8: images are stored at 8 pixels a byte")
        if self.canny_low > self.canny_high:
            raise ValueError("canny_low is above canny_high")
        if self.kernel % 2 == 0:
            raise ValueError("kernel must be odd")
        for key, (top, right, bottom, left) in (("crop", self.crop), ("trace_crop", self.trace_crop)):
            if top + bottom >= 0.9 or left + right >= 0.9:
                raise ValueError(f"{key} leaves less than a tenth of the page")
        if any(self.trace_crop) and self.deskew:
            raise ValueError("trace_crop needs deskew: false; its shares are those of a page that lies straight")
        return self

    @property
    def margins(self) -> tuple[float, float, float, float]:
        """Shares of the page that the image does not show: top, right, bottom, left."""
        return self.crop if self.variant == "paper" else self.trace_crop
