"""Mixed recordings of several voices on one track, and how wrong a diarisation of them is (pyannote.metrics).

speakers.py mix CLIPS OUT SEED    CLIPS has a folder for each voice with WAV files at 16 kHz, mono, 16 bits;
                                  OUT gets WAV and RTTM files and prints their names, one a line
speakers.py excerpts ARCHIVE OUT  ARCHIVE is the source of pyannote.audio, whose tests have excerpts of real meetings; those with
                                  people in common are joined; OUT and what is printed as above
speakers.py score                 reads {"reference": RTTM, "turns": [[begin_s, end_s, label], ...]} lines, answers each
                                  with a line of errors in seconds
"""

import io
import json
import sys
import tarfile
import unicodedata
import wave
from pathlib import Path

import numpy as np

RATE = 16_000
# Seconds of speech that a mix has.
LENGTH_S = 120.0
# How the next turn begins after the last one's end, in seconds, and how long turns are at most.
STYLES = {
    "calm": {"gap": (0.4, 1.6), "turn": (2.0, 9.0), "overlap": 0.0},
    "quick": {"gap": (0.0, 0.3), "turn": (0.8, 4.0), "overlap": 0.0},
    "overlapping": {"gap": (0.0, 0.8), "turn": (1.0, 6.0), "overlap": 0.35},
}
ROOMS = ("close", "room")


def read(path):
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16).astype(np.float64) / 32768


