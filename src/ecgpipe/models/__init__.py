"""The model library: Swin-LGF-FPN, its baselines and its ablations.

Importing it registers ``swin_lgf_fpn_tiny`` with timm.
"""

from ecgpipe.models.cam import CamTarget, cam_target
from ecgpipe.models.cost import describe
from ecgpipe.models.factory import create_model
from ecgpipe.models.pretrained import PretrainedReport
from ecgpipe.models.registry import VARIANTS, Variant
from ecgpipe.models.swin_lgf_fpn import SwinLgfFpn

__all__ = [
    "VARIANTS",
    "CamTarget",
    "PretrainedReport",
    "SwinLgfFpn",
    "Variant",
    "cam_target",
    "create_model",
    "describe",
]
