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
    this.settled = new Set();
    this.changing = new Map();
    this.entries = new Map();
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
    return turn;
  }

  // A settled caption: { id, identity, name, text, start_ms }.
  settle(segment, fresh) {
    this.#drop(segment.id);
    if (this.settled.has(segment.id)) return;
    this.settled.add(segment.id);
    this.empty.hidden = true;
    const last = this.log.lastElementChild;
    const same = last?.dataset.identity === segment.identity
      && segment.start_ms - Number(last.dataset.at) < PARAGRAPH_GAP_MS;
    let turn = last;
    if (!same) {
      turn = this.#turn(segment.identity, segment.name, segment.start_ms);
      turn.dataset.identity = segment.identity;
      this.log.append(turn);
    }
    turn.dataset.at = String(segment.start_ms);
    turn.lastElementChild.append(element("span", fresh ? "new" : "", segment.text));
    this.follow();
  }

  // A caption that still changes: { id, identity, name, text, start_ms }.
  change(partial) {
    if (this.settled.has(partial.id) || !partial.text) return;
    this.empty.hidden = true;
    let known = this.changing.get(partial.id);
    if (!known) {
      known = { turn: this.#turn(partial.identity, partial.name) };
      this.changing.set(partial.id, known);
      this.partials.append(known.turn);
    }
    known.at = performance.now();
    known.turn.lastElementChild.textContent = partial.text;
    this.follow();
  }

  #drop(id) {
    this.changing.get(id)?.turn.remove();
    this.changing.delete(id);
  }

  #forgetLost() {
    for (const [id, known] of this.changing) {
      if (performance.now() - known.at > PARTIAL_MAX_MS) this.#drop(id);
    }
  }

  // An answer: { id, question, text, asked_by, grounded, sources }.
  answer(answer) {
    if (this.entries.has(answer.id)) return;
    this.empty.hidden = true;
    const card = element("article", answer.grounded ? "answer" : "answer ungrounded");
    const asked = answer.asked_by ? `${answer.asked_by} asked: ` : "Asked: ";
    card.append(element("p", "question", `${asked}“${answer.question}”`), element("p", "text", answer.text));
    if (answer.sources.length > 0) {
      const details = element("details");
      const count = answer.sources.length;
      details.append(element("summary", "", count === 1 ? "1 source" : `${count} sources`));
      const list = element("ol");
      for (const source of answer.sources) {
        const item = element("li");
        const place = [source.heading, source.page ? `page ${source.page}` : ""].filter(Boolean).join(", ");
        item.append(element("cite", "", source.document_title));
        if (place) item.append(element("span", "quiet", ` — ${place}`));
        item.append(element("blockquote", "", source.quote));
        list.append(item);
      }
      details.append(list);
      card.append(details);
    }
    this.#entry(answer.id, card);
  }

  // A chat message: { id, from, text }; the same id again replaces its text.
  message(message) {
    this.empty.hidden = true;
    const known = this.entries.get(message.id);
    if (known) {
      known.lastElementChild.textContent = message.text;
      return this.follow();
    }
    const card = element("article", message.assistant ? "answer" : "message");
    card.append(element("p", "from", message.from), element("p", "text", message.text));
    this.#entry(message.id, card);
  }

  #entry(id, card) {
    this.entries.set(id, card);
    this.log.append(card);
    this.follow();
  }
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

// Times as the reader's own clock shows them.
export function localTimes() {
  for (const time of document.querySelectorAll("time[data-local]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.textContent = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    }
  }
}
