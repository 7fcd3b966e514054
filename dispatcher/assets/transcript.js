// The transcript on a page: settled captions, captions that still change, answers and messages. Everything is put in as
// text, never as markup; every entry has an id and is drawn once, whatever arrives twice or late.

const VOICES = 8;
// Words of one speaker within this time are one paragraph.
const PARAGRAPH_GAP_MS = 20_000;
// A partial that nothing follows within this time was lost.
const PARTIAL_MAX_MS = 15_000;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${minutes}` : minutes;
}

function initials(name) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...word][0] ?? "").join("").toUpperCase();
}

export class Transcript {
  constructor() {
    this.scroll = document.getElementById("scroll");
    this.log = document.getElementById("transcript");
    this.partials = document.getElementById("partials");
    this.empty = document.getElementById("empty");
    this.newest = document.getElementById("newest");
    this.voices = new Map();
    // Settled captions: what they say now, and where.
    this.settled = new Map();
    this.changing = new Map();
    this.entries = new Map();
    this.missing = new Map();
    // Whose parts of captions are, for pages that get the text without them.
    this.whose = new Map();
    this.following = true;
    this.scroll.addEventListener("scroll", () => {
      const left = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight;
      this.following = left < 80;
      this.newest.hidden = this.following;
    }, { passive: true });
    this.newest.addEventListener("click", () => {
      this.following = true;
      this.follow();
      this.scroll.focus();
    });
    new ResizeObserver(() => this.follow()).observe(this.scroll);
    setInterval(() => this.#forgetLost(), 1_000);
  }

  follow() {
    if (this.following) this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  #voice(identity) {
    if (!this.voices.has(identity)) this.voices.set(identity, this.voices.size % VOICES);
    return this.voices.get(identity);
  }

  #turn(identity, name, startMs) {
    const turn = element("article", `turn voice-${this.#voice(identity)}`);
    const face = element("span", "face", initials(name));
    face.setAttribute("aria-hidden", "true");
    const who = element("p", "who", name);
    if (startMs !== undefined) who.append(element("time", "", clock(startMs)));
    turn.append(face, who, element("p", "words"));
    turn.dataset.identity = identity;
    return turn;
  }

  // A settled caption: { id, identity, name, text, start_ms, revision, corrected_by, recognised_text }.
  settle(segment, fresh) {
    this.drop(segment.id);
    if (this.settled.has(segment.id)) return this.correct(segment);
    this.empty.hidden = true;
    const words = element("span", fresh ? "new" : "");
    words.dataset.at = String(segment.start_ms);
    words.dataset.segment = segment.id;
    this.settled.set(segment.id, { segment, words });
    this.#read(words, segment);
    // Of people who speak at once, whoever began first stands first, also when their words are settled last.
    const last = this.#lastBefore(segment.start_ms);
    if (!segment.late && this.#continues(last, segment)) {
      const next = [...last.querySelectorAll(".words > [data-at]")].find((other) => Number(other.dataset.at) > segment.start_ms);
      // A real space: the words are also copied and read aloud.
      if (next) next.before(words, " ");
      else last.lastElementChild.append(words, " ");
      last.dataset.at = String(Math.max(Number(last.dataset.at), segment.start_ms));
      nameParts(last);
      this.#joinPartials();
      this.follow();
      return;
    }
    const turn = this.#turn(segment.identity, segment.name, segment.start_ms);
    if (segment.late) {
      turn.classList.add("late");
      turn.querySelector(".who").append(element("span", "mark", "added later"));
    }
    turn.lastElementChild.append(words, " ");
    nameParts(turn);
    this.#place(turn, segment.start_ms);
  }

  // A settled caption that reads differently now, or whose parts others have said.
  correct(segment) {
    const known = this.settled.get(segment.id);
    if (!known || known.segment.revision > segment.revision) return;
    // What is the same is not written again: somebody may be marking it.
    if (JSON.stringify(known.segment) === JSON.stringify(segment)) return;
    known.segment = segment;
    this.#read(known.words, segment);
    nameParts(known.words.closest(".turn"));
    this.follow();
  }

  // Whose parts a caption has: [{ words, label, speaker, overlapped }], `words` of its text each; none where nobody is told apart.
  tellApart(id, parts) {
    this.whose.set(id, parts);
    const known = this.settled.get(id);
    if (!known) return;
    this.#read(known.words, known.segment);
    nameParts(known.words.closest(".turn"));
    this.follow();
  }

  // The parts of a text; none as long as they do not fit it.
  #parts(id, text) {
    const words = text.split(/\s+/).filter(Boolean);
    const parts = this.whose.get(id) ?? [];
    if (parts.length === 0 || parts.reduce((sum, part) => sum + part.words, 0) !== words.length) return undefined;
    return parts.map((part) => ({ ...part, text: words.splice(0, part.words).join(" ") }));
  }

  // Shows what a settled caption says now, part by part where several share the microphone, and whose correction it is.
  #read(words, { id, identity, name, text, voices, corrected_by, recognised_text }) {
    const parts = voices ?? this.#parts(id, text) ?? [{ label: null, speaker: name, text, overlapped: false }];
    const spans = parts.map(({ label, speaker, text: said, overlapped }) => {
      const part = element("span", overlapped ? "part over" : "part", said);
      part.dataset.voice = label === null ? "" : `${identity}:${label}`;
      part.dataset.speaker = speaker;
      if (label !== null) part.classList.add(`voice-${this.#voice(part.dataset.voice)}`);
      if (overlapped) part.title = "Somebody else speaks at the same time";
      return part;
    });
    words.replaceChildren(...spans.flatMap((span, index) => (index > 0 ? [" ", span] : [span])));
    words.classList.toggle("corrected", corrected_by !== undefined);
    words.classList.toggle("nothing", text === "");
    if (corrected_by === undefined) words.removeAttribute("title");
    else words.title = `Corrected by ${corrected_by}. Heard: “${recognised_text}”`;
  }

  #continues(turn, caption) {
    return !turn?.classList.contains("late") && turn?.dataset.identity === caption.identity && caption.start_ms - Number(turn.dataset.at) < PARAGRAPH_GAP_MS;
  }

  // A caption that still changes: { id, identity, name, text, start_ms }.
  change(partial) {
    if (this.settled.has(partial.id)) return;
    // There was nothing after all, or it was taken back.
    if (!partial.text) return this.drop(partial.id);
    this.empty.hidden = true;
    let known = this.changing.get(partial.id);
    if (!known) {
      known = { turn: this.#turn(partial.identity, partial.name), partial };
      this.changing.set(partial.id, known);
      this.partials.append(known.turn);
      this.#joinPartials();
    }
    known.at = performance.now();
    known.turn.lastElementChild.textContent = partial.text;
    this.follow();
  }

  // When a caption that still changes began; none of another.
  beganMs(id) {
    return this.changing.get(id)?.partial.start_ms;
  }

  // What goes on where its speaker's last paragraph ended needs no name again.
  #joinPartials() {
    let first = true;
    for (const { turn, partial } of this.changing.values()) {
      turn.classList.toggle("continues", first && this.#continues(this.log.lastElementChild, partial));
      first = false;
    }
  }

  drop(id) {
    this.changing.get(id)?.turn.remove();
    if (this.changing.delete(id)) this.#joinPartials();
  }

  #forgetLost() {
    for (const [id, known] of this.changing) {
      if (performance.now() - known.at > PARTIAL_MAX_MS) this.drop(id);
    }
  }

  // An answer: { id, assistant, question, text, asked_by, grounded, sources, at_ms }.
  answer(answer) {
    if (this.entries.has(answer.id)) return;
    const card = answerCard({ ...answer, ...(answer.grounded ? {} : { note: "Not from the documents" }) });
    card.querySelector(".who").append(element("time", "", clock(answer.at_ms)));
    this.entries.set(answer.id, card);
    this.#place(card, answer.at_ms);
  }

  // All that is missing, as it is now: [{ id, name, reason, start_ms, end_ms }]. What was filled is taken away.
  gaps(gaps) {
    const now = new Set(gaps.map(({ id }) => id));
    for (const [id, { card }] of this.missing) {
      if (!now.has(id)) {
        card.remove();
        this.missing.delete(id);
      }
    }
    for (const gap of gaps) {
      const words = gapWords(gap);
      const known = this.missing.get(gap.id);
      if (known?.start_ms === gap.start_ms) {
        const text = known.card.querySelector(".text");
        if (text.textContent !== words) text.textContent = words;
        continue;
      }
      known?.card.remove();
      const card = element("p", gap.reason === "declined" ? "gap declined" : "gap");
      card.append(element("time", "", clock(gap.start_ms)), element("span", "text", words));
      this.missing.set(gap.id, { card, start_ms: gap.start_ms });
      this.#place(card, gap.start_ms);
    }
  }

  // A chat message: { id, from, text, assistant }; the same id again replaces its text.
  message(message) {
    const card = message.assistant
      ? answerCard({ assistant: message.from, ...sourcesOf(message.text) })
      : element("article", "message");
    if (!message.assistant) card.append(element("p", "from", message.from), element("p", "text", message.text));
    const known = this.entries.get(message.id);
    this.entries.set(message.id, card);
    if (known) known.replaceWith(card);
    else this.#place(card, Number(this.log.lastElementChild?.dataset.at ?? 0));
    this.follow();
  }

  // The last entry that began by then.
  #lastBefore(atMs) {
    let entry = this.log.lastElementChild;
    while (entry && Number((entry.querySelector("[data-at]") ?? entry).dataset.at) > atMs) entry = entry.previousElementSibling;
    return entry;
  }

  // Puts a card behind what was said before it, in the middle of a paragraph if need be: after a reload answers come
  // when all words are there already.
  #place(card, atMs) {
    this.empty.hidden = true;
    card.dataset.at = String(atMs);
    const before = this.#lastBefore(atMs);
    if (before) before.after(card);
    else this.log.prepend(card);
    const later = [...(before?.querySelectorAll(".words > [data-at]") ?? [])].filter((words) => Number(words.dataset.at) > atMs);
    if (later.length > 0) {
      const rest = before.cloneNode(true);
      rest.querySelector(".words").replaceChildren(...later.flatMap((words) => [words, " "]));
      rest.querySelector("time").textContent = clock(Number(later[0].dataset.at));
      before.dataset.at = before.querySelector(".words").lastElementChild.dataset.at;
      card.after(rest);
      nameParts(before);
      nameParts(rest);
    }
    this.#joinPartials();
    this.follow();
  }
}

