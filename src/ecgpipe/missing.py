"""Which extra of this package brings a library that is not installed."""

EXTRA_OF = {
    "cv2": "data",
    "pandas": "data",
    "pyarrow": "data",
    "sklearn": "data",
    "scipy": "data",
    "wfdb": "data",
    "PIL": "data",
    "requests": "data",
    "matplotlib": "data",
    "yaml": "data",
    "torch": "train",
    "torchvision": "train",
    "timm": "train",
    "lightning": "train",
    "torchmetrics": "train",
    "safetensors": "train",
    "tensorboard": "tensorboard",
    "pytorch_grad_cam": "explain",
    "jinja2": "report",
    "pypdfium2": "predict",
    "starlette": "serve",
    "uvicorn": "serve",
    "anyio": "serve",
    "snakemake": "workflow",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "shtab": "completion",
}
"""Module as imported to the name in ``pip install 'ecgpipe[name]'``."""


def advice(module: str | None) -> str | None:
    """What to do about a module that cannot be imported, or None if it is not one of ours to bring."""
    name = (module or "").partition(".")[0]
    if name not in EXTRA_OF:
        return None
    return f"needs {name}, which is not installed: pip install 'ecgpipe[{EXTRA_OF[name]}]'"
