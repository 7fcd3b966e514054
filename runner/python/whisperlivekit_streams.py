"""WhisperLiveKit with all tracks in one process, as its server has them: `whisperlivekit_streams.py MODEL TRACK...`."""

import asyncio
import sys
import time

import streaming
from whisperlivekit import AudioProcessor, TranscriptionEngine


async def hear(engine: TranscriptionEngine, track: int, chunks: list[bytes], begun: float) -> None:
    processor = AudioProcessor(transcription_engine=engine)
    results = await processor.create_tasks()

    async def show() -> None:
        async for front in results:
            settled = " ".join(line.text.strip() for line in front.lines if line.text)
            text = f"{settled} {front.buffer_transcription.strip()}".strip()
            at_ms = round((time.monotonic() - begun) * 1000)
            streaming.tell(track=track, segment="", at_ms=at_ms, text=text, settled=settled)

    showing = asyncio.create_task(show())
    for number, chunk in enumerate(chunks):
        await asyncio.sleep(max(0.0, streaming.due(begun, number)))
        await processor.process_audio(chunk)
    # The end of the sound.
    await processor.process_audio(b"")
    try:
        await asyncio.wait_for(showing, streaming.SETTLE_SECONDS)
    except asyncio.TimeoutError:
        pass


async def main(model: str, tracks: list[str]) -> None:
    sounds = [streaming.chunks(streaming.read(track)) for track in tracks]
    engine = TranscriptionEngine(
        backend="faster-whisper", backend_policy="localagreement", model_path=model, lan="en", pcm_input=True
    )
    begun, used = streaming.wait_for_order()
    await asyncio.gather(*(hear(engine, track, chunks, begun) for track, chunks in enumerate(sounds)))
    streaming.done(used)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