def write(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def levels(samples, frame):
    count = len(samples) // frame
    return np.sqrt((samples[: count * frame].reshape(count, frame) ** 2).mean(axis=1) + 1e-12)


def pieces(samples):
    """A voice's phrases: what is between pauses of a fifth of a second, at the loudness of all voices."""
    frame = RATE // 50
    level = levels(samples, frame)
    # Breath and the room between words are no speech.
    loud = level > 0.12 * np.percentile(level, 95)
    samples = samples * (0.06 / np.sqrt((level[loud] ** 2).mean()))
    found, begin, quiet = [], None, 0
    for index, is_loud in enumerate(np.append(loud, [False] * 10)):
        if is_loud:
            begin = index if begin is None else begin
            quiet = 0
        elif begin is not None:
            quiet += 1
            if quiet == 10:
                piece = samples[begin * frame : (index - 9) * frame]
                if len(piece) >= RATE // 4:
                    found.append(piece)
                begin = None
    return found


def impulse(generator):
    """A room's answer: an exponentially fading noise after the direct sound (0.4 s until it is 60 dB lower)."""
    length = int(0.4 * RATE)
    tail = generator.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail[: RATE // 200] = 0
    tail *= 0.6 / np.sqrt((tail**2).sum())
    tail[0] = 1
    return tail


def filtered(samples, response):
    size = len(samples) + len(response) - 1
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]


def mix(voices, style, room, generator):
    """The samples, and who speaks when."""
    names = sorted(voices)
    queues = {name: list(generator.permutation(len(voices[name]))) for name in names}
    track, spoken, end, last = np.zeros(int((LENGTH_S + 60) * RATE)), [], 0.5, None
    responses = {name: impulse(generator) for name in names}
    loudness = {name: 10 ** (generator.uniform(-4, 4) / 20) for name in names}
    while end < LENGTH_S:
        name = names[generator.integers(len(names))]
        if name == last and len(names) > 1:
            continue
        wanted = generator.uniform(*style["turn"])
        at = end + generator.uniform(*style["gap"])
        if last is not None and generator.random() < style["overlap"]:
            at = max(end - generator.uniform(0.3, 1.2), spoken[-1][0] + 0.3)
        first = at
        while at - first < wanted:
            if not queues[name]:
                queues[name] = list(generator.permutation(len(voices[name])))
            piece = voices[name][queues[name].pop()][: int((wanted + 1.5) * RATE)] * loudness[name]
            begin = int(at * RATE)
            spoken.append((at, at + len(piece) / RATE, name))
            if room == "room":
                wet = filtered(np.append(piece, np.zeros(RATE // 2)), responses[name])
                track[begin : begin + len(wet)] += wet
            else:
                track[begin : begin + len(piece)] += piece
            at += len(piece) / RATE + generator.uniform(0.05, 0.25)
        end, last = max(end, spoken[-1][1]), name
    track = track[: int((end + 1.5) * RATE)]
    noise = generator.standard_normal(len(track))
    # Rooms hum lower than they hiss.
    noise = filtered(noise, 0.9 ** np.arange(60))
    loud = 0.06 * 10 ** ((-15 if room == "room" else -45) / 20)
    return track + noise * (loud / np.sqrt((noise**2).mean())), spoken


def mixes(clips, out, seed):
    voices = {}
    for folder in sorted(path for path in Path(clips).iterdir() if path.is_dir()):
        found = [piece for file in sorted(folder.glob("*.wav")) for piece in pieces(read(file))]
        if found:
            voices[folder.name] = found
    generator = np.random.default_rng(int(seed))
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for count in (2, 3, 4):
        for style in STYLES:
            for room in ROOMS:
                chosen = sorted(generator.choice(sorted(voices), size=count, replace=False))
                track, spoken = mix({name: voices[name] for name in chosen}, STYLES[style], room, generator)
                name = f"{count}-{style}-{room}"
                write(out / f"{name}.wav", track)
                lines = [
                    f"SPEAKER {name} 1 {begin:.3f} {end - begin:.3f} <NA> <NA> {who} <NA> <NA>\n"
                    for begin, end, who in spoken
                ]
                (out / f"{name}.rttm").write_text("".join(lines))
                print(name, flush=True)


def floats(file):
    """The samples of a WAV file of 32 bit floats, mono, at 16 kHz, which Python's own reader does not know."""
    assert file[:4] == b"RIFF" and file[8:12] == b"WAVE"
    samples, place = None, 12
    while place + 8 <= len(file):
        kind, size = file[place : place + 4], int.from_bytes(file[place + 4 : place + 8], "little")
        part = file[place + 8 : place + 8 + size]
        if kind == b"fmt ":
            form, channels, rate = (int.from_bytes(part[at:to], "little") for at, to in ((0, 2), (2, 4), (4, 8)))
            assert (form, channels, rate) == (3, 1, RATE)
        elif kind == b"data":
            samples = np.frombuffer(part, dtype="<f4").astype(np.float64)
        place += 8 + size + size % 2
    return samples


def excerpts(archive, out):
    recordings, turns = {}, {}
    with tarfile.open(archive) as members:
        for member in members:
            # One of the files has an accent that its reference has not.
            path = Path(unicodedata.normalize("NFKD", member.name).encode("ascii", "ignore").decode())
            if path.parent.parts[1:] != ("tests", "data"):
                continue
            if path.suffix == ".wav" and path.stem != "empty":
                recordings[path.stem] = floats(members.extractfile(member).read())
            elif path.suffix == ".rttm":
                for row in io.TextIOWrapper(members.extractfile(member), "utf-8"):
                    _, name, _, begin, length, _, _, who, *_ = row.split()
                    turns.setdefault(name, []).append((float(begin), float(length), who))
    meetings = []
    for name in sorted(recordings):
        meeting, people = [name], {who for _, _, who in turns[name]}
        for other in [other for other in meetings if other[1] & people]:
            meetings.remove(other)
            meeting, people = other[0] + meeting, other[1] | people
        meetings.append((meeting, people))
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for number, (names, _) in enumerate(meetings, 1):
        name, begin, lines = f"meeting-{number}", 0.0, []
        for part in names:
            lines += [
                f"SPEAKER {name} 1 {begin + at:.3f} {length:.3f} <NA> <NA> {who} <NA> <NA>\n" for at, length, who in turns[part]
            ]
            begin += len(recordings[part]) / RATE
        write(out / f"{name}.wav", np.concatenate([recordings[part] for part in names]))
        (out / f"{name}.rttm").write_text("".join(lines))
        print(name, flush=True)


def renumbered(reference, found):
    """Labels that mean another voice in the second half of a recording than in the first."""
    from pyannote.core import Segment

    middle = reference.get_timeline().extent().middle
    halves = (Segment(0, middle), Segment(middle, max(reference.get_timeline().extent().end, middle + 1)))
    meant = []
    for half in halves:
        times = {}
        for segment, _, label in found.itertracks(yield_label=True):
            for other, _, who in reference.itertracks(yield_label=True):
                common = segment & other & half
                if common:
                    times.setdefault(label, {}).setdefault(who, 0)
                    times[label][who] += common.duration
        # Less than two seconds of a label say nothing.
        meant.append({label: max(who, key=who.get) for label, who in times.items() if sum(who.values()) >= 2})
    return sum(1 for label in meant[0] if label != "unknown" and meant[1].get(label, meant[0][label]) != meant[0][label])


def score():
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.diarization import DiarizationErrorRate

    for line in sys.stdin:
        asked = json.loads(line)
        reference = Annotation()
        for number, row in enumerate(Path(asked["reference"]).read_text().splitlines()):
            _, _, _, begin, length, _, _, who, *_ = row.split()
            reference[Segment(float(begin), float(begin) + float(length)), number] = who
        found = Annotation()
        for number, (begin, end, label) in enumerate(asked["turns"]):
            if end > begin:
                found[Segment(begin, end), number] = label
        answer = {}
        # pyannote counts the collar around a boundary as a whole.
        for name, collar in (("0.25", 0.5), ("0", 0.0)):
            metric = DiarizationErrorRate(collar=collar)
            errors = metric(reference, found, detailed=True)
            keys = {"confusion": "confusion", "missed detection": "missed", "false alarm": "false_alarm", "total": "total"}
            answer[name] = {to: float(errors[key]) for key, to in keys.items()}
        answer["renumbered"] = renumbered(reference, found)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "mix":
        mixes(*sys.argv[2:])
    elif sys.argv[1] == "excerpts":
        excerpts(*sys.argv[2:])
    else:
        score()
