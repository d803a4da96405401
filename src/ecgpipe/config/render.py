"""Options of the ``render`` stage: what a page looks like."""

import difflib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ecgpipe.config.degrade import DegradeConfig
from ecgpipe.config.section import Section

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
