"""FastAPI with PyTorch: /forward as the tutorials write it (pydantic), /tuned with the raw body and ujson."""
import os
from typing import List

import torch
import torch.nn as nn
import ujson
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

torch.set_num_threads(1)
net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)).eval()
net.load_state_dict(torch.load(os.environ["MODEL"] + "/net.pt"))
app = FastAPI()


class Question(BaseModel):
    x: List[List[float]]


class Answer(BaseModel):
    y: List[List[float]]


@app.post("/forward", response_model=Answer)
async def forward(q: Question):
    with torch.inference_mode():
        return {"y": net(torch.tensor(q.x)).tolist()}


@app.post("/tuned")
async def tuned(request: Request):
    with torch.inference_mode():
        y = net(torch.tensor(ujson.loads(await request.body())["x"])).tolist()
    return Response(ujson.dumps({"y": y}), media_type="application/json")
