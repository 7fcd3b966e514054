// Corrections on the captions page, for those whose link allows them. A caption is chosen with the pointer or with the
// arrow keys, becomes a field, and goes to the server, and so do the names of its voices; everybody's page, this one too, is told by the stream.

import { nameVoices } from "./voices.js";

const TEXT_MAX = 4_000;

function button(name, className, text) {
  const made = Object.assign(document.createElement("button"), { type: name, className, textContent: text });
  return made;
}

export function review(transcript) {
  const { log } = transcript;
  const { corrections: url, voices } = log.dataset;
  const status = document.getElementById("reviewing");
  const tell = (words) => { status.textContent = words; };
  // One caption is in the tab order, and the arrow keys go on from it.
  let current;
  let open;
  log.classList.add("reviewed");
  log.setAttribute("aria-description", "Arrow keys choose a caption, Enter corrects it.");

  const captions = () => [...log.querySelectorAll("[data-segment]")];
  function choose(words, focus) {
    if (current) current.tabIndex = -1;
    current = words;
    words.tabIndex = 0;
    if (focus) words.focus();
  }
  new MutationObserver(() => {
    const all = captions();
    for (const words of all) words.setAttribute("role", "button");
    if (all.length > 0 && document.activeElement !== current) choose(all.at(-1), false);
  }).observe(log, { childList: true, subtree: true });

  log.addEventListener("click", (event) => {
    const words = event.target.closest("[data-segment]");
    // Whoever marks words to copy them does not want to write.
    if (words && getSelection().isCollapsed) edit(words);
  });
  log.addEventListener("keydown", (event) => {
    if (!event.target.matches("[data-segment]")) return;
    const all = captions();
    const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[event.key];
    if (step) {
      const next = all[all.indexOf(event.target) + step];
      if (next) choose(next, true);
    } else if (event.key === "Enter" || event.key === " ") {
      edit(event.target);
    } else {
      return;
    }
    event.preventDefault();
  });

  function edit(words) {
    open?.close();
    choose(words, false);
    const { segment } = transcript.settled.get(words.dataset.segment);
    const box = document.createElement("div");
    box.className = "reviewing";
    const form = document.createElement("form");
    form.className = "correction";
    const field = Object.assign(document.createElement("textarea"), { value: segment.text, maxLength: TEXT_MAX, rows: 1, spellcheck: true });
    field.setAttribute("aria-label", `What ${segment.name} said`);
    const buttons = document.createElement("div");
    const save = button("submit", "", "Save");
    const cancel = button("button", "secondary", "Cancel");
    buttons.append(save, cancel);
    if (segment.corrected_by !== undefined) {
      const restore = button("button", "secondary", "As heard");
      restore.addEventListener("click", () => send(null));
      const heard = Object.assign(document.createElement("span"), {
        className: "quiet", textContent: `Heard: “${segment.recognised_text}” · corrected by ${segment.corrected_by}`,
      });
      buttons.append(restore, heard);
    }
    form.append(field, buttons);
    const close = () => {
      box.remove();
      words.hidden = false;
      open = undefined;
    };
    open = { close };
    const leave = () => {
      close();
      choose(words, true);
    };
    async function send(text) {
      for (const part of [field, ...buttons.querySelectorAll("button")]) part.disabled = true;
      const answer = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({ segment: segment.id, text, revision: segment.revision }),
      }).catch(() => null);
      if (answer?.ok) {
        tell("Corrected for everybody.");
        leave();
        return;
      }
      const problem = await answer?.json().catch(() => null);
      tell(problem?.detail ? `Not corrected: ${problem.detail}.` : "Not corrected: the server does not answer. Try again.");
      for (const part of [field, ...buttons.querySelectorAll("button")]) part.disabled = false;
      field.focus();
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field.value.trim() === segment.text) leave();
      else send(field.value);
    });
    cancel.addEventListener("click", leave);
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      form.requestSubmit();
      event.preventDefault();
    });
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      leave();
      event.preventDefault();
    });
    box.append(form, ...nameVoices(segment, voices, tell, leave));
    words.hidden = true;
    words.after(box);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
    tell("Enter saves, Escape leaves it as it is. An empty caption says that nothing was said.");
  }
}
