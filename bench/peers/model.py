#!/usr/bin/python3
"""The network all servers answer with, 784-256-128-10, written once: for PyTorch, ONNX, nablad; and two request bodies."""
import json
import struct
import sys

import torch
import torch.nn as nn

out = sys.argv[1]
torch.manual_seed(1)
net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)).eval()
torch.save(net.state_dict(), f"{out}/net.pt")
torch.onnx.export(net, torch.zeros(1, 784), f"{out}/net.onnx", input_names=["x"], output_names=["y"],
                  dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=13)
graph = {"inputs": {"x": ["B", 784]},
         "nodes": {"y": {"chain": [{"Linear": [784, 256]}, "ReLU", {"Linear": [256, 128]}, "ReLU", {"Linear": [128, 10]}],
                         "in": "x"}},
         "outputs": ["y"]}
json.dump({"name": "net", "graph": graph}, open(f"{out}/create.json", "w"))
header, data = {}, b""
for name, p in net.state_dict().items():
    raw = p.numpy().astype("<f4").tobytes()
    header["y." + name] = {"dtype": "F32", "shape": list(p.shape), "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open(f"{out}/net.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
for batch in (1, 64):
    rows = [[float(f"{v:.6g}") for v in row] for row in torch.rand(batch, 784).tolist()]
    json.dump({"x": rows}, open(f"{out}/peer_{batch}.json", "w"), separators=(",", ":"))
    json.dump({"inputs": {"x": rows}}, open(f"{out}/nablad_{batch}.json", "w"), separators=(",", ":"))
    json.dump(net(torch.tensor(rows)).tolist(), open(f"{out}/answer_{batch}.json", "w"))
