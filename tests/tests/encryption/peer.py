"""A participant of LiveKit's Python SDK: plays a tone, says what it hears, keeps keys. One JSON object a line both ways."""

import asyncio
import json
import math
import sys

import numpy as np
from livekit import rtc
from livekit.rtc._proto.e2ee_pb2 import KeyDerivationFunction

RATE_HZ = 48_000
FRAME_SAMPLES = RATE_HZ // 100
AMPLITUDE = 12_000
# The pitch is that of the last 400 ms.
PITCH_SAMPLES = RATE_HZ * 2 // 5


def tell(event: str, **more: object) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


async def play(source: rtc.AudioSource, hz: float) -> None:
    at = 0
    while True:
        times = np.arange(at, at + FRAME_SAMPLES) / RATE_HZ
        samples = (AMPLITUDE * np.sin(2 * math.pi * hz * times)).astype(np.int16)
        at += FRAME_SAMPLES
        # Returns at the pace of the sound.
        await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE_HZ, 1, FRAME_SAMPLES))


class Peer:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self.tasks: set[asyncio.Task] = set()
        self.last = np.zeros(0, np.int16)
        self.loudest = 0
        self.derivation = "PBKDF2"
        self.room.on("track_subscribed", lambda track, *_: self.do(self.listen(track)))
        self.room.on("data_received", lambda packet: tell("text", text=bytes(packet.data).decode()))
        self.room.on("e2ee_state_changed", self.state)

    def do(self, work) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)

    def state(self, participant: rtc.Participant, state: int) -> None:
        tell("state", of=participant.identity, state=rtc.EncryptionState.Name(state))

    async def listen(self, track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1):
            samples = np.frombuffer(event.frame.data, np.int16)
            self.loudest = max(self.loudest, int(np.abs(samples.astype(np.int32)).max()))
            self.last = np.concatenate([self.last, samples])[-PITCH_SAMPLES:]

    def sound(self) -> None:
        loud = len(self.last) == PITCH_SAMPLES and np.abs(self.last.astype(np.int32)).max() > AMPLITUDE // 4
        rising = np.flatnonzero((self.last[:-1] < 0) & (self.last[1:] >= 0))
        hz = (len(rising) - 1) * RATE_HZ / (rising[-1] - rising[0]) if loud and len(rising) > 2 else 0
        now = int(np.abs(self.last.astype(np.int32)).max()) if len(self.last) else 0
        tell("sound", hz=float(hz), loudest=self.loudest / 32_768, now=now / 32_768)

    async def obey(self, order: dict) -> None:
        match order["do"]:
            case "derive":
                self.derivation = order["by"]
                tell("derives")
            case "connect":
                secret = order["secret"]
                keys = rtc.KeyProviderOptions(
                    shared_key=secret.encode() if secret is not None else None,
                    ratchet_window_size=order["window"],
                    key_derivation_function=KeyDerivationFunction.Value(self.derivation),
                )
                options = rtc.RoomOptions(encryption=rtc.E2EEOptions(key_provider_options=keys))
                await self.room.connect(order["url"], order["token"], options)
                tell("connected")
            case "connect_openly":
                await self.room.connect(order["url"], order["token"])
                tell("connected")
            case "publish":
                source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
                track = rtc.LocalAudioTrack.create_audio_track("tone", source)
                options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
                self.do(play(source, order["hz"]))
                await self.room.local_participant.publish_track(track, options)
                tell("published")
            case "key":
                provider = self.room.e2ee_manager.key_provider
                provider.set_key(order["of"], order["secret"].encode(), 0)
                tell("kept")
            case "ratchet":
                self.room.e2ee_manager.key_provider.ratchet_shared_key(0)
                tell("ratcheted")
            case "say":
                await self.room.local_participant.publish_data(order["text"].encode(), reliable=True)
                tell("said")
            case "sound":
                self.sound()


async def main() -> None:
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    peer = Peer()
    # Standard input closed means that whoever started us is gone: leave too.
    while line := await orders.readline():
        try:
            await peer.obey(json.loads(line))
        except Exception as error:
            tell("failed", what=repr(error))
    await peer.room.disconnect()


asyncio.run(main())
