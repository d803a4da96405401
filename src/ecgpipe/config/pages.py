"""Pages: how they are drawn and degraded, and how images are made from them."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from ecgpipe.config.base import Section, Seed, did_you_mean
from ecgpipe.config.kit import KitOptions, find_kit, find_python

LAYOUTS = ("kit", "cardiac-images", "6x2", "12x1")
READER_WEIGHTS = Path(__file__).parents[1] / "reader" / "weights" / "reader.safetensors"
"""The page reader that comes with the package; its card is in the same folder."""
KIT_IGNORES = (
    "layout", "paper_speed", "gain", "trace_width", "separators", "annotations", "paper", "ink", "grid_major",
    "grid_minor",
)  # fmt: skip
"""Keys of `render` that ECG-Image-Kit has no option for."""
DEGRADE_LEVELS = ("none", "scan", "photo", "harsh")
Strength = Annotated[float, Field(ge=-1000, le=1000)]
Channel = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Channel, Channel, Channel]
Margin = Annotated[float, Field(ge=0, lt=0.5)]
Margins = tuple[Margin, Margin, Margin, Margin]


class DegradeEffect(Section):
    """One kind of degradation: its probability and the range of its strength."""

    probability: float = Field(ge=0, le=1, description="share of pages")
    range: tuple[Strength, Strength] = Field(description="the strength is uniform in this range")

    @model_validator(mode="after")
    def _ordered(self) -> "DegradeEffect":
        if self.range[0] > self.range[1]:
            raise ValueError(f"range {list(self.range)}: the first number is above the second")
        return self


# kind: (meaning and unit, lowest and highest strength allowed, then probability, low and high of scan, photo, harsh)
Effect = tuple[float, float, float]
DEGRADE_KINDS: dict[str, tuple[str, tuple[float, float], Effect, Effect, Effect]] = {
    "grid_colour": ("another hue of the grid, and its density relative to the layout's", (0, 2), (0.5, 0.6, 1.2),
                    (0.5, 0.5, 1.2), (0.7, 0.3, 1.5)),
    "no_grid": ("no grid; the range has no effect", (0, 1), (0.05, 0, 0), (0.05, 0, 0), (0.15, 0, 0)),
    "paper": ("yellowed paper, percent", (0, 40), (0.3, 0, 8), (0.5, 0, 12), (0.7, 0, 25)),
    "pen": ("another colour of the ink, and extra width of the traces, mm", (0, 0.5), (0.3, 0, 0.1), (0.3, 0, 0.12),
            (0.6, 0, 0.2)),
    "printed_text": ("printed lines of text", (0, 12), (0.4, 1, 4), (0.4, 1, 4), (0.7, 2, 8)),
    "handwriting": ("handwritten words", (0, 12), (0.2, 1, 3), (0.3, 1, 4), (0.6, 2, 8)),
    "creases": ("folds", (0, 12), (0.2, 1, 2), (0.5, 1, 4), (0.8, 2, 8)),
    "wrinkles": ("depth of wrinkles, percent of brightness", (0, 60), (0.1, 2, 5), (0.4, 3, 12), (0.8, 8, 25)),
    "bend": ("height of the waves of paper that is not flat, mm", (0, 5), (0, 0, 0), (0.4, 0.2, 1.2), (0.7, 0.5, 2.5)),
    "rotation": ("degrees", (-45, 45), (0.8, -1.5, 1.5), (0.9, -4, 4), (1, -10, 10)),
    "perspective": ("largest shift of a corner, percent of the page", (0, 15), (0, 0, 0), (0.9, 0.5, 3), (1, 1, 7)),
    "crop": ("percent cut off at each edge; below 0: background is visible", (-20, 10), (0.3, -1, 0.5), (1, -5, 0.5),
             (1, -8, 2)),
    "shadow": ("darkness of a shadow, percent", (0, 80), (0, 0, 0), (0.4, 10, 35), (0.8, 20, 60)),
    "uneven_light": ("light falls off across the page, percent", (0, 80), (0.2, 2, 8), (0.8, 5, 30), (1, 10, 50)),
    "temperature": ("colder (below 0) or warmer light, percent", (-50, 50), (0.3, -4, 4), (0.8, -15, 15), (1, -25, 25)),
    "blur": ("standard deviation, mm", (0, 0.6), (0.5, 0.02, 0.08), (0.7, 0.03, 0.12), (0.9, 0.05, 0.2)),
    "noise": ("standard deviation, percent of white", (0, 20), (0.5, 0.3, 1.5), (0.9, 0.5, 3), (1, 1.5, 6)),
    "jpeg": ("quality of the JPEG file; other pages are PNG files", (5, 100), (0.8, 80, 95), (1, 65, 92), (1, 30, 80)),
}  # fmt: skip


def _kind(name: str) -> Any:
    meaning, (low, high), *_ = DEGRADE_KINDS[name]
    return Field(None, description=f"{meaning}; strength {low:g} to {high:g}; null: as `level` defines it")


class DegradeConfig(Section):
    """Scans and photographs of pages; the choices for a record depend only on the seed and its id."""

    level: Literal["none", "scan", "photo", "harsh"] = Field(
        "none", description="none: clean pages; scan, photo, harsh: sets of the effects below, increasingly strong"
    )
    seed: Seed = Field(0, description="seed of all choices")
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
        """The effect that is set, or the level's."""
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


