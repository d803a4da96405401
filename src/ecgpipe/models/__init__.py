"""The model library: Swin-LGF-FPN, its baselines and its ablations; importing it registers them with timm.

``cam`` and ``cost`` are not imported here, so that changes to them do not retrain models.
"""

from ecgpipe.models.factory import VARIANTS, Variant, create_model, load_model
from ecgpipe.models.swin_lgf_fpn import SwinLgfFpn
from ecgpipe.models.weights import PretrainedReport

__all__ = ["VARIANTS", "PretrainedReport", "SwinLgfFpn", "Variant", "create_model", "load_model"]