// In a paragraph of one participant, a name stands before the words of another voice at the microphone than before.
function nameParts(turn) {
  let before = "";
  for (const part of turn.querySelectorAll(".words .part")) {
    part.querySelector(".name")?.remove();
    if (part.dataset.voice !== before) part.prepend(element("b", "name", `${part.dataset.speaker}: `));
    before = part.dataset.voice;
  }
}

// Why something is missing, for people.
const WHY = {
  recogniser_failed: "could not be recognised",
  overload: "too many people spoke at once",
  outbox_full: "the transcript could not be stored for too long",
  connection_lost: "the connection was lost",
  segment_refused: "could not be stored",
  agent_lost: "the transcriber stopped",
  no_agent: "no transcriber was in the room",
};

function gapWords({ name, reason, start_ms, end_ms }) {
  const seconds = Math.max(1, Math.round((end_ms - start_ms) / 1000));
  const long = seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
  if (reason === "declined") return `${name} is not transcribed (${long}): has not agreed`;
  return `${long} of ${name} missing: ${WHY[reason] ?? "not captured"}`;
}

// { assistant, question, asked_by, text, note, sources: [{ document_title, heading, page, quote }] }
function answerCard({ assistant, question, asked_by, text, note, sources }) {
  const card = element("article", note ? "answer ungrounded" : "answer");
  const face = element("span", "face");
  face.setAttribute("aria-hidden", "true");
  card.append(face, element("p", "who", assistant));
  const body = element("div", "body");
  if (question) {
    // As it was heard behind the assistant's name, it begins in the middle of a sentence.
    const asked = `“${question[0].toUpperCase()}${question.slice(1)}”`;
    body.append(element("p", "question", asked_by ? `${asked_by}: ${asked}` : asked));
  }
  const words = element("p", "text");
  // The markers of sources stand small beside their sentence.
  for (const part of text.split(/\s*(\[\d+\])/)) {
    words.append(/^\[\d+\]$/.test(part) ? element("sup", "", part.slice(1, -1)) : part);
  }
  body.append(words);
  if (note) body.append(element("p", "note", note));
  if (sources.length > 0) body.append(sourceList(sources));
  card.append(body);
  return card;
}

