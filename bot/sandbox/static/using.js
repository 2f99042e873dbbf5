// Using buttons and menus: the app is told, the element waits, and says so when the app failed.

import { names, post, refresh, toast, trouble } from "/static/client.js";
import { hide, show } from "/static/focus.js";
import { el, places, textObject } from "/static/render.js";
import { say } from "/static/words.js";

const pending = new Set();
const failures = new Map();

// `key` names the message or view, `send` tells the sandbox.
export function ui(key, send, extra = {}) {
  const name = (block, item) => `${key}/${places.get(block)}/${item.action_id}`;
  return {
    names,
    ...extra,
    state: (block, item) => ({ pending: pending.has(name(block, item)), failure: failures.get(name(block, item)) }),
    use: async (block, item, value) => {
      if (item.confirm && !(await ask(item.confirm))) return;
      const id = name(block, item);
      if (pending.has(id)) return;
      pending.add(id);
      failures.delete(id);
      refresh();
      try {
        const answer = await send({ action_id: item.action_id, block_id: block.block_id, value });
        if (answer.status === null || answer.status < 200 || answer.status > 299) failures.set(id, trouble(answer));
      } catch (problem) {
        toast(problem.message);
      }
      pending.delete(id);
      refresh();
    },
  };
}

// What is going on with the elements of a message or view, as part of its signature.
export function troubles(key) {
  const here = (name) => name.startsWith(`${key}/`);
  return [[...pending].filter(here), [...failures].filter(([name]) => here(name))];
}

function ask(confirm) {
  return new Promise((resolve) => {
    const close = (answer) => { hide(dialog); resolve(answer); };
    const dialog = el("dialog", { class: "dialog confirm", "data-testid": "confirm", "aria-labelledby": "confirm-title" },
      el("h2", { id: "confirm-title" }, confirm.title ? textObject(confirm.title, names) : say("Are you sure?")),
      el("div", { class: "text" }, textObject(confirm.text, names)),
      el("div", { class: "buttons" },
        el("button", { type: "button", class: "button", "data-testid": "confirm-cancel", onclick: () => close(false) }, confirm.deny ? textObject(confirm.deny, names) : say("Cancel")),
        el("button", { type: "button", class: `button ${confirm.style ?? "primary"}`, "data-testid": "confirm-ok", onclick: () => close(true) }, confirm.confirm ? textObject(confirm.confirm, names) : say("Yes"))));
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); close(false); });
    show(dialog);
  });
}
