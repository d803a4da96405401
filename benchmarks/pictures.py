"""The pictures of README.md and docs/first-run.md: one simulated record on its way from recording to prediction.

    python -m benchmarks.pictures results/demo/simulated/patient/MODEL/seed-0/model docs/images [--record 1]

Draws the records of `ecgpipe simulate data/simulated --records 20 --seed 1`, as the tutorial does. Writes page.jpg,
photo.jpg, input.png, overlay.jpg and all of them side by side, after the recording: strip.jpg.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np

from ecgpipe import (
    DegradeConfig,
    Predictor,
    RenderConfig,
    degrade_page,
    read_signal,
    render_page,
    simulate_dataset,
)

PHOTO = DegradeConfig(level="photo", seed=3)
"""`ecgpipe render --degrade photo --degrade-seed 3`"""

WIDTH = 640
"""Pixels of a single picture."""


def small(picture: np.ndarray) -> np.ndarray:
    """The RGB or grey picture at ``WIDTH`` pixels."""
    height = round(picture.shape[0] * WIDTH / picture.shape[1])
    return cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)


def write(path: Path, picture: np.ndarray) -> None:
    """Write an RGB or grey picture; JPEG files below 100 kB."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 75] if path.suffix == ".jpg" else []
    cv2.imwrite(str(path), picture if picture.ndim == 2 else picture[..., ::-1], options)


def strip(pictures: dict[str, np.ndarray], signal: np.ndarray, rate: float, path: Path) -> None:
    """Recording and pictures side by side, each with its name."""
    figure, axes = plt.subplots(1, len(pictures) + 1, figsize=(16, 3.0), dpi=110, layout="constrained")
    seconds = np.arange(signal.shape[1]) / rate
    for row, lead in enumerate(signal):
        axes[0].plot(seconds, lead - 2 * row, color="black", linewidth=0.5)
    axes[0].set_box_aspect(17 / 22)
    axes[0].set(title="recording", xticks=[], yticks=[])
    for axis, (name, picture) in zip(axes[1:], pictures.items(), strict=True):
        axis.imshow(picture, cmap="gray", aspect="auto")
        axis.set_box_aspect(17 / 22)
        axis.set(title=name, xticks=[], yticks=[])
    figure.savefig(path, pil_kwargs={"quality": 75})


def main() -> None:
    """Parse the arguments and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="folder of a saved model of the demo")
    parser.add_argument("folder", type=Path, help="folder of the pictures")
    parser.add_argument("--record", type=int, default=1, help="number of the record (default 1)")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory() as folder:
        simulate_dataset(folder, records=20, seed=1)
        record = f"{args.record:05d}"
        signal, rate = read_signal(Path(folder, f"records100/00000/{record}_lr"), record)

    page = render_page(signal, rate, RenderConfig())
    photo = degrade_page(render_page(signal, rate, RenderConfig(degrade=PHOTO)), PHOTO, f"{record}_lr").image

    predictor = Predictor(args.model)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "photo.png")
        cv2.imwrite(str(file), photo[..., ::-1])
        (read,) = predictor.reader().read(file)
    (prediction,) = predictor.predict([read])
    print(*(f"{label} {share:.1%}" for label, share in zip(prediction.classes, prediction.probabilities, strict=True)))

    pictures = {
        "page": small(page.image),
        "photo": small(photo),
        "model input": (1 - read.image) * np.uint8(255),
        "saliency": small(predictor.overlay(read, prediction.top)),
    }
    write(args.folder / "page.jpg", pictures["page"])
    write(args.folder / "photo.jpg", pictures["photo"])
    write(
        args.folder / "input.png", cv2.copyMakeBorder(pictures["model input"], *[2] * 4, cv2.BORDER_CONSTANT, value=128)
    )
    write(args.folder / "overlay.jpg", pictures["saliency"])
    strip(pictures, signal, rate, args.folder / "strip.jpg")


if __name__ == "__main__":
    main()
