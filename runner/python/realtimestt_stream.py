"""RealtimeSTT with one track, live text on: `realtimestt_stream.py MODEL TRACK`. It knows one stream a process."""

import sys
import threading
import time
import types

import streaming

# It imports its microphone and its spinner before it is told that it has none.
sys.modules["halo"] = types.SimpleNamespace(Halo=None)
sys.modules["pyaudio"] = types.SimpleNamespace(paInt16=8, paInputOverflowed=-9981, PyAudio=None)

from RealtimeSTT import AudioToTextRecorder  # noqa: E402


def main(model: str, track: str) -> None:
    chunks = streaming.chunks(streaming.read(track))
    begun = time.monotonic()
    sentence = 0

    def show(text: str, settled: str) -> None:
        at_ms = round((time.monotonic() - begun) * 1000)
        streaming.tell(track=0, segment=str(sentence), at_ms=at_ms, text=text, settled=settled)

    recorder = AudioToTextRecorder(
        model=model,
        realtime_model_type=model,
        language="en",
        device="cpu",
        compute_type="int8",
        use_microphone=False,
        spinner=False,
        no_log_file=True,
        enable_realtime_transcription=True,
        on_realtime_transcription_update=lambda text: show(text, ""),
    )

    def finals() -> None:
        nonlocal sentence
        while True:
            text = recorder.text()
            if text:
                show(text, text)
            sentence += 1

    begun, used = streaming.wait_for_order()
    threading.Thread(target=finals, daemon=True).start()
    silence = b"\0" * len(chunks[0])
    pause = [silence] * (streaming.SETTLE_SECONDS * streaming.SAMPLE_RATE_HZ // streaming.CHUNK_SAMPLES)
    for number, chunk in enumerate(chunks + pause):
        time.sleep(max(0.0, streaming.due(begun, number)))
        recorder.feed_audio(chunk)
    streaming.done(used)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
