"""Record what ECG-Image-Kit itself does: the truth of the small program that stands in for it in tests.

``python -m tests.render.kit_recording CHECKOUT PYTHON`` writes the files in ``tests/render/kit_run``: the kit's
options, and a simulated record drawn in the ways of ``RUNS``, as the kit wrote it. Of the plotted points every fiftieth
is kept.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.kit import find_kit
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.kit import kit_options, write_kit_record

RECORDING = Path(__file__).with_name("kit_run")
RUNS = {
    "default": {},
    "no-names": {"lead_names": False},
    "augmented": {"kit_options": {"augment": True, "rotate": 5, "noise": 1, "print_header": True}},
}
NAME, DPI, EVERY = "00001_lr", 50, 50
OPTIONS = """
import json, sys
sys.path[0] = "."
from gen_ecg_images_from_data_batch import get_parser
plain = lambda value: value if value is None or isinstance(value, (bool, int, float, str)) else value.__name__
options = [
    {"flags": each.option_strings, "dest": each.dest, "kind": type(each).__name__, "nargs": each.nargs,
     "type": plain(each.type), "default": plain(each.default), "const": plain(each.const), "required": each.required}
    for each in get_parser()._actions if each.dest != "help"
]
print(json.dumps(options, indent=0))
"""


def record_kit(checkout: str, python: str, target: Path) -> None:
    """Run the kit's program itself, as its own documentation says, and write the recording."""
    kit = find_kit(checkout)
    target.mkdir(exist_ok=True)
    listed = subprocess.run([python, "-c", OPTIONS], cwd=kit, check=True, capture_output=True, text=True)
    (target / "options.json").write_text(listed.stdout)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder, "records")
        inputs.mkdir()
        simulate_dataset(Path(folder, "raw"), records=1, seed=2)
        signal, rate = read_signal(Path(folder, "raw", "records100", "00000", NAME), NAME)
        write_kit_record(inputs, NAME, signal, rate)
        for run, keys in RUNS.items():
            outputs = Path(folder, run)
            config = RenderConfig(renderer="ecg-image-kit", dpi=DPI, **keys)
            command = [python, str(kit / "gen_ecg_images_from_data_batch.py"), "-i", str(inputs), "-o", str(outputs)]
            subprocess.run([*command, "-se", "3", *kit_options(config)], cwd=kit, check=True, capture_output=True)
            facts = json.loads((outputs / f"{NAME}-0.json").read_text())
            for lead in facts["leads"]:
                lead["plotted_pixels"] = lead["plotted_pixels"][::EVERY]
            (target / f"{run}.json").write_text(json.dumps(facts) + "\n")
            if run == "default":
                (target / "page.png").write_bytes((outputs / f"{NAME}-0.png").read_bytes())


if __name__ == "__main__":
    record_kit(*sys.argv[1:3], RECORDING)
