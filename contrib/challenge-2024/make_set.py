"""Draw a small Challenge dataset of PTB-XL: records, images of their pages, headers with images and labels.

    python make_set.py PTB-XL OUTPUT --folds 10 --count 40 --shown-only

The headers have the lines that the Challenge's own scripts write (prepare_ptbxl_data.py and prepare_image_data.py of
physionetchallenges/python-example-2024), without the demographics.
"""

import argparse
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import wfdb

from ecgpipe.acquire.challenge_2024 import acute_records, with_acute
from ecgpipe.acquire.labels import read_grouping
from ecgpipe.acquire.ptbxl import present_records, read_database, record_path
from ecgpipe.artifacts.files import write_text
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.config.data import CHALLENGE, CHALLENGE_CLASSES
from ecgpipe.config.pages import DEGRADE_LEVELS, LAYOUTS, DegradeConfig, RenderConfig
from ecgpipe.render.degrade import DegradedPage, degrade_page
from ecgpipe.render.page import Page, render_page

RATE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ptbxl", type=Path, metavar="PTB-XL", help="folder with records500/")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    parser.add_argument("--folds", type=int, nargs="+", default=[10], metavar="N")
    parser.add_argument("--count", type=int, help="a random sample of this many records (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and of the degradation of pages")
    parser.add_argument("--plus", type=Path, metavar="PTB-XL+", help="for acute infarctions; without it all are old")
    parser.add_argument("--layout", choices=LAYOUTS, default="kit")
    parser.add_argument("--level", choices=DEGRADE_LEVELS, default="none", help="degradation of the pages")
    parser.add_argument("--no-images", action="store_true", help="records and labels alone")
    parser.add_argument("--shown-only", action="store_true", help="blank what the page does not show, to score against")
    args = parser.parse_args()
    database, (groups, _) = read_database(args.ptbxl), read_grouping(args.ptbxl, CHALLENGE)
    acute = acute_records(args.plus) if args.plus else set()
    there = present_records(args.ptbxl, RATE)
    ids = [ecg_id for ecg_id in database.index[database["strat_fold"].isin(args.folds)] if ecg_id in there]
    ids = sorted(np.random.default_rng(args.seed).permutation(ids)[: args.count].tolist())
    config = RenderConfig(layout=args.layout, degrade=DegradeConfig(level=args.level, seed=args.seed))
    args.output.mkdir(parents=True, exist_ok=True)
    for ecg_id in ids:
        codes = database.loc[ecg_id, "scp_codes"]
        labels = challenge_labels(with_acute(codes, groups) if ecg_id in acute else codes, groups)
        source = args.ptbxl / record_path(ecg_id, RATE)
        target = args.output / source.name
        signal, _ = read_signal(source, source.name)
        comments = [f"# Labels: {', '.join(labels)}"]
        for suffix in (".hea", ".dat"):
            shutil.copyfile(source.with_suffix(suffix), target.with_suffix(suffix))
        if not args.no_images:
            page = degrade_page(render_page(signal, RATE, config), config.degrade, source.name)
            content = page.encode()
            suffix = "png" if content[1:4] == b"PNG" else "jpg"
            image = target.with_name(f"{target.name}-0.{suffix}")
            image.write_bytes(content)
            comments.append(f"# Image: {image.name}")
            if args.shown_only:
                write_shown(target, signal, page)
        header = target.with_suffix(".hea").read_text().splitlines()
        lines = [line for line in header if not line.startswith("#")] + comments
        write_text(target.with_suffix(".hea"), "\n".join(lines) + "\n")
    print(f"{args.output}: {len(ids)} records")


def challenge_labels(codes: Collection[str], group_of: Mapping[str, str]) -> list[str]:
    """The classes of a record's statements, in the Challenge's order."""
    found = {group_of[code] for code in codes if code in group_of}
    return [name for name in CHALLENGE_CLASSES if name in found]


def write_shown(target: Path, signal: np.ndarray, page: Page | DegradedPage) -> None:
    """Replace a record's signal by what its page shows of it, as ``--mask_unplotted_samples`` of ECG-Image-Kit does."""
    shown = np.full(signal.shape, np.nan)
    for lead in page.leads:
        part = np.s_[LEADS.index(lead.name.upper()), lead.start_sample : lead.end_sample]
        shown[part] = signal[part]
    header = wfdb.rdheader(str(target))
    wfdb.wrsamp(
        target.name, fs=RATE, units=header.units, sig_name=header.sig_name, p_signal=shown.T, fmt=header.fmt,
        adc_gain=header.adc_gain, baseline=header.baseline, write_dir=str(target.parent),
    )  # fmt: skip


if __name__ == "__main__":
    main()