class RenderConfig(Section):
    """The appearance of pages."""

    # hashable, so that the shared parts of all pages are drawn only once

    layout: str = Field(
        "kit",
        min_length=1,
        description="kit, cardiac-images, 6x2, 12x1, or the path of a layout file (.json, .yaml)",
    )
    dpi: float = Field(200, ge=50, le=600, description="resolution, pixels per inch")
    paper_speed: float = Field(25, gt=0, le=200, description="mm of paper per second")
    gain: float = Field(10, gt=0, le=100, description="mm of paper per millivolt")
    trace_width: float | None = Field(
        None, gt=0, le=5, description="width of the traces, points (1/72 inch); null: the layout's"
    )
    grid: bool = Field(True, description="draw the grid")
    pulse: bool = Field(True, description="draw the calibration pulses")
    separators: bool = Field(True, description="draw the marks between the leads of a row")
    lead_names: bool = Field(True, description="write the names of the leads")
    annotations: bool = Field(True, description="write the layout's other texts (speed, gain, header, footer)")
    paper: Colour = Field((255, 255, 255), description="colour of the paper, RGB")
    ink: Colour = Field((0, 0, 0), description="colour of traces and text, RGB")
    grid_major: Colour | None = Field(None, description="colour of the 5 mm lines, RGB; null: the layout's")
    grid_minor: Colour | None = Field(None, description="colour of the 1 mm lines, RGB; null: the layout's")
    degrade: DegradeConfig = Field(default_factory=DegradeConfig, description="scans and photographs of pages")
    renderer: Literal["ecgpipe", "ecg-image-kit"] = Field(
        "ecgpipe",
        description="ecgpipe: this library; ecg-image-kit: ECG-Image-Kit itself, with its own pages",
    )
    kit_path: str | None = Field(
        None, description="ecg-image-kit: folder of its checkout, or its folder codes/ecg-image-generator"
    )
    kit_python: str = Field(
        "python", min_length=1, description="ecg-image-kit: Python interpreter that runs it (`make kit-env`)"
    )
    kit_timeout: float = Field(
        600, gt=0, description="ecg-image-kit: seconds that one page may take before the job stops"
    )
    kit_options: KitOptions = Field(default_factory=KitOptions, description="ecg-image-kit: its own options")

    @field_validator("layout")
    @classmethod
    def _layout_exists(cls, value: str) -> str:
        if value not in LAYOUTS and not Path(value).is_file():
            hint = did_you_mean(value, LAYOUTS)
            raise ValueError(f"no such layout or file; {hint}allowed are {', '.join(LAYOUTS)} and the path of a file")
        return value

    @model_validator(mode="after")
    def _kit_applies(self) -> "RenderConfig":
        if self.renderer == "ecgpipe":
            if self.kit_options.changed:
                raise ValueError("kit_options requires renderer: ecg-image-kit; change it, or remove kit_options")
            return self
        if self.degrade.active:
            raise ValueError(
                "degrade requires renderer: ecgpipe; change it, or set degrade.level: none and use kit_options"
            )
        if ignored := self.model_dump(exclude_defaults=True, include=set(KIT_IGNORES)):
            raise ValueError(
                f"ECG-Image-Kit draws its own page and ignores {', '.join(ignored)}; remove what you set, or set "
                "renderer: ecgpipe"
            )
        if self.dpi != round(self.dpi):
            raise ValueError(f"dpi ({self.dpi:g}): ECG-Image-Kit accepts whole numbers only")
        options = self.kit_options
        if options.augment and not self.lead_names:
            raise ValueError("kit_options.augment: ECG-Image-Kit fails on pages without lead names; set one to false")
        if options.num_columns not in (1, 4) and self.pulse:
            raise ValueError(
                f"kit_options.num_columns ({options.num_columns}): with calibration pulses the kit's boxes are too "
                "tall; set pulse: false"
            )
        return self

    def check_kit(self) -> None:
        """Raise ValueError if ECG-Image-Kit draws the pages and its checkout or interpreter is missing."""
        if self.renderer == "ecg-image-kit":
            find_kit(self.kit_path)
            find_python(self.kit_python)

    @property
    def appearance(self) -> dict[str, Any]:
        """The keys that change pages, as plain values: all except the location and time limit of ECG-Image-Kit."""
        return self.model_dump(mode="json", exclude={"kit_path", "kit_python", "kit_timeout"})

    @property
    def clean(self) -> "RenderConfig":
        """The same pages, drawn by this package and not degraded."""
        own = {"degrade": DegradeConfig(), "renderer": "ecgpipe", "kit_path": None, "kit_options": KitOptions()}
        return self.model_copy(update=own)


