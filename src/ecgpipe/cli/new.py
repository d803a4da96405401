"""Commands that write a template folder: new-dataset, new-model."""

import importlib.util
import json
import re
import shlex
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from ecgpipe.cli.parser import Arguments, argument, command
from ecgpipe.errors import ConfigError

EXAMPLE_RECORDS = 40
NAME = re.compile(r"[a-z][a-z0-9_]*")


@command(
    argument("folder", type=Path, metavar="DIR", help="folder to create"),
    argument(
        "--kind", choices=("signals", "images"), default="signals", help="WFDB records (default), or scans and photos"
    ),
    argument("--name", help="name of the dataset (default: the folder's name)"),
    examples="""new-dataset clinic
    new-dataset scans --kind images""",
)
def new_dataset(args: Arguments) -> None:
    """Write a template folder for your own dataset, with example records and a configuration that runs."""
    from ecgpipe.config.benchmark import DATASETS
    from ecgpipe.config.data import RESERVED

    name = _valid_name(args)
    if name in (*DATASETS, *RESERVED):
        raise ConfigError(f"name {name!r}: reserved in configurations; set another name with --name")
    folder = _new_folder(args.folder)
    signals = args.kind == "signals"
    values = {
        "NAME": name,
        "DIR": folder.as_posix(),
        "SOURCE": "records" if signals else "scans",
        "CONTENT": "WFDB records and labels.csv" if signals else "one folder of images per class",
    }
    _write_template(f"dataset/{args.kind}/config.yaml", folder / f"{name}.yaml", values)
    _write_template(f"dataset/{args.kind}/trial.yaml", folder / "trial.yaml", values)
    _write_template("dataset/README.md", folder / "README.md", values)
    _write_examples(folder, signals)
    _print_first_run(folder, name)


def _write_examples(folder: Path, signals: bool) -> None:
    """Write simulated records with a label table, or their pages in one folder per class."""
    import csv
    import shutil
    from tempfile import TemporaryDirectory

    from ecgpipe.acquire.ptbxl import read_database
    from ecgpipe.acquire.simulate.dataset import simulate_dataset
    from ecgpipe.artifacts.signals import read_signal
    from ecgpipe.config.pages import RenderConfig
    from ecgpipe.progress import progress
    from ecgpipe.render.page import render_page

    with TemporaryDirectory(dir=folder) as temporary:
        simulated = Path(temporary) / "simulated"
        simulate_dataset(simulated, records=EXAMPLE_RECORDS, seed=1)
        rows = [
            (
                f"{ecg_id:04d}",
                "normal" if "NORM" in row.scp_codes else "abnormal",
                f"p{float(row.patient_id):03.0f}",
                simulated / f"records100/00000/{ecg_id:05d}_lr",
            )
            for ecg_id, row in read_database(simulated).iterrows()
        ]
        if signals:
            records = folder / "records"
            records.mkdir()
            for record, _, _, source in rows:
                header = source.with_suffix(".hea").read_text(encoding="utf-8")
                (records / f"{record}.hea").write_text(header.replace(source.name, record), encoding="utf-8")
                shutil.copyfile(source.with_suffix(".dat"), records / f"{record}.dat")
            with open(records / "labels.csv", "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("path", "label", "patient"), *(row[:3] for row in rows)])
            return
        for record, label, _, source in progress(rows, "pages", unit="pages"):
            (folder / "scans" / label).mkdir(parents=True, exist_ok=True)
            page = render_page(*read_signal(source, record), RenderConfig(dpi=100))
            (folder / "scans" / label / f"{record}.png").write_bytes(page.encode())


@command(
    argument("folder", type=Path, metavar="DIR", help="folder to create"),
    argument("--name", help="name of the model (default: the folder's name)"),
    examples="new-model my_net",
)
def new_model(args: Arguments) -> None:
    """Write a template folder for a user-defined model: the code of a small model, and a configuration that runs."""
    from ecgpipe.config.models import VARIANTS, unknown_model

    name = _valid_name(args)
    # without timm, every name counts as known
    if name in VARIANTS or (importlib.util.find_spec("timm") and unknown_model(name) is None):
        raise ConfigError(f"name {name!r}: a model of this name already exists; set another name with --name")
    folder = _new_folder(args.folder)
    values = {"NAME": name, "DIR": folder.as_posix()}
    _write_template("model/model.py.txt", folder / f"{name}.py", values)
    _write_template("model/config.yaml", folder / f"{name}.yaml", values)
    _write_template("model/README.md", folder / "README.md", values)
    _write_template("trial.yaml", folder / "trial.yaml", {})
    _print_first_run(folder, name)


def _valid_name(args: Arguments) -> str:
    """The name, which must also be valid for a Python function."""
    name = args.name or args.folder.resolve().name.replace("-", "_").lower()
    if not NAME.fullmatch(name):
        raise ConfigError(f"name {name!r}: use a-z, digits and _, starting with a letter; set it with --name")
    return name


def _new_folder(folder: Path) -> Path:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: already exists; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_template(template: str, target: Path, values: Mapping[str, str]) -> None:
    """Write a file of ``cli/templates`` with each ``@KEY@`` replaced, escaped for YAML or for a shell."""
    if target.suffix == ".yaml":  # within double quotes
        values = {key: json.dumps(value, ensure_ascii=False)[1:-1] for key, value in values.items()}
    elif target.suffix == ".md":
        values = {key: shlex.quote(value) if key == "DIR" else value for key, value in values.items()}
    text = resources.files("ecgpipe.cli").joinpath("templates", *template.split("/")).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    target.write_text(text, encoding="utf-8")


def _print_first_run(folder: Path, name: str) -> None:
    print(f"Wrote {folder}")
    print("A first run, which takes minutes on a CPU and only tests the setup:")
    files = shlex.join([f"{folder}/{name}.yaml", f"{folder}/trial.yaml"])
    print(f"  snakemake --cores 2 all --configfile {files}")
    print(f"Then run it without trial.yaml. {folder}/README.md explains the files.")
