"""timm's Swin Transformer as it suits a page: windows that need no padding, attention on the fused path."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from timm.layers import set_fused_attn, use_fused_attn

PREFERRED_WINDOWS = (10, 8, 7)
FALLBACK_WINDOW = 7


def image_hw(img_size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) in pixels of a size that may be given as one number."""
    return (img_size, img_size) if isinstance(img_size, int) else (int(img_size[0]), int(img_size[1]))


def choose_window(img_size: int | tuple[int, int], patch_size: int = 4, stages: int = 4) -> tuple[int, int]:
    """The attention window (height, width), in tokens, that needs no padding at any stage.

    A stage whose side is at most the window uses one window of just that side, so it needs no padding either. Each
    axis takes the first of 10, 8 and 7 that fits all its stages, and 7 where none does.

    Args:
        img_size: the model's input in pixels, one side or (height, width).
        patch_size: side of a patch in pixels.
        stages: number of stages; each halves the grid of the one before.
    """

    def along(side: int) -> int:
        grids = [ceil(side // patch_size / 2**stage) for stage in range(stages)]
        fitting = (w for w in PREFERRED_WINDOWS if all(grid <= w or grid % w == 0 for grid in grids))
        return next(fitting, FALLBACK_WINDOW)

    height, width = image_hw(img_size)
    return along(height), along(width)


@contextmanager
def fused_window_attention() -> Iterator[None]:
    """Swin models built inside use ``scaled_dot_product_attention``.

    timm holds the fused path of window attention back as experimental. The choice is made when a model is built, so
    the setting is put back afterwards; a user who switched fused attention off altogether keeps it off.
    """
    if not use_fused_attn() or use_fused_attn(experimental=True):
        yield
        return
    set_fused_attn(True, experimental=True)
    try:
        yield
    finally:
        set_fused_attn(True)
