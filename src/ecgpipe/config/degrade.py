"""Options of the ``render`` stage: what a page goes through between the printer and the file."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ecgpipe.config.section import Section

LEVELS = ("none", "scan", "photo", "harsh")
Number = Annotated[float, Field(ge=-1000, le=1000)]


class Chance(Section):
    """One kind of degradation: how often, and how strong where it happens."""

    probability: float = Field(ge=0, le=1, description="Share of pages.")
    range: tuple[Number, Number] = Field(description="The strength is drawn evenly from this range.")

    @model_validator(mode="after")
    def _ordered(self) -> "Chance":
        if self.range[0] > self.range[1]:
            raise ValueError(f"range {list(self.range)}: the first number is above the second")
        return self


# kind: (unit and meaning, least and greatest strength allowed, then probability, low and high of scan, photo, harsh)
Row = tuple[float, float, float]
KINDS: dict[str, tuple[str, tuple[float, float], Row, Row, Row]] = {
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
    meaning, (low, high), *_ = KINDS[name]
    text = f"{meaning[0].upper()}{meaning[1:]} ({low:g} to {high:g}); none: as the level has it."
    return Field(None, description=text)


class DegradeConfig(Section):
    """Scans and photographs of pages; each record's draw depends on the seed and its id alone."""

    level: Literal["none", "scan", "photo", "harsh"] = Field(
        "none", description="none: pages as drawn; scan, photo, harsh: sets of the kinds below, each harder."
    )
    seed: int = Field(0, ge=0, description="Seed of all choices.")
    grid_colour: Chance | None = _kind("grid_colour")
    no_grid: Chance | None = _kind("no_grid")
    paper: Chance | None = _kind("paper")
    pen: Chance | None = _kind("pen")
    printed_text: Chance | None = _kind("printed_text")
    handwriting: Chance | None = _kind("handwriting")
    creases: Chance | None = _kind("creases")
    wrinkles: Chance | None = _kind("wrinkles")
    bend: Chance | None = _kind("bend")
    rotation: Chance | None = _kind("rotation")
    perspective: Chance | None = _kind("perspective")
    crop: Chance | None = _kind("crop")
    shadow: Chance | None = _kind("shadow")
    uneven_light: Chance | None = _kind("uneven_light")
    temperature: Chance | None = _kind("temperature")
    blur: Chance | None = _kind("blur")
    noise: Chance | None = _kind("noise")
    jpeg: Chance | None = _kind("jpeg")

    @model_validator(mode="after")
    def _within_bounds(self) -> "DegradeConfig":
        for name, (_, (low, high), *_) in KINDS.items():
            chance = getattr(self, name)
            if chance and not low <= chance.range[0] <= chance.range[1] <= high:
                raise ValueError(f"{name}: range {list(chance.range)} is not within {low:g} to {high:g}")
        return self

    def chance(self, name: str) -> Chance:
        """The kind's own setting, or the level's."""
        own = getattr(self, name)
        if own is not None:
            return own
        if self.level == "none":
            return Chance(probability=0, range=(0, 0))
        probability, low, high = KINDS[name][1 + LEVELS.index(self.level)]  # type: ignore[misc, str-unpack]
        return Chance(probability=probability, range=(low, high))

    @property
    def active(self) -> bool:
        """Whether any page can change."""
        return any(self.chance(name).probability > 0 for name in KINDS)
