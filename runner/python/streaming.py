"""What both programs share that have a peer hear tracks at the pace of the sound. Each prints {"event": "ready"}, waits for a
line, plays all its tracks at once, prints what the peer shows as it shows it, and at last {"event": "done"} with the
processor time used since the line, children included. One JSON object a line."""

import json
import os
import sys
import time
import wave

SAMPLE_RATE_HZ = 16_000
CHUNK_SAMPLES = SAMPLE_RATE_HZ // 50
# After the last sample: what is still on its way.
SETTLE_SECONDS = 12

# Libraries print what they like; the reader wants JSON only.
_out = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def tell(**what: object) -> None:
    _out.write(json.dumps(what) + "\n")


def read(file: str) -> bytes:
    with wave.open(file) as recording:
        assert (recording.getframerate(), recording.getnchannels()) == (SAMPLE_RATE_HZ, 1), file
        return recording.readframes(recording.getnframes())


def chunks(samples: bytes) -> list[bytes]:
    size = 2 * CHUNK_SAMPLES
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def due(begun: float, chunk: int) -> float:
    """Seconds until a chunk has been spoken to its end."""
    return begun + (chunk + 1) * CHUNK_SAMPLES / SAMPLE_RATE_HZ - time.monotonic()


def core_seconds() -> float:
    """Processor time of this process, its living children and those that have ended."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(name)] = int(fields[1])
        ticks[int(name)] = sum(map(int, fields[11:15]))

    def is_ours(process: int) -> bool:
        while process and process != os.getpid():
            process = parents.get(process, 0)
        return process == os.getpid()

    return sum(ticks[process] for process in ticks if is_ours(process)) / os.sysconf("SC_CLK_TCK")


def wait_for_order() -> tuple[float, float]:
    """The moment and the processor time at which playing begins."""
    tell(event="ready")
    sys.stdin.readline()
    return time.monotonic(), core_seconds()


def done(used_before: float) -> None:
    tell(event="done", core_seconds=core_seconds() - used_before)
    # Threads of the libraries would keep the process.
    os._exit(0)