function sourceList(sources) {
  const list = element("ol", "sources");
  list.setAttribute("aria-label", sources.length === 1 ? "Source" : "Sources");
  for (const source of sources) {
    const item = element("li");
    const place = [source.heading?.replaceAll(" > ", " › "), source.page ? `page ${source.page}` : ""].filter(Boolean).join(", ");
    const title = element(source.quote ? "summary" : "p");
    title.append(element("cite", "", source.document_title));
    if (place) title.append(element("span", "place", place));
    if (source.quote) {
      const details = element("details");
      details.append(title, element("blockquote", "", source.quote));
      item.append(details);
    } else {
      item.append(title);
    }
    list.append(item);
  }
  return list;
}

// An answer in the chat carries its sources in its last line: "Sources: [1] Title, heading, p. 4; [2] ...".
function sourcesOf(message) {
  const [, text, line] = message.match(/^([^]*)\n\nSources: (\[1\] [^\n]*)$/) ?? [null, message, ""];
  const sources = line.split(/(?:^|; )\[\d+\] /).filter(Boolean).map((title) => ({ document_title: title }));
  return { text, sources };
}

function remembered(key, fallback) {
  try {
    return localStorage.getItem(key) ?? fallback;
  } catch {
    return fallback;
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

// Text size and colours, by button and by key, kept for the next time.
export function display(transcript) {
  const root = document.documentElement;
  root.dataset.size = remembered("rapporteur-size", "2");
  const theme = remembered("rapporteur-theme", "");
  if (theme) root.dataset.theme = theme;
  const resize = (by) => {
    root.dataset.size = String(Math.min(5, Math.max(1, Number(root.dataset.size) + by)));
    remember("rapporteur-size", root.dataset.size);
    transcript.follow();
  };
  const turn = () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    remember("rapporteur-theme", root.dataset.theme);
  };
  document.getElementById("smaller")?.addEventListener("click", () => resize(-1));
  document.getElementById("larger")?.addEventListener("click", () => resize(1));
  document.getElementById("theme")?.addEventListener("click", turn);
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+") resize(1);
    else if (event.key === "-") resize(-1);
    else if (event.key === "d" || event.key === "D") turn();
  });
}

// Times as the reader's own clock shows them; this year's without the year.
export function localTimes() {
  for (const time of document.querySelectorAll("time[data-local]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const year = at.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
    time.textContent = at.toLocaleString([], { ...year, month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });
  }
}
