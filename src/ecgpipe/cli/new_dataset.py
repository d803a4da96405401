"""ecgpipe new-dataset"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command

RECORDS = 40
OWN = {
    "signals": """    labels: labels.csv        # a row per record; in the folder or anywhere
    columns: {patient: patient}   # path and label are called as they are by default
    classes: [normal, abnormal]   # other labels do not count; without this key: all, sorted
    policy: single            # multilabel: records with one class or more, separated by ;
    # derive_leads: true      # compute III, aVR, aVL and aVF where records have 8 leads""",
    "images": "    # labels: labels.csv    # instead of class folders: a table with the columns path and label",
}


def run(args: Arguments) -> None:
    """Write a folder in the form of a data set of your own, with examples and a configuration that runs."""
    from ecgpipe.cli.new_files import checked_name, new_folder, write_template
    from ecgpipe.config.data import RESERVED
    from ecgpipe.config.schema import DATASETS
    from ecgpipe.errors import ConfigError

    name = checked_name(args.name or args.folder.resolve().name.replace("-", "_").lower())
    if name in (*DATASETS, *RESERVED):
        raise ConfigError(f"name {name!r}: it has another meaning in configurations; set another by --name")
    folder = new_folder(args.folder)
    signals = args.kind == "signals"
    values = {
        "NAME": name,
        "DIR": folder.as_posix(),
        "KIND": args.kind,
        "SOURCE": "records" if signals else "scans",
        "WHAT": "WFDB records and labels.csv" if signals else "a folder of images per class",
        "OWN": OWN[args.kind],
        "PROTOCOL": "patient" if signals else "unique",
    }
    write_template("dataset/config.yaml", folder / f"{name}.yaml", values)
    write_template("dataset/README.md", folder / "README.md", values)
    write_template("trial.yaml", folder / "trial.yaml", {})
    _write_examples(folder, signals)
    print(f"written: {folder}; a first run, minutes on a CPU:")
    print(f"  snakemake --cores 2 all --configfile {folder}/{name}.yaml {folder}/trial.yaml")


def _write_examples(folder: Path, signals: bool) -> None:
    """Simulated records with a table of labels, or pages of them in class folders."""
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
        made = Path(temporary) / "made"
        simulate_dataset(made, records=RECORDS, seed=1)
        table = read_database(made)
        rows = [
            (
                f"{ecg_id:04d}",
                "normal" if "NORM" in row.scp_codes else "abnormal",
                f"p{float(row.patient_id):03.0f}",
                made / f"records100/00000/{ecg_id:05d}_lr",
            )
            for ecg_id, row in table.iterrows()
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where, of which kind, and its name."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to make")
    parser.add_argument(
        "--kind", choices=("signals", "images"), default="signals", help="WFDB records (default), or scans and photos"
    )
    parser.add_argument("--name", help="of the data set (default: the folder's)")


NEW_DATASET = Command(
    "new-dataset",
    run,
    add_arguments,
    """new-dataset clinic
new-dataset scans --kind images""",
)
