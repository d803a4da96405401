"""Suffixes of pictures: of a dataset's images, and of all that the commands read."""

from pathlib import PurePosixPath

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff"}
"""Images of datasets."""
PICTURES = IMAGE_SUFFIXES | {".webp", ".gif", ".jp2", ".j2k", ".jpf", ".jpx", ".heic", ".heif", ".hif", ".avif"}
PICTURES |= {".pdf", ".dcm"}
"""Pictures that ``predict``, ``digitize`` and ``read`` find in folders."""


def is_image(name: str) -> bool:
    """Whether a file is an image of a dataset, by its suffix."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def is_picture(name: str) -> bool:
    """Whether a file is an image or another picture of a page, by its suffix."""
    return PurePosixPath(name).suffix.lower() in PICTURES
