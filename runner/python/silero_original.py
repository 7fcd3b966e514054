"""The original Silero network by ONNX Runtime, as its package uses it on the processor (one thread), without torch. In: the
number of samples (u32) and the samples (i16). Out: the number of scores (u32), the microseconds of processor time (f64) and the
scores (f32). All little-endian, any number of times."""

import importlib.util
import pathlib
import struct
import sys
import time

import numpy as np
import onnxruntime

RATE_HZ, CHUNK, CONTEXT = 16_000, 512, 64

# The package itself would import torch.
folder = pathlib.Path(importlib.util.find_spec("silero_vad").submodule_search_locations[0])
options = onnxruntime.SessionOptions()
options.inter_op_num_threads = options.intra_op_num_threads = 1
model = onnxruntime.InferenceSession(folder / "data/silero_vad.onnx", options, providers=["CPUExecutionProvider"])


def scores(samples: np.ndarray) -> list[float]:
    state = np.zeros((2, 1, 128), np.float32)
    context = np.zeros((1, CONTEXT), np.float32)
    found = []
    for at in range(0, len(samples) - CHUNK + 1, CHUNK):
        chunk = samples[None, at : at + CHUNK].astype(np.float32) / 32_768
        heard = np.concatenate([context, chunk], axis=1)
        score, state = model.run(None, {"input": heard, "state": state, "sr": np.array(RATE_HZ, np.int64)})
        context = heard[:, -CONTEXT:]
        found.append(float(score[0, 0]))
    return found


while size := sys.stdin.buffer.read(4):
    (count,) = struct.unpack("<I", size)
    samples = np.frombuffer(sys.stdin.buffer.read(2 * count), "<i2")
    before = time.process_time()
    found = scores(samples)
    core_us = (time.process_time() - before) * 1e6
    sys.stdout.buffer.write(struct.pack("<Id", len(found), core_us) + np.array(found, "<f4").tobytes())
    sys.stdout.buffer.flush()
