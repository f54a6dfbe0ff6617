#!/usr/bin/python3
"""The network all servers answer with, 784-256-128-10, written once: for PyTorch, ONNX, nablad; and the request bodies.

    bench/peers/model.py DIRECTORY"""
import json
import struct
import sys

import torch
import torch.nn as nn


def safetensors(tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        raw = t.numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def write(name, content):
    if isinstance(content, bytes):
        with open(f"{out}/{name}", "wb") as f:
            f.write(content)
    else:
        with open(f"{out}/{name}", "w") as f:
            json.dump(content, f, separators=(",", ":"))


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
write("create.json", {"name": "net", "graph": graph})
write("net.safetensors", safetensors({"y." + name: p for name, p in net.state_dict().items()}))
for batch in (1, 64):
    rows = [[float(f"{v:.6g}") for v in row] for row in torch.rand(batch, 784).tolist()]
    write(f"peer_{batch}.json", {"x": rows})
    write(f"nablad_{batch}.json", {"inputs": {"x": rows}})
    write(f"nablad_{batch}.safetensors", safetensors({"x": torch.tensor(rows)}))
    write(f"answer_{batch}.json", net(torch.tensor(rows)).tolist())
