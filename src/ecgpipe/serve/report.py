"""A prediction as a PDF file of one A4 page: overlay, probabilities, values read from the page, and notes."""

import io
import textwrap
import warnings
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.patches import Rectangle
from PIL import Image

import ecgpipe
from ecgpipe.artifacts.model_folder import NOTICE
from ecgpipe.artifacts.recording_model import display_name
from ecgpipe.predict.prediction import Prediction

WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 15.0  # mm
MM_PER_INCH, MM_PER_POINT = 25.4, 25.4 / 72
LINE = 1.35  # line height, relative to the font size
LETTER = 0.56  # mean width of a letter, relative to the font size
PICTURE_SIDE = 1600  # pixels, 225 per inch on the page
LONGEST_NAME = 34  # letters of a class and its meaning
MOST_CLASSES = 12  # listed, the most probable ones
LEAST_PICTURE = 70.0  # mm of height that the notes leave for the picture
FONTS = (
    "DejaVu Sans", "Arial Unicode MS", "Microsoft YaHei", "SimHei", "WenQuanYi Zen Hei", "Droid Sans Fallback",
    "Yu Gothic", "Malgun Gothic", "NanumGothic", "Tahoma", "Noto Sans Arabic", "Noto Sans Devanagari", "Nirmala UI",
)  # fmt: skip
"""The font, and others for letters that it lacks: TrueType, since PDF files of matplotlib cannot contain others."""
WARNING, FAINT, BAR = "#b00020", "#606060", "#1f5fa8"


def report_pdf(
    prediction: Prediction, words: Mapping[str, Any], overlay: np.ndarray, label: str, model: Mapping[str, Any]
) -> bytes:
    """The report of one page.

    Args:
        prediction: of the page.
        words: its ``explain_prediction``.
        overlay: uint8 (H, W, 3) RGB, the page with its marks.
        label: the class of the marks.
        model: ``Predictor.description``.
    """
    sheet = _Sheet()
    sheet.text(prediction.name, 14, bold=True, max_lines=2)
    made_by = f"ecgpipe {ecgpipe.__version__}, {display_name(model['variant'])}"
    sheet.text(f"{made_by}, {datetime.now():%Y-%m-%d %H:%M}", 8, FAINT)
    sheet.space()
    sheet.text(NOTICE, 9, WARNING, bold=True)
    sheet.space()
    if words["unusual"]:
        sheet.text(words["unusual"], 9, WARNING, bold=True)
    sheet.text(words["summary"], 11, bold=True)
    sheet.text(words["sure"], 9)
    sheet.space()
    for row in words["classes"][:MOST_CLASSES]:
        sheet.probability(row)
    if others := words["classes"][MOST_CLASSES:]:
        sheet.text(f"and {len(others)} classes of {others[0]['probability']:.1%} or less", 8, FAINT)
    sheet.space()
    if words["thresholds"]:
        sheet.text(words["thresholds"], 8, FAINT)
    if words["read"]:
        sheet.text("Read from the page: " + "; ".join(f"{term}: {text}" for term, text in words["read"]) + ".", 9)
    notes = [*(["The page was straightened."] if prediction.rectified else []), *words["notes"]]
    for number, note in enumerate(notes):
        if sheet.height_left < LEAST_PICTURE:
            sheet.text(f"and {len(notes) - number} more notes; see the web page", 8, FAINT)
            break
        sheet.text(f"Note: {note}", 8, FAINT)
    sheet.space()
    marks = "Coloured: the seconds that support" if prediction.read is not None else "Coloured: what the model used for"
    sheet.text(f"{marks} {label}.", 9)
    sheet.picture(overlay)
    return sheet.content(f"{prediction.name}: prediction")


@cache
def _fonts() -> list[str]:
    """Those of the fonts that are installed."""
    installed = set(get_font_names())
    return [name for name in FONTS if name in installed]


class _Sheet:
    """An A4 sheet that is filled from the top; positions in mm."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(WIDTH / MM_PER_INCH, HEIGHT / MM_PER_INCH))
        self.top = MARGIN

    @property
    def height_left(self) -> float:
        """Height left above the bottom margin, mm."""
        return HEIGHT - MARGIN - self.top

    def space(self) -> None:
        self.top += 1.5

    def text(self, text: str, size: float, colour: str = "black", bold: bool = False, max_lines: int = 6) -> None:
        """Write a paragraph of at most ``max_lines`` lines; size in points."""
        letter = size * MM_PER_POINT * LETTER * (1.12 if bold else 1)
        width = int((WIDTH - 2 * MARGIN) / letter)
        for line in textwrap.wrap(text, width, max_lines=max_lines, placeholder=" …"):
            self.top += size * MM_PER_POINT * LINE
            self._write(MARGIN, line, size, colour, bold)

    def probability(self, row: Mapping[str, Any]) -> None:
        """Write a class, its probability as a bar and a number, and the threshold that it reaches."""
        self.top += 9 * MM_PER_POINT * LINE * 1.1
        name = row["label"] if row["meaning"] is None else f"{row['label']}, {row['meaning']}"
        self._write(MARGIN, name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 2]} …", 9)
        left, length = MARGIN + 60, 30.0
        for width, colour in ((length, "#e4e4e4"), (length * row["probability"], BAR)):
            self.figure.add_artist(
                Rectangle(
                    (left / WIDTH, 1 - self.top / HEIGHT),
                    width / WIDTH,
                    2.4 / HEIGHT,
                    color=colour,
                    linewidth=0,
                    transform=self.figure.transFigure,
                )
            )
        self._write(left + length + 3, f"{row['probability']:.1%}", 9)
        self._write(left + length + 17, textwrap.shorten(row["result"], 64, placeholder=" …"), 6.5, FAINT)

    def picture(self, picture: np.ndarray) -> None:
        """Draw a picture in the remaining space."""
        shown = Image.fromarray(picture)
        shown.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        # at most 256 colours: matplotlib stores these as a palette, a quarter of the size; the default method turns the
        # few orange pixels of the marks red
        few = shown.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        pixels = np.asarray(few.convert("RGB"))
        space = 2.0
        width, height = WIDTH - 2 * MARGIN, max(self.height_left - space, LEAST_PICTURE / 2)
        scale = min(width / pixels.shape[1], height / pixels.shape[0])
        width, height = scale * pixels.shape[1], scale * pixels.shape[0]
        bottom = 1 - (self.top + space + height) / HEIGHT
        axes = self.figure.add_axes((MARGIN / WIDTH, bottom, width / WIDTH, height / HEIGHT))
        axes.imshow(pixels, interpolation="none", aspect="auto")
        axes.set_xticks([])
        axes.set_yticks([])

    def content(self, title: str) -> bytes:
        stream = io.BytesIO()
        with matplotlib.rc_context({"pdf.fonttype": 42}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # of a script without an installed font
            FigureCanvasPdf(self.figure).print_pdf(stream, metadata={"Title": title, "Creator": "ecgpipe"})
        return stream.getvalue()

    def _write(self, left: float, text: str, size: float, colour: str = "black", bold: bool = False) -> None:
        self.figure.text(
            left / WIDTH,
            1 - self.top / HEIGHT,
            text,
            size=size,
            color=colour,
            weight="bold" if bold else "normal",
            family=_fonts(),
            parse_math=False,  # names may contain a $
        )
