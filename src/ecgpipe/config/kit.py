"""ECG-Image-Kit: its location, and the options that can be set.

Options keep the kit's names and meaning (https://github.com/alphanumericslab/ecg-image-kit, BSD-3). Options that
would have no effect, or would lead to wrong boxes, are refused with the reason.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ecgpipe.config.base import Section, Seed

KIT_PROGRAM = "gen_ecg_images_from_data_batch.py"
GENERATOR = Path("codes", "ecg-image-generator")
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=100)]

HANDWRITING = "it requires TensorFlow, spaCy and downloads; renderer: ecgpipe has degrade.handwriting"
NO_EFFECT = "the kit ignores it on pages with boxes"
ALWAYS_SET = "pages always have these boxes and facts"
REFUSED = {
    "pad_inches": "the kit pads the page but does not move its boxes",
    "random_padding": "the kit pads the page but does not move its boxes",
    **dict.fromkeys(("hw_text", "fully_random", "link", "num_words", "x_offset", "y_offset"), HANDWRITING),
    **dict.fromkeys(("handwriting_size_factor", "deterministic_offset", "deterministic_num_words"), HANDWRITING),
    **dict.fromkeys(("deterministic_hw_size", "hws"), HANDWRITING),
    **dict.fromkeys(("crop", "temperature", "num_leads"), NO_EFFECT),
    **dict.fromkeys(("deterministic_rot", "deterministic_crop", "deterministic_temp"), NO_EFFECT),
    **dict.fromkeys(("lead_bbox", "lead_name_bbox", "store_config"), ALWAYS_SET),
    "mask_unplotted_samples": "it changes the kit's copies of records, not its pages",
    "max_num_images": "every record has one page",
    "config_file": "pages have the kit's own dimensions",
    "resolution": "set render.dpi",
    "calibration_pulse": "set render.pulse",
    "random_grid_present": "set render.grid",
    "remove_lead_names": "set render.lead_names",
    **dict.fromkeys(("input_directory", "output_directory"), "ecgpipe passes the records itself"),
}
"""Options of the kit that are not available -> why, or what to set instead."""
PARTS = {
    "wrinkles": ("crease_angle", "num_creases_vertically", "num_creases_horizontally", "deterministic_angle",
                 "deterministic_vertical", "deterministic_horizontal"),
    "augment": ("rotate", "noise", "deterministic_noise"),
}  # fmt: skip
"""Options that apply only if another one is true."""


class KitOptions(Section):
    """Options of ECG-Image-Kit, under its names; the choices for a record depend only on the seed and record id."""

    seed: Seed = Field(0, description="seed of all choices")
    num_columns: Literal[1, 2, 3, 4, 6] = Field(
        4, description="columns of leads; unless 4, all leads show the beginning; 2, 3 and 6 require pulse: false"
    )
    full_mode: Literal["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"] = Field(
        "II", description="lead of the rhythm strip"
    )
    print_header: bool = Field(False, description="print the record's name on every page")
    random_print_header: Share = Field(0, description="share of pages with the record's name")
    add_qr_code: bool = Field(False, description="print a QR code of the record's name")
    standard_grid_color: Literal[1, 2, 3, 4, 5] = Field(5, description="1 brown, 2 pink, 3 blue, 4 green, 5 red")
    random_grid_color: bool = Field(False, description="random colours of the grid")
    random_bw: Share = Field(0, description="share of black and white pages; the others have random colours")
    random_resolution: bool = Field(False, description="a random resolution for each page, 50 to `dpi`")
    wrinkles: bool = Field(False, description="wrinkles and creases")
    crease_angle: int = Field(90, ge=0, le=90, description="wrinkles: largest angle of the creases, degrees")
    num_creases_vertically: Count = Field(10, description="wrinkles: largest number of vertical creases")
    num_creases_horizontally: Count = Field(10, description="wrinkles: largest number of horizontal creases")
    deterministic_angle: bool = Field(False, description="wrinkles: always the largest angle")
    deterministic_vertical: bool = Field(False, description="wrinkles: always the largest number of vertical creases")
    deterministic_horizontal: bool = Field(
        False, description="wrinkles: always the largest number of horizontal creases"
    )
    augment: bool = Field(False, description="rotation, noise and another colour temperature; requires lead_names")
    rotate: int = Field(0, ge=0, le=45, description="augment: largest rotation to either side, degrees")
    noise: int = Field(50, ge=1, le=255, description="augment: largest standard deviation of the noise, of 255")
    deterministic_noise: bool = Field(False, description="augment: always the largest noise")

    @model_validator(mode="before")
    @classmethod
    def _available(cls, values: Any) -> Any:
        for name in values if isinstance(values, dict) else ():
            if name in REFUSED:
                raise ValueError(f"{name} is not available: {REFUSED[name]}")
        return values

    @model_validator(mode="after")
    def _effective(self) -> "KitOptions":
        changed = self.changed
        for switch, parts in PARTS.items():
            if useless := [name for name in parts if name in changed and not getattr(self, switch)]:
                raise ValueError(f"{', '.join(useless)} requires {switch}: true")
        if self.random_bw and {"standard_grid_color", "random_grid_color"} & set(changed):
            raise ValueError("with random_bw the kit chooses the colours of the grid itself; remove the colour")
        if self.random_grid_color and "standard_grid_color" in changed:
            raise ValueError("random_grid_color and standard_grid_color exclude each other; remove one")
        if self.print_header and self.random_print_header:
            raise ValueError("print_header and random_print_header exclude each other; remove one")
        return self

    @property
    def changed(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return self.model_dump(exclude_defaults=True)

    @property
    def arguments(self) -> list[str]:
        """The options on the kit's command line, without the seed, which differs between pages."""
        words = []
        for name, value in self:
            if value is True:
                words.append(f"--{name}")
            elif value is not False and name != "seed":
                words += [f"--{name}", str(value)]
        return words


def find_kit(kit_path: str | None) -> Path:
    """The folder of the kit's program: ``kit_path``, a checkout or the generator's folder in it.

    Raises:
        ValueError: ``kit_path`` is not set, or does not contain the program.
    """
    if kit_path is None:
        raise ValueError("kit_path is not set; give the folder of an ecg-image-kit checkout")
    for folder in (Path(kit_path), Path(kit_path) / GENERATOR):
        if (folder / KIT_PROGRAM).is_file():
            return folder.resolve()
    raise ValueError(
        f"kit_path {kit_path}: found no {KIT_PROGRAM} there or in its {GENERATOR.as_posix()}; clone ecg-image-kit and "
        "give its folder"
    )


def find_python(kit_python: str) -> str:
    """The interpreter that runs the kit: a path, or a name on the search path.

    Raises:
        ValueError: there is no such program, or it is not executable.
    """
    found = shutil.which(kit_python)
    if found is None:
        raise ValueError(f"kit_python {kit_python}: no such program; `make kit-env` makes an environment for the kit")
    return str(Path(found).absolute())


def kit_hash(kit_path: str | None) -> str:
    """Hash of the kit's code and settings, 16 hexadecimal digits, the same in every checkout of one version."""
    folder, digest = find_kit(kit_path), hashlib.sha256()
    for file in sorted(path for pattern in ("*.py", "*.yaml", "*/*.py") for path in folder.glob(pattern)):
        digest.update(f"\n{file.relative_to(folder).as_posix()}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
