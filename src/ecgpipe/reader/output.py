"""The files of ``ecgpipe read`` for each picture: JSON, the upright page, an overlay, and the mask of the traces."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from ecgpipe.artifacts.files import atomic_path, write_json
from ecgpipe.artifacts.page_files import Picture
from ecgpipe.artifacts.page_names import ResultNames, source_of
from ecgpipe.artifacts.pictures import as_stored
from ecgpipe.errors import DataError
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.page import ReadPage, understand_page
from ecgpipe.reader.templates import Layout

ROW_COLOURS = ((200, 30, 40), (30, 100, 200), (20, 140, 70), (190, 110, 0), (130, 50, 170), (0, 140, 150))
"""RGB of the traces of successive rows."""
OTHER_INK = (150, 150, 150)


class ReadFolder:
    """Writes STEM.json, STEM-page.png and STEM-overlay.png for pictures; results of other pictures are kept.

    Args:
        folder: created if missing.
        mask: also write STEM-mask.png, in the size and orientation in which the file stores the picture.
        layouts: as in ``understand_page``.
        inputs: files that are read, which no result replaces.
    """

    def __init__(self, folder: Path, mask: bool, layouts: Sequence[Layout] | None, inputs: Iterable[Path] = ()) -> None:
        self.folder, self.mask, self.layouts = folder, mask, layouts
        ends = (".json", "-page.png", "-overlay.png", *(("-mask.png",) if mask else ()))
        self._names = ResultNames(folder, ends, inputs)

    def write(self, picture: Picture, net: ReaderNet) -> tuple[str, dict]:
        """Read a picture and write the results; returns one line about it with its notes, and the content of the JSON.

        Raises:
            DataError: there is no ECG in the picture; the message names it.
        """
        try:
            page = understand_page(picture.image, net, self.layouts)
        except DataError as error:
            raise DataError(f"{picture.name}: {error}") from error
        stem = self._names.stem(picture.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        upright = page.upright(picture.image)
        write_png(self.folder / f"{stem}-page.png", upright)
        write_png(self.folder / f"{stem}-overlay.png", lead_overlay(upright, page))
        if self.mask:
            write_png(self.folder / f"{stem}-mask.png", as_stored(page.mask, picture.orientation))
        summary = {"name": picture.name, "source": source_of(picture.name), "stem": stem} | page.summary()
        write_json(self.folder / f"{stem}.json", summary)
        return f"{picture.name}: {describe(page)}", summary


def describe(page: ReadPage) -> str:
    """Layout and resolution on one line, then one line per note."""
    kind = "" if page.reading.grid_found else "about "
    text = f"{page.leads.layout}, {kind}{page.reading.geometry.pixels_per_mm:.1f} pixels per mm"
    return text + "".join(f"\n  {note}" for note in page.notes)


def lead_overlay(upright: np.ndarray, page: ReadPage) -> np.ndarray:
    """The upright page (h, w, 3), paler, with one colour for each row's traces, lead names, and gaps in yellow."""
    shown = (255 - (255 - upright.astype(np.int16)) // 2).astype(np.uint8)
    shown[page.frame.warp(page.reading.maps[1], page.reading.scale, 0) >= 0.5] = OTHER_INK
    mm = page.frame.pixels_per_mm
    for lead in page.leads.leads:
        top, bottom = round((lead.baseline - 5) * mm), round((lead.baseline + 5) * mm)
        for left, right in lead.gaps:
            area = shown[max(top, 0) : bottom, round(left * mm) : round(right * mm)]
            area[...] = area // 2 + np.array([127, 110, 0], np.uint8)
    for row in range(len(page.leads.rows)):
        shown[page.leads.row_of == row] = ROW_COLOURS[row % len(ROW_COLOURS)]
    for lead in page.leads.leads:
        x, y = round(lead.left * mm), round(lead.baseline * mm)
        cv2.line(shown, (x, y - round(4 * mm)), (x, y + round(4 * mm)), (0, 0, 0), 1)
        text = lead.name if lead.name_read else f"({lead.name})"
        cv2.putText(
            shown, text, (x + 3, y - round(6 * mm)), cv2.FONT_HERSHEY_SIMPLEX, 0.12 * mm, (0, 0, 0), 1, cv2.LINE_AA
        )
    return shown


def write_png(path: Path, picture: np.ndarray) -> None:
    encoded = cv2.imencode(".png", picture[..., ::-1] if picture.ndim == 3 else picture)[1]
    with atomic_path(path) as partial:
        partial.write_bytes(encoded.tobytes())
