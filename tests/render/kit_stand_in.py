"""A small program in ECG-Image-Kit's place: its options, its files and its ways to fail, and pages that the kit drew.

What the kit does was read from its repository at commit 0b4238b5f4c0c3064e020fe4cbfe2243aaef6fa0: options and their
types; records are found by their ``.dat`` files and it fails without any; it works in its own folder, where it picks a
font; beside ``NAME-0.png`` and ``NAME-0.json`` it writes the record again; only names that are shown have text boxes.
"""

from pathlib import Path

from ecgpipe.render.kit import SCRIPT

INTEGERS = (
    "-se --seed;--max_num_images;-r --resolution;--pad_inches;--num_columns;-n --num_words;--x_offset;--y_offset;"
    "-ca --crease_angle;-nv --num_creases_vertically;-nh --num_creases_horizontally;-rot --rotate;-noise --noise;"
    "-t --temperature;--standard_grid_color"
)
NUMBERS = "--hws;-c --crop;--calibration_pulse;--random_grid_present;--random_print_header;--random_bw"
WORDS = "--num_leads;--config_file;--full_mode;-l --link"
SWITCHES = (
    "-ph --print_header;--mask_unplotted_samples;--add_qr_code;--random_resolution;--random_padding;"
    "--random_grid_color;--lead_name_bbox;--deterministic_offset;--deterministic_num_words;--deterministic_hw_size;"
    "--deterministic_angle;--deterministic_vertical;--deterministic_horizontal;--deterministic_rot;"
    "--deterministic_noise;--deterministic_crop;--deterministic_temp;--fully_random;--hw_text;--wrinkles;--augment;"
    "--lead_bbox;--remove_lead_names"
)
PROGRAM = """
import argparse, json, os, pathlib, random, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("-i", "--input_directory", required=True)
parser.add_argument("-o", "--output_directory", required=True)
for kind, names in ((int, {integers!r}), (float, {numbers!r}), (str, {words!r})):
    for name in names.split(";"):
        parser.add_argument(*name.split(), type=kind)
for name in {switches!r}.split(";"):
    parser.add_argument(*name.split(), action="store_true")
parser.add_argument("--store_config", type=int, nargs="?", const=1, default=0)
options = parser.parse_args()
made = pathlib.Path({made!r})
source, target = pathlib.Path(options.input_directory), pathlib.Path(options.output_directory)
{fault}
font = random.choice(os.listdir("Fonts"))
records = sorted(source.rglob("*.dat"))
if not records:
    raise Exception("The input directory does not have any WFDB compatible ECG files")
for data in records:
    folder = target / data.relative_to(source).parent
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".hea", ".dat"):
        (folder / (data.stem + suffix)).write_bytes(data.with_suffix(suffix).read_bytes())
    page = made / (data.stem + "-0.png")
    if not page.exists():
        continue
    (folder / page.name).write_bytes(page.read_bytes())
    facts = json.loads(page.with_suffix(".json").read_text())
    for lead in facts["leads"]:
        if not options.lead_bbox:
            del lead["lead_bounding_box"]
        if options.remove_lead_names or not options.lead_name_bbox:
            del lead["text_bounding_box"]
    if options.store_config == 2:
        (folder / page.name).with_suffix(".json").write_text(json.dumps(facts))
"""


def stand_in(folder: Path, made: Path, fault: str = "") -> Path:
    """Write the program and its font folder; it copies the pages in ``made``, after the statement ``fault``."""
    (folder / "Fonts").mkdir(parents=True)
    (folder / "Fonts" / "font.ttf").touch()
    names = {"integers": INTEGERS, "numbers": NUMBERS, "words": WORDS, "switches": SWITCHES}
    (folder / SCRIPT).write_text(PROGRAM.format(made=str(made), fault=fault, **names))
    return folder
