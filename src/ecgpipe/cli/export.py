"""ecgpipe export"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Write a saved model as one ONNX file, and compare its answers with PyTorch's."""
    from ecgpipe.models import load_model
    from ecgpipe.models.export import export_onnx

    model, saved = load_model(args.folder, args.plugin)
    size = saved.model.image_size
    known = saved.model_dump(mode="json", include={"format_version", "classes", "task", "input", "preprocessing"})
    worst = export_onnx(model, args.output, in_chans=saved.model.in_chans, img_size=(size, size), metadata=known)
    checked = "not compared, since onnxruntime is not installed" if worst is None else f"logits within {worst:.1e}"
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, {checked}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where, and where to."""
    parser.add_argument("folder", type=Path, metavar="MODEL_DIR", help="folder of a saved model (RUN_DIR/model)")
    plugin = "what registers the architecture, if it is one of your own"
    parser.add_argument("--plugin", type=Path, metavar="FILE.py", help=plugin)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", required=True, help="the ONNX file")


EXPORT = Command("export", run, add_arguments, "export results/ptb-xl/folds/swin/seed-0/model -o swin.onnx")
