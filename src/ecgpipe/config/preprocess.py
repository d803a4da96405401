"""Options of the ``preprocess`` stage: from a page to the binary image that models see."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecgpipe.config.section import Section

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
    turned_darkness: float = Field(
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
