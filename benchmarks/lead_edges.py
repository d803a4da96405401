"""How far the ends of the leads on pages are from where a person marked them.

    python -m benchmarks.lead_edges PAGES ANNOTATIONS

PAGES: pictures. ANNOTATIONS: for each a JSON file of the same name, with ``leads``: ``name`` and ``baseline``, points
(x, y) of the picture from the lead's start to its end. Rhythm strips and pages that lie on their side are left out.
Prints the differences in mm: for each page the median and the largest, at starts and at ends; then all pages together.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from ecgpipe.reader.lead_line import read_lines
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.read import load_reader


def differences(picture: np.ndarray, annotation: dict, net: ReaderNet) -> np.ndarray:
    """(leads, 2): found minus marked start and end, mm; empty for a page on its side."""
    read = read_lines(picture, net)
    if read.page.view.degrees:
        return np.zeros((0, 2))
    found = []
    for lead in (line.lead for line in read.lines if not line.lead.strip):
        marked = [
            read.page.frame.to_mm(np.array(each["baseline"], float))
            for each in annotation["leads"]
            if each["name"].lower() == lead.name.lower()
        ]
        if marked:
            nearest = min(marked, key=lambda points: abs(points[:, 1].mean() - lead.baseline))
            found.append((lead.left - nearest[0, 0], lead.right - nearest[-1, 0]))
    return np.array(found).reshape(-1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path)
    parser.add_argument("annotations", type=Path)
    args = parser.parse_args()
    net, everything = load_reader(), []
    for file in sorted(args.pages.iterdir()):
        annotation = json.loads((args.annotations / f"{file.stem}.json").read_text())
        found = differences(np.ascontiguousarray(cv2.imread(str(file))[..., ::-1]), annotation, net)
        everything.append(found)
        print(f"{file.name}: {_summary(found)}", flush=True)
    together = np.concatenate(everything)
    print(f"{len(together)} leads: {_summary(together)}; within 2.5 mm: {(np.abs(together) <= 2.5).mean():.0%}")


def _summary(found: np.ndarray) -> str:
    if not len(found):
        return "left out"
    median, most = np.median(np.abs(found), axis=0), np.abs(found).max(axis=0)
    return f"start {median[0]:.1f} mm (at most {most[0]:.1f}), end {median[1]:.1f} mm (at most {most[1]:.1f})"


if __name__ == "__main__":
    main()
