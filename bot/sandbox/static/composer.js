// The boxes to type into: under the channel, with what fits a command as it is typed, and under a thread.

import { current, now, post, refresh, toast } from "/static/client.js";
import { walk } from "/static/focus.js";
import { el } from "/static/render.js";
import { say } from "/static/words.js";

const isCommand = (text) => text.startsWith("/");

function composer(form, send) {
  const box = form.querySelector("textarea");
  const fit = () => {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 200)}px`;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = box.value.trim();
    if (!text) return;
    box.value = "";
    box.dispatchEvent(new Event("input"));
    try { await send(text); } catch (problem) { toast(problem.message); }
    await refresh();
  });
  box.addEventListener("input", fit);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
  });
  return box;
}

export function channelComposer(form, messages) {
  const hint = form.querySelector(".hint");
  const box = composer(form, async (text) => {
    await post(isCommand(text) ? "/control/command" : "/control/message", { text, user: now.user, channel: current().id });
    await refresh();
    messages.scrollTop = messages.scrollHeight;
  });
  const choose = (text) => {
    box.value = text;
    box.dispatchEvent(new Event("input"));
    box.focus();
  };
  const suggest = () => {
    const fitting = isCommand(box.value) ? commands().filter(({ typed }) => typed.startsWith(box.value) && typed !== box.value) : [];
    hint.hidden = !fitting.length;
    hint.replaceChildren(...fitting.map(({ typed, shown }) => el("button", { type: "button", "data-testid": "hint", onclick: () => choose(typed) }, shown)));
  };
  box.addEventListener("input", suggest);
  form.addEventListener("keydown", (event) => {
    if (hint.hidden) return;
    walk(event, [...hint.children]);
    if (event.key === "Escape") { hint.hidden = true; box.focus(); }
  });
  form.addEventListener("focusout", (event) => { if (!form.contains(event.relatedTarget)) hint.hidden = true; });
  return box;
}

// Every command with what can follow it: what is typed ends where the words in capitals begin.
function commands() {
  return Object.entries(now.state.commands).flatMap(([name, forms]) => [
    { typed: `${name} `, shown: name },
    ...forms.map((form) => ({ typed: `${name} ${form.replace(/\b[A-Z]+\b.*/, "")}`, shown: `${name} ${form}` })),
  ]);
}

export function threadComposer(form) {
  const broadcast = form.querySelector("[type=checkbox]");
  return composer(form, async (text) => {
    if (isCommand(text)) { toast(say("{} does not work in threads.", text.split(" ")[0])); return; }
    await post("/control/message", { text, user: now.user, channel: current().id, thread_ts: now.thread, reply_broadcast: broadcast.checked });
    broadcast.checked = false;
  });
}
