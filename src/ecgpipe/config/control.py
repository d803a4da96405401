"""Control experiments: cheap classifiers that show what a score is worth."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ecgpipe.config.section import Section

Control = Literal["majority", "nearest", "outside", "thumbnail", "shuffled", "signal"]
Side = Annotated[int, Field(ge=8, le=1024)]
PREFIX = "control-"
"""What names of controls begin with, where files and tables name models; no model's name holds a hyphen."""


class ControlConfig(Section):
    """Control experiments beside the models, for every protocol and seed of a data set."""

    enabled: tuple[Control, ...] = Field(
        ("majority", "nearest", "outside", "thumbnail", "shuffled"),
        description="which: the classes' shares alone, the nearest page, only what lies outside the traces, "
        "thumbnails of the images, the same with shuffled training labels; signal: a network on the recordings "
        "themselves, where there are any: what the image costs (needs PyTorch)",
    )
    thumbnail: tuple[Side, Side] = Field((96, 64), description="pixels of a thumbnail: width, height")
    outside: tuple[Side, Side] = Field(
        (480, 320), description="pixels of a page of which only the outside is kept: width, height"
    )
    components: int = Field(50, ge=1, le=1000, description="principal components that the linear classifiers see")
    regularisation: float = Field(0.1, gt=0, description="C of the logistic regression; smaller is stronger")
    epochs: int = Field(30, ge=1, le=1000, description="signal: epochs of training")
    shuffles: int = Field(5, ge=2, le=100, description="shuffled: how many shuffles of each run")

    @field_validator("enabled")
    @classmethod
    def _each_once(cls, values: tuple) -> tuple:
        if len(set(values)) < len(values):
            raise ValueError("a control is there twice")
        return values

    @property
    def names(self) -> tuple[str, ...]:
        """The controls as files name them: each shuffle by itself, ``control-shuffled-1``, ``-2``, ..."""
        shuffled = [f"{PREFIX}shuffled-{number}" for number in range(1, self.shuffles + 1)]
        return tuple(
            file for name in self.enabled for file in (shuffled if name == "shuffled" else [f"{PREFIX}{name}"])
        )
