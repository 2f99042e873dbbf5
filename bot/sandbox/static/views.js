// Views: the Home tab, and the modal that this person has on the screen.

import { get, names, now, post, refresh, toast } from "/static/client.js";
import { hide, redraw, show } from "/static/focus.js";
import { el, renderBlocks, textObject } from "/static/render.js";
import { troubles, ui } from "/static/using.js";
import { say, translated } from "/static/words.js";

const typed = new Map(); // id of a view -> {block_id: {action_id: value}}
let modal = null; // {signature, node, id}

function viewTools(view) {
  if (!typed.has(view.id)) typed.set(view.id, {});
  const values = typed.get(view.id);
  return ui(view.id, (used) => post("/control/click_view", { ...used, view_id: view.id, user: now.user, values: present(view) }), {
    errors: view.errors,
    value: (block, item) => values[block.block_id]?.[item.action_id],
    changed: (block, item, value) => { (values[block.block_id] ??= {})[item.action_id] = value; },
  });
}

// What was typed, as far as the view still has those inputs.
function present(view) {
  const values = {};
  for (const block of view.blocks) {
    for (const item of [block.element, block.accessory, ...(block.type === "actions" ? block.elements : [])]) {
      const value = item && typed.get(view.id)?.[block.block_id]?.[item.action_id];
      if (value !== undefined) (values[block.block_id] ??= {})[item.action_id] = value;
    }
  }
  return values;
}

export async function drawHome(box, elsewhere) {
  const { view } = await get(`/control/home?user=${now.user}`);
  if (now.channel !== "@app") return;
  const signature = view ? JSON.stringify([view.id, view.hash, troubles(view.id)]) : "none";
  if (box.firstElementChild?.dataset.signature === signature) return;
  redraw(box, () => box.replaceChildren(view
    ? el("div", { class: "home", "data-testid": "home", "data-signature": signature }, ...renderBlocks(view.blocks, viewTools(view)))
    : el("div", { class: "empty", "data-testid": "no-home", "data-signature": signature },
      el("p", {}, say("{} has no Home tab.", now.state.app.name)), el("p", {}, `${say("Its messages are in the channels:")} `, ...elsewhere()))));
}

export function leaveModal() {
  if (modal) hide(modal.node);
  modal = null;
}

export async function drawModal() {
  const acting = now.user;
  const { views } = await get(`/control/views?user=${acting}`);
  if (acting !== now.user) return;
  const view = views.at(-1);
  if (!view) { leaveModal(); return; }
  const signature = JSON.stringify([view.id, view.hash, view.errors, view.failure, troubles(view.id)]);
  if (modal?.signature === signature) return;
  const focused = modal?.id === view.id && document.activeElement?.dataset.testid;
  const old = modal?.node;
  modal = { signature, node: modalNode(view), id: view.id };
  show(modal.node);
  if (old) hide(old);
  const wrong = Object.keys(view.errors)[0];
  const target = wrong ? `[data-testid="${CSS.escape(`input-${wrong}`)}"]` : focused ? `[data-testid="${CSS.escape(focused)}"]` : "[data-focus-on-load], .modal-body input, .modal-body textarea, .modal-body select";
  (modal.node.querySelector(target) ?? modal.node.querySelector("[data-testid=modal-submit], [data-testid=modal-close]"))?.focus();
}

function modalNode(view) {
  const close = async () => {
    try { await post("/control/close", { view_id: view.id, user: now.user }); } catch (problem) { toast(problem.message); }
    typed.delete(view.id);
    refresh();
  };
  const submit = el("button", { type: "submit", class: "button primary", "data-testid": "modal-submit" }, view.submit ? textObject(view.submit, names) : "");
  const form = el("form", { novalidate: true, class: "modal-form" },
    el("header", {}, el("h2", { id: `title-${view.id}` }, textObject(view.title, names)),
      el("button", { type: "button", class: "icon", "aria-label": say("Close"), "data-testid": "modal-x", onclick: close }, "✕")),
    el("div", { class: "modal-body" },
      view.failure ? el("p", { class: "error", role: "alert", "data-testid": "modal-failure" }, translated(view.failure)) : null,
      ...renderBlocks(view.blocks, viewTools(view))),
    el("footer", {},
      el("button", { type: "button", class: "button", "data-testid": "modal-close", onclick: close }, view.close ? textObject(view.close, names) : say("Cancel")),
      view.submit ? submit : null));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    submit.classList.add("pending");
    try { await post("/control/submit", { view_id: view.id, user: now.user, values: present(view) }); } catch (problem) { toast(problem.message); }
    submit.disabled = false;
    submit.classList.remove("pending");
    refresh();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  const dialog = el("dialog", { class: "dialog modal", "data-testid": "modal", "data-callback-id": view.callback_id, "aria-labelledby": `title-${view.id}` }, form);
  dialog.addEventListener("cancel", (event) => { event.preventDefault(); close(); });
  return dialog;
}
