"""Training and scoring of the model that comes with the package (target `box`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ecgpipe.config.base import Section, Seed
from ecgpipe.config.pages import DEGRADE_LEVELS, LAYOUTS, DegradeConfig, RenderConfig

BOX_FOLDER = Path(__file__).parents[1] / "models" / "box"
"""The model that comes with the package; its card is README.md."""

REFERENCE_LOOK = "kit/none"
"""The look with which all others are compared."""


class BoxConfig(Section):
    """The model that comes with the package: networks that see the part of each lead that a digitized page shows."""

    dataset: str = Field("ptb-xl", description="dataset of signals to train on, under the protocol folds")
    pretrain_on: str | None = Field(
        None,
        description="dataset of signals with the same classes, such as simulated; the networks first train on all its "
        "records",
    )
    pretrain_epochs: int = Field(20, ge=1, description="epochs of the pre-training")
    networks_from: str | None = Field(
        None,
        min_length=1,
        description="weights of networks to calibrate and to score again, with this width and number of members; "
        "nothing is trained",
    )
    members: int = Field(3, ge=1, le=20, description="networks with different seeds; their logits are averaged")
    width: int = Field(24, ge=4, le=256, description="channels of a network's first blocks")
    epochs: int = Field(60, ge=1, description="epochs, with one cycle of the learning rate")
    batch_size: int = Field(64, ge=2, description="records per step")
    learning_rate: float = Field(2e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay")
    statements: float = Field(
        1.0, ge=0, description="loss weight of the diagnostic statements, which are additional targets in training"
    )
    least_records: int = Field(15, ge=1, description="statements with fewer training records are not targets")
    precision: Literal["bf16", "fp32"] = Field(
        "bf16", description="autocast precision; on a CPU bf16 is fast only with avx512_bf16 or amx_bf16"
    )
    seed: Seed = Field(0, description="seed of the first member and of the degraded pages")
    looks: dict[str, Annotated[int, Field(ge=1)]] = Field(
        {"kit/none": 2, "kit/photo": 4, "kit/harsh": 4, "6x2/none": 8, "12x1/none": 8, "cardiac-images/none": 8,
         "kit/scan": 8},
        description="looks to score, layout/level -> n: every n-th test record is drawn in this look and digitized",
    )  # fmt: skip
    calibration_every: int = Field(
        4, ge=1, description="every n-th validation record is drawn in each look, to calibrate the probabilities"
    )

    @field_validator("looks")
    @classmethod
    def _looks_exist(cls, looks: dict[str, int]) -> dict[str, int]:
        for look in looks:
            layout, _, level = look.partition("/")
            if layout not in LAYOUTS or level not in DEGRADE_LEVELS:
                raise ValueError(
                    f"{look}: name a layout and a level, such as kit/photo; layouts are {', '.join(LAYOUTS)}, levels "
                    f"{', '.join(DEGRADE_LEVELS)}"
                )
        if REFERENCE_LOOK not in looks:
            raise ValueError(f"must contain {REFERENCE_LOOK}, with which the other looks are compared")
        return looks

    def drawing(self, look: str) -> RenderConfig:
        """How the pages of a look are drawn."""
        layout, _, level = look.partition("/")
        return RenderConfig(layout=layout, degrade=DegradeConfig(level=level, seed=self.seed + 1))

    @property
    def look_files(self) -> list[str]:
        """The names of the looks in file names, such as kit-photo."""
        return [look.replace("/", "-") for look in self.looks]

    def records_of(self, look: str, validation: Sequence[str], test: Sequence[str]) -> list[str]:
        """The records, from the sorted validation and test records, whose pages are drawn in a look."""
        first = list(self.looks).index(look) % self.calibration_every
        return [*validation[first :: self.calibration_every], *test[:: self.looks[look]]]
