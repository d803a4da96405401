"""Files in formats other than those of pages and records: their format by content, and how to convert them."""

import re

HEAD = 4096  # bytes of a file that are examined
EDF2MIT = "with edf2mit (WFDB Software Package) to a WFDB record"
BIOSIG = f"convert it to EDF with save2gdf (BioSig), and that {EDF2MIT}"
TOOLKIT = "convert it to DICOM with the ECG Toolkit, or print the ECG to PDF"
ECG2DCM = "convert it to DICOM with ecg2dcm (pip install ecg2dcm, in a separate environment), or print the ECG to PDF"
NO_RECORD = "give the WFDB record (.hea) that belongs to it"
STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"ISHNE1.0", "an ISHNE Holter recording", BIOSIG),
    (b"ANN  1.0", "ISHNE annotations", "give the recording, as a WFDB record"),
    (b"\xffBIOSEMI", "a BDF recording", f"convert it to EDF with save2gdf (BioSig), and that {EDF2MIT}"),
    (b"GDF ", "a GDF recording", BIOSIG),
    (b"@ MFR", "an MFER recording", BIOSIG),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", NO_RECORD),
    (b"\x89HDF\r\n", "an HDF5 file", "write its signals as WFDB records (wfdb.wrsamp)"),
    (b"\x93NUMPY", "a NumPy array", "write its signals as a WFDB record (wfdb.wrsamp)"),
    (b"\x1f\x8b", "a compressed file (gzip)", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z)", "unpack it, and give the folder"),
    (b"Rar!", "an archive (rar)", "unpack it, and give the folder"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document", "save its pages as PDF"),
    (b"{\\rtf", "a text document (RTF)", "save its pages as PDF"),
    (b"8BPS", "a Photoshop file", "save it as PNG or JPEG"),
    (b"AT&TFORM", "a DjVu file", "save its pages as PDF"),
    (b"%!PS", "a PostScript file", "convert it to PDF with ps2pdf"),
)
XML: tuple[tuple[str, str, str], ...] = (
    ("annotatedecg", "an HL7 aECG recording", ECG2DCM),
    ("restingecgdata", "a Philips XML recording", ECG2DCM),
    ("restingecg", "a GE MUSE XML recording", ECG2DCM),
    ("cardiologyxml", "a GE CardioSoft XML recording", ECG2DCM),
    ("sapphire", "a GE XML recording", TOOLKIT),
    ("ecg", "an XML recording (Mortara)", ECG2DCM),
    ("svg", "an SVG drawing, which is not supported", "save it as PNG or PDF"),
)
VIDEO = "a video"
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
AVIF_BRANDS = {b"avif", b"avis"}


def unsupported_format(content: bytes) -> str | None:
    """A file's format and the remedy, if the format is known but not supported; else None.

    Args:
        content: content of the file; its first ``HEAD`` bytes are enough.
    """
    head, size = content[:HEAD], len(content)
    if head.startswith(b"PK\x03\x04"):
        office = any(word in head for word in (b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis"))
        kind = ("an Office document", "save its pages as PDF") if office else ("a zip archive", "unpack it")
        return "; ".join(kind)
    if head[16:22] == b"SCPECG" or (
        head[8:10] == b"\0\0" and size > 100 and _length(head) == size and head[14] in range(10, 40)
    ):
        return f"an SCP-ECG recording; {TOOLKIT}"
    if re.match(rb"0 {7}.{160}\d\d\.\d\d\.\d\d\d\d\.\d\d\.\d\d\d{2,8} *", head, re.DOTALL):
        return f"an EDF recording; convert it {EDF2MIT}"
    if head[4:8] == b"ftyp" and isobmff_kind(head) is None:
        return f"{VIDEO}; give a photo, or save one picture of it"
    if head[16:24] == b"\4\0\0\0val\0":  # version 4, as in WFDB records: length of a name, name
        return f"a MATLAB file; {NO_RECORD}"
    for start, what, remedy in STARTS:
        if head.startswith(start):
            return f"{what}; {remedy}"
    return _xml(head)


def isobmff_kind(head: bytes) -> str | None:
    """``heif`` or ``avif`` for a picture in an ISO base media file, by its brands; None for anything else."""
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), 256)
    brands = {head[8:12]} | {head[start : start + 4] for start in range(16, end - 3, 4)}
    return "avif" if brands & AVIF_BRANDS else "heif" if brands & HEIF_BRANDS else None


def _length(head: bytes) -> int:
    """Length of an SCP-ECG file as it states it."""
    return int.from_bytes(head[2:6], "little")


def _xml(head: bytes) -> str | None:
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", "replace").lower()
    text = text.lstrip("ï»¿\ufeff \t\r\n")
    if not text.startswith(("<?xml", "<!doctype", "<!--", "<")):
        return None
    elements = re.findall(r"<(?:\w+:)?(\w+)", re.sub(r"<!--.*?(-->|$)|<\?.*?(\?>|$)", "", text, flags=re.DOTALL))
    doctype = re.search(r"<!doctype\s+(\w+)", text)
    names = [doctype[1] if doctype else "", *elements[:1]]
    for root, what, remedy in XML:
        if root in names:
            return f"{what}; {remedy}"
    return None