class PreprocessConfig(Section):
    """How a page becomes the binary image that models see."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)  # `from` is a Python keyword

    variant: Literal["reader", "paper"] = Field(
        "reader",
        description="reader: the traces, as drawn or as the page reader finds them in a picture, on a canvas of 280 x "
        "200 mm; paper: equations 1 to 4 of the paper",
    )
    source: Literal["page", "digitized"] = Field(
        "page",
        alias="from",
        description="reader: page: the traces as they lie on the page; digitized: pages are digitized and drawn again "
        "in the layout of `render` (image datasets: kit), so that a model accepts pages of any layout",
    )
    size: int = Field(640, ge=32, le=4096, description="side of the square image, pixels; a multiple of 8")
    coverage: float = Field(
        0.25,
        gt=0,
        le=1,
        description="reader: a pixel is ink if a trace covers at least this share of it; at 0.25 no line breaks up",
    )
    reader_weights: str | None = Field(
        None, min_length=1, description="reader: file of weights (target `reader`); null: those in the package"
    )
    crop: Margins = Field(
        (0.01, 0.01, 0.01, 0.01), description="paper: shares cut off at the top, right, bottom and left edge"
    )
    canny: tuple[float, float] = Field(
        (50, 150), description="paper: lower and upper threshold on the Sobel magnitude (eq. 1); the paper gives none"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "PreprocessConfig":
        if self.digitized and self.variant != "reader":
            raise ValueError(f"from: digitized requires variant: reader, which reads pages; given: {self.variant}")
        if self.size % 8:
            raise ValueError(f"size ({self.size}) must be a multiple of 8: images are stored with 8 pixels per byte")
        if not 0 <= self.canny[0] <= self.canny[1]:
            raise ValueError(f"canny ({self.canny[0]:g}, {self.canny[1]:g}): the lower threshold comes first")
        top, right, bottom, left = self.crop
        if top + bottom >= 0.9 or left + right >= 0.9:
            raise ValueError("crop leaves less than a tenth of the page")
        return self

    @property
    def digitized(self) -> bool:
        """Whether a model sees the digitized page, drawn again."""
        return self.source == "digitized"

    @property
    def margins(self) -> tuple[float, float, float, float]:
        """Shares of the page cut off at the top, right, bottom and left of an image without a transform."""
        return self.crop if self.variant == "paper" else (0.0, 0.0, 0.0, 0.0)


class ReaderConfig(Section):
    """Training of the page reader (target `reader`)."""

    records: int = Field(1000, ge=1, description="recordings per dataset to draw pages of, from the training folds")
    steps: int = Field(3200, ge=1, description="optimizer steps")
    batch_size: int = Field(8, ge=1, description="examples per step")
    name_steps: int = Field(2400, ge=1, description="optimizer steps of the part that reads lead names")
    name_batch_size: int = Field(16, ge=1, description="examples per such step; each shows several names")
    line_pages: int = Field(800, ge=1, description="training pages of the network for lines")
    line_steps: int = Field(6000, ge=1, description="optimizer steps of the network for lines")
    line_batch_size: int = Field(32, ge=1, description="leads per such step")
    text_steps: int = Field(3000, ge=1, description="optimizer steps of the network for printed scales")
    text_batch_size: int = Field(4, ge=1, description="pictures per such step; each shows several lines of text")
    pages_from: str | None = Field(
        None,
        min_length=1,
        description="weights to take the page networks from; only those for lines and printed scales are trained",
    )
    size: int = Field(288, ge=64, le=1024, description="pixels per side of an example, a multiple of 32")
    learning_rate: float = Field(
        2e-3, gt=0, description="peak learning rate; it rises linearly and falls along a cosine"
    )
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay")
    warmup_steps: int = Field(200, ge=1, description="steps until the peak learning rate")
    averaging: float = Field(0.998, ge=0, lt=1, description="decay per step of the moving average of the weights")
    seed: Seed = Field(0, description="seed of the weights and of all examples")
    save_every: int = Field(50, ge=1, description="steps between checkpoints")

    @field_validator("size")
    @classmethod
    def _fits_levels(cls, value: int) -> int:
        if value % 32:
            raise ValueError("must be a multiple of 32, the coarsest stride of the reader")
        return value
