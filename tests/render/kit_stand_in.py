"""A small program in ECG-Image-Kit's place: its options, files and ways to fail, and pages that it drew.

What the kit does is recorded in ``kit_run`` (``kit_recording``; commit 27b90f56896c9fc78b05a83ca14844ea2637aa0b). The
stand-in parses the kit's own options, reads headers as literally, and answers with the recorded page and JSON file. The
test ``test_kit_real`` compares the recording with the kit where there is one.
"""

from pathlib import Path

from ecgpipe.config.kit import KIT_PROGRAM
from tests.render.kit_recording import RECORDING

PROGRAM = """
import argparse, json, os, pathlib, random, sys, time
import numpy

RECORDING = pathlib.Path({recording!r})
LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
{fault_at_start}


def get_parser():
    parser = argparse.ArgumentParser()
    actions = {{"_StoreTrueAction": "store_true", "_StoreFalseAction": "store_false"}}
    for option in json.loads((RECORDING / "options.json").read_text()):
        words = {{"dest": option["dest"], "default": option["default"]}}
        if option["kind"] in actions:
            words["action"] = actions[option["kind"]]
        else:
            words["type"] = {{"int": int, "float": float, "str": str}}[option["type"]]
            words |= {{key: option[key] for key in ("nargs", "const", "required") if option[key] is not None}}
        parser.add_argument(*option["flags"], **words)
    return parser


def run(args):
    random.seed(args.seed)
    source, target = pathlib.Path(args.input_directory), pathlib.Path(args.output_directory)
    random.choice(os.listdir("Fonts"))
    records = sorted(path for path in source.rglob("*") if path.suffix in (".dat", ".mat"))
    if not records:
        raise Exception("The input directory does not have any WFDB compatible ECG files, please re-check the folder!")
    for data in records:
        draw(data, target / data.relative_to(source).parent, args)


def draw(data, folder, args):
    folder.mkdir(parents=True, exist_ok=True)
    header = data.with_suffix(".hea").read_text(encoding="utf-8")
    lines = [line.split(" ") for line in header.split("\\n")]
    count, rate, samples = int(lines[0][1]), float(lines[0][2].split("/")[0]), int(lines[0][3])
    leads = [words[-1] for words in lines[1 : count + 1]]
    name = data.name.split(".")[0]
    {fault}
    if [lead.upper() for lead in leads] != [lead.upper() for lead in LEADS]:
        raise KeyError(leads[0])  # of other leads the kit draws another page, or none
    for suffix in (".hea", ".dat"):
        (folder / (name + suffix)).write_bytes(data.with_suffix(suffix).read_bytes())
    for page in range(int(samples / rate) // 10):
        names = args.remove_lead_names  # false if the option is given
        facts = json.loads((RECORDING / ("default.json" if names else "no-names.json")).read_text())
        if args.augment:
            facts["leads"][-1]["lead_name"]  # the kit does not name the strip without lead names
            facts = json.loads((RECORDING / "augmented.json").read_text())
        for lead in facts["leads"]:
            if not args.lead_bbox:
                del lead["lead_bounding_box"]
            if not args.lead_name_bbox:
                lead.pop("text_bounding_box", None)
        (folder / f"{{name}}-{{page}}.png").write_bytes((RECORDING / "page.png").read_bytes())
        if args.store_config == 2:
            (folder / f"{{name}}-{{page}}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    run(get_parser().parse_args())
"""

IMGAUG = """
import numpy
FIRST = []
def seed(number):
    if not FIRST:
        FIRST.append(numpy.random.random())  # as imgaug, which makes its generator at the first call
"""


def stand_in(folder: Path, fault: str = "", fault_at_start: str = "") -> Path:
    """Write the program and its font folder.

    Args:
        folder: a new folder.
        fault: a statement that runs before each page; it sees `name`, `header`, `leads`, `rate`, `data`, `args`.
        fault_at_start: a statement that runs when the program is loaded.
    """
    (folder / "Fonts").mkdir(parents=True)
    (folder / "Fonts" / "font.ttf").touch()
    (folder / "imgaug").mkdir()  # the kit's library of augmentations, of which only the seed is used from outside
    (folder / "imgaug" / "__init__.py").touch()
    (folder / "imgaug" / "random.py").write_text(IMGAUG)
    program = PROGRAM.format(recording=str(RECORDING), fault=fault or "pass", fault_at_start=fault_at_start)
    (folder / KIT_PROGRAM).write_text(program)
    return folder
