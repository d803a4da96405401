"""ecgpipe new-model"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Write a folder with a small model of your own that runs, to be changed: its code and its configuration."""
    from ecgpipe.cli.new_files import checked_name, new_folder, write_template
    from ecgpipe.config.models import unknown_model
    from ecgpipe.errors import ConfigError

    name = checked_name(args.name or args.folder.resolve().name.replace("-", "_").lower())
    if unknown_model(name) is None:
        raise ConfigError(f"name {name!r}: a model of this name is there already; set another by --name")
    folder = new_folder(args.folder)
    values = {"NAME": name, "DIR": folder.as_posix()}
    write_template("model/model.py.txt", folder / f"{name}.py", values)
    write_template("model/config.yaml", folder / f"{name}.yaml", values)
    write_template("model/README.md", folder / "README.md", values)
    write_template("trial.yaml", folder / "trial.yaml", {})
    print(f"written: {folder}; a first run, minutes on a CPU:")
    print(f"  snakemake --cores 2 all --configfile {folder}/{name}.yaml {folder}/trial.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where, and its name."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to make")
    parser.add_argument("--name", help="of the model (default: the folder's)")


NEW_MODEL = Command("new-model", run, add_arguments, "new-model my_net")
