"""The model library: Swin-LGF-FPN, its baselines and its ablations.

Importing it registers ``swin_lgf_fpn_tiny`` with timm. Saliency targets are in ``ecgpipe.models.cam`` and costs in
``ecgpipe.models.cost``: not imported here, so that a change to them does not count as one to every training.
"""

from ecgpipe.models.factory import VARIANTS, Variant, create_model, load_model
from ecgpipe.models.swin_lgf_fpn import SwinLgfFpn
from ecgpipe.models.weights import PretrainedReport

__all__ = ["VARIANTS", "PretrainedReport", "SwinLgfFpn", "Variant", "create_model", "load_model"]
