"""Pages of PDF files as pictures, by PDFium."""

from collections.abc import Iterator

import numpy as np

from ecgpipe.errors import DataError

DPI = 200  # as pages are drawn
LONGEST = 4000  # pixels; larger sheets are drawn coarser
MAX_PAGES = 500
POINTS = 72  # to the inch


def pdf_pages(content: bytes, name: str) -> Iterator[np.ndarray | DataError]:
    """The pages of a PDF file, uint8 (H, W, 3) RGB on white; a DataError in the place of each that cannot be drawn.

    Raises:
        DataError: not a PDF file, protected, without a page or with more than 500; or pypdfium2 is not installed.
    """
    try:
        import pypdfium2
    except ImportError as error:
        raise DataError(f"{name}: PDF files need pypdfium2: pip install 'ecgpipe[predict]'") from error
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "assword" in str(error):
            raise DataError(f"{name}: a PDF file with a password; save it without") from error
        raise DataError(f"{name}: a PDF file that is broken or has no page; save it again") from error
    try:
        count = len(document)
        if not count:
            raise DataError(f"{name}: a PDF file without a page; save it again")
        if count > MAX_PAGES:
            raise DataError(f"{name}: a PDF file of {count} pages, more than {MAX_PAGES}; split it")
        for number in range(count):
            try:
                yield _draw(document[number])
            except (pypdfium2.PdfiumError, MemoryError, ValueError) as error:
                yield DataError(f"{name}, page {number + 1}: cannot be drawn ({error}); save the file again")
    finally:
        document.close()


def _draw(page) -> np.ndarray:
    longer = max(page.get_size())
    if not longer > 0:
        raise ValueError("it has no size")
    bitmap = page.render(scale=min(DPI / POINTS, LONGEST / longer))
    try:
        return np.array(bitmap.to_pil().convert("RGB"))
    finally:
        bitmap.close()
        page.close()
