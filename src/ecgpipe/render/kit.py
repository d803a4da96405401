"""Render with ECG-Image-Kit: run it on a shard's records, then read its pages and JSON files.

The kit (https://github.com/alphanumericslab/ecg-image-kit, BSD-3) is a separate program with its own dependencies, run
as ``gen_ecg_images_from_data_batch.py -i FOLDER -o FOLDER``. It draws every record below the input folder and writes
``NAME-0.png`` and ``NAME-0.json`` to the same relative path below the output folder.
"""

import glob
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ecgpipe.artifacts.pages import StoredPage, write_pages
from ecgpipe.artifacts.signals import read_record
from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import ProblemList
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import ConfigError, DataError, RecordError

SCRIPT = "gen_ecg_images_from_data_batch.py"
KEPT = ("lead_name", "lead_bounding_box", "start_sample", "end_sample")
TAIL = 1500  # characters of the kit's error output that are quoted

TIMEOUT = 3600.0  # seconds per shard


def script_of(kit_path: str | None) -> Path:
    """Find the kit's program below ``kit_path``, its checkout or the generator's folder.

    Raises:
        ConfigError: not found.
    """
    if kit_path is None:
        raise ConfigError("render.kit_path is not set; give the folder of an ecg-image-kit checkout")
    for folder in (Path(kit_path), Path(kit_path) / "codes" / "ecg-image-generator"):
        if (folder / SCRIPT).is_file():
            return (folder / SCRIPT).resolve()
    raise ConfigError(
        f"render.kit_path {kit_path}: found no {SCRIPT} there or in its codes/ecg-image-generator; clone ecg-image-kit "
        "and give its folder"
    )


def run_kit(source: Path, target: Path, config: RenderConfig, seed: int = 0) -> None:
    """Run the kit on all records below ``source``; its pages go to ``target``.

    Raises:
        ConfigError: the kit or its interpreter is missing.
        DataError: it failed (the end of its error output is quoted) or took longer than ``TIMEOUT``.
    """
    script = script_of(config.kit_path)
    python = config.kit_python if "/" not in config.kit_python else str(Path(config.kit_python).absolute())
    command = [python, str(script), "-i", str(source), "-o", str(target)]
    command += ["-se", str(seed), "-r", str(round(config.dpi)), "--store_config", "2"]
    command += ["--lead_bbox", "--lead_name_bbox", "--calibration_pulse", "1" if config.pulse else "0"]
    command += ["--random_grid_present", "1" if config.grid else "0"]
    command += [] if config.lead_names else ["--remove_lead_names"]
    try:  # the kit looks for its fonts in the working directory
        done = subprocess.run(
            command, cwd=script.parent, capture_output=True, text=True, errors="replace", timeout=TIMEOUT
        )
    except FileNotFoundError as error:
        raise ConfigError(f"render.kit_python {config.kit_python}: not found ({error})") from error
    except PermissionError as error:
        raise ConfigError(f"render.kit_python {config.kit_python}: not executable ({error})") from error
    except subprocess.TimeoutExpired as error:
        raise DataError(f"ECG-Image-Kit was stopped after {TIMEOUT:g} s; use smaller shards") from error
    if done.returncode:
        raise DataError(f"ECG-Image-Kit failed with status {done.returncode}:\n{done.stderr[-TAIL:].strip()}")
    sys.stderr.write(done.stderr[-TAIL:])


def read_kit_page(json_file: Path, record_id: str) -> StoredPage:
    """Read a page that the kit wrote; its image is not re-encoded.

    Args:
        json_file: ``NAME-0.json``, beside ``NAME-0.png``; written with ``--store_config 2``.
        record_id: of the record.

    Raises:
        RecordError: a file is missing or unreadable, or has no lead boxes.
    """
    image_file = json_file.with_suffix(".png")
    try:
        facts, image = json.loads(json_file.read_text()), image_file.read_bytes()
        boxes = {key: facts[key] for key in ("sampling_frequency", "width", "height", "resolution")}
        boxes["leads"] = [
            # without lead names the kit writes no text boxes
            {key: lead[key] for key in KEPT} | {"text_bounding_box": lead.get("text_bounding_box", {})}
            for lead in facts["leads"]
        ]
    except FileNotFoundError as error:
        raise RecordError(record_id, str(error.filename), "missing-page", "ECG-Image-Kit wrote no such file") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        detail = f"not a page description of ECG-Image-Kit ({error!r})"
        raise RecordError(record_id, str(json_file), "broken-page", detail) from error
    return StoredPage(record_id, image, json.dumps(boxes))


def render_shard_with_kit(
    records: pd.DataFrame,
    source: Path | str,
    sampling_rate: float | None,
    config: RenderConfig,
    pages_file: Path | str,
    problems_file: Path | str,
    *,
    strict: bool = False,
) -> int:
    """Render a shard by one run of the kit; unusable records and missing pages are listed in the problems table.

    Arguments, result and files as for ``ecgpipe.render.shard.render_shard``. The kit works in a temporary folder.
    """
    script_of(config.kit_path)
    problems, files = ProblemList("render", strict), open_source(source)
    rows = list(zip(records["record_id"], records["path"], strict=True))
    with tempfile.TemporaryDirectory(prefix="ecg-image-kit-") as folder:
        inputs, outputs = Path(folder, "records"), Path(folder, "pages")
        outputs.mkdir()
        readable = []
        for record_id, path in rows:
            try:
                read_record(files, path, record_id, sampling_rate)
            except RecordError as error:
                problems.add(error)
                continue
            (inputs / path).parent.mkdir(parents=True, exist_ok=True)
            with files.record(path) as local:
                for file in local.parent.glob(f"{glob.escape(local.name)}.*"):
                    shutil.copyfile(file, (inputs / path).parent / file.name)
            readable.append((record_id, path))
        if readable:
            run_kit(inputs, outputs, config)

        def pages() -> Iterator[StoredPage]:
            for record_id, path in readable:
                try:
                    yield read_kit_page(outputs / f"{path}-0.json", record_id)
                except RecordError as error:
                    problems.add(error)

        count = write_pages(pages(), pages_file)
    problems.write(problems_file)
    return count
