// The page of the sandbox: shows one channel as one person, and does what that person does.

import { closeMenus, el, emojis, mrkdwn, places, relativeDay, renderBlocks, textObject, tried } from "/static/render.js";

const $ = (id) => document.getElementById(id);
const SHOWN = 200;

let state = null; // /control/state
let user = localStorage.getItem("user");
let channel = decodeURIComponent(location.hash.slice(1)) || "incidents"; // a name, or "@app" for the Home tab
const pending = new Set();
const failures = new Map();
const shown = new Map(); // key of a message -> {signature, node}
const typed = new Map(); // id of a view -> {block_id: {action_id: value}}
let modal = null; // {signature, node, id}

// -- talking to the sandbox -----------------------------------------------------------------------------------------

async function get(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `status ${response.status}`);
  return response.json();
}

async function post(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `status ${response.status}`);
  return answer;
}

function toast(text) {
  const node = el("div", { class: "toast" }, text);
  $("toasts").append(node);
  setTimeout(() => node.remove(), 6000);
}

const trouble = (answer) => answer.timed_out
  ? "The app took too long to answer" : answer.status === null
    ? "The app could not be reached" : `The app answered with an error (${answer.status})`;

// -- names ----------------------------------------------------------------------------------------------------------

const person = (id) => state.users.find((one) => one.id === id);
const names = {
  user: (id) => (id === state.app.user_id ? state.app.name : person(id)?.name),
  channel: (id) => state.channels.find((one) => one.id === id)?.name,
  users: () => state.users,
  channels: () => state.channels.filter((one) => !one.is_im),
};
const current = () => state.channels.find((one) => one.name === channel);

// -- using elements -------------------------------------------------------------------------------------------------

function ui(key, send, extra = {}) {
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
function troubles(key) {
  const here = (name) => name.startsWith(`${key}/`);
  return [[...pending].filter(here), [...failures].filter(([name]) => here(name))];
}

function ask(confirm) {
  return new Promise((resolve) => {
    const close = (answer) => { dialog.close(); dialog.remove(); resolve(answer); };
    const dialog = el("dialog", { class: "dialog confirm", "data-testid": "confirm", "aria-labelledby": "confirm-title" },
      el("h2", { id: "confirm-title" }, confirm.title ? textObject(confirm.title, names) : "Are you sure?"),
      el("div", { class: "text" }, textObject(confirm.text, names)),
      el("div", { class: "buttons" },
        el("button", { type: "button", class: "button", "data-testid": "confirm-cancel", onclick: () => close(false) }, confirm.deny ? textObject(confirm.deny, names) : "Cancel"),
        el("button", { type: "button", class: `button ${confirm.style ?? "primary"}`, "data-testid": "confirm-ok", onclick: () => close(true) }, confirm.confirm ? textObject(confirm.confirm, names) : "Yes")));
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); close(false); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// -- drawing --------------------------------------------------------------------------------------------------------

function drawSidebar() {
  const entry = (name, label, testid, title) => el("li", {}, el("button", {
    type: "button", "data-testid": testid, "aria-current": channel === name ? "page" : null, title, onclick: () => go(name),
  }, label));
  $("channels").replaceChildren(...names.channels().map((one) => entry(
    one.name, `${one.is_private ? "🔒" : "#"} ${one.name}${one.is_archived ? " (archived)" : ""}`, `channel-${one.name}`,
    one.is_member ? null : `${state.app.name} is not in this channel`)));
  $("apps").replaceChildren(entry("@app", el("span", {}, el("span", { class: "dot" }), state.app.name), "app-home"));
  const select = $("user");
  if (select.options.length !== state.users.length) {
    select.replaceChildren(...state.users.map((one) => el("option", { value: one.id }, `${one.real_name} (${one.locale.slice(0, 2)})`)));
  }
  select.value = user;
}

function drawTop() {
  const here = current();
  $("title").textContent = channel === "@app" ? state.app.name : `${here?.is_private ? "🔒" : "#"} ${channel}`;
  $("subtitle").textContent = channel === "@app" ? "Home tab" : here?.is_archived ? "This channel is archived" : "";
  $("form").hidden = channel === "@app" || !here || here.is_archived;
  $("composer").placeholder = `Message #${channel}, or ${state.commands.join(", ")}`;
  document.title = `${channel === "@app" ? state.app.name : "#" + channel} · Sandbox Slack`;
}

function avatar(id, fromApp) {
  if (fromApp) return el("span", { class: "avatar app", "aria-hidden": "true" });
  const name = person(id)?.real_name ?? "Slackbot";
  return el("span", { class: `avatar person p${(person(id) ? state.users.indexOf(person(id)) : 5) % 6}`, "aria-hidden": "true" }, name.slice(0, 1));
}

const time = (at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function body(message, tools) {
  const node = el("div", { class: "body" });
  if (message.blocks.length) node.append(...renderBlocks(message.blocks, tools));
  else if (message.text) node.append(el("div", { class: "text" }, mrkdwn(message.text, names)));
  for (const attachment of message.attachments) node.append(tried(() => attachmentNode(attachment, tools)));
  return node;
}

function attachmentNode(attachment, tools) {
  const colors = { good: "#2eb886", warning: "#daa038", danger: "#a30200" };
  const node = el("div", { class: "attachment" });
  const color = colors[attachment.color] ?? (attachment.color?.startsWith("#") ? attachment.color : `#${attachment.color}`);
  if (attachment.color && /^#[0-9a-fA-F]{3,8}$/.test(color)) node.style.borderLeftColor = color;
  if (attachment.blocks) node.append(...renderBlocks(attachment.blocks, tools));
  else {
    if (attachment.pretext) node.append(el("div", { class: "text" }, mrkdwn(attachment.pretext, names)));
    if (attachment.title) node.append(el("strong", {}, emojis(attachment.title)));
    if (attachment.text ?? attachment.fallback) node.append(el("div", { class: "text" }, mrkdwn(attachment.text ?? attachment.fallback, names)));
  }
  return node;
}

function messageNode(message, key) {
  const ephemeral = message.kind === "ephemeral";
  const fromApp = ephemeral ? message.by_app : message.user === state.app.user_id;
  const name = fromApp ? state.app.name : ephemeral ? "Slackbot" : person(message.user)?.real_name ?? message.user;
  const tools = ui(key, (used) => post("/control/click", {
    ...used, user, channel: message.channel ?? current().id, ts: ephemeral ? message.id : message.ts, message_kind: message.kind,
  }));
  return el("article", {
    class: `message ${message.kind} ${message.thread_ts && message.thread_ts !== message.ts ? "reply" : ""}`,
    "data-testid": ephemeral ? "ephemeral" : "message", "data-ts": ephemeral ? message.id : message.ts,
    "aria-label": `${name}, ${time(message.at)}: ${emojis(message.text)}`,
  },
  avatar(ephemeral ? null : message.user, fromApp),
  el("div", { class: "content" },
    ephemeral ? el("p", { class: "only-you" }, "Only visible to you") : null,
    el("p", { class: "byline" }, el("strong", {}, name), fromApp ? el("span", { class: "badge" }, "APP") : null,
      el("time", { title: new Date(message.at * 1000).toLocaleString() }, time(message.at))),
    body(message, tools),
    message.edited && !message.blocks.length ? el("span", { class: "edited" }, "(edited)") : null));
}

async function drawMessages() {
  const box = $("messages");
  const at = channel;
  if (at === "@app") { await drawHome(); return; }
  const here = current();
  if (!here) { box.replaceChildren(el("p", { class: "empty" }, `There is no channel #${at}.`)); return; }
  const [all, mine] = await Promise.all([
    get(`/control/messages?channel=${here.id}&last=${SHOWN}&history=0`), get(`/control/ephemerals?user=${user}`)]);
  if (at !== channel) return;
  const list = threaded(all.messages.filter((message) => !message.deleted).map((message) => ({ ...message, kind: "message" })))
    .concat(mine.messages.filter((message) => message.channel === here.id).map((message) => ({ ...message, kind: "ephemeral", sort: message.at })));
  list.sort((a, b) => a.sort - b.sort);
  const nearEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  const nodes = [];
  let day = null;
  for (const message of list) {
    const date = new Date(message.at * 1000);
    const label = relativeDay(date) ?? date.toLocaleDateString([], { weekday: "long", month: "long", day: "numeric" });
    if (label !== day) nodes.push(el("div", { class: "day" }, el("span", {}, label)));
    day = label;
    const key = `${message.kind}:${message.id ?? message.ts}`;
    const busy = troubles(key);
    const signature = JSON.stringify([message, busy, state.users.length]);
    let entry = shown.get(key);
    if (entry?.signature !== signature) {
      const focus = entry?.node.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
      entry = { signature, node: messageNode(message, key), focus };
      shown.set(key, entry);
    }
    nodes.push(entry.node);
  }
  if (!nodes.length) nodes.push(el("p", { class: "empty" }, `This is the very beginning of #${at}.`));
  place(box, nodes);
  for (const entry of shown.values()) {
    if (entry.focus) entry.node.querySelector(`[data-testid="${CSS.escape(entry.focus)}"]`)?.focus();
    entry.focus = null;
  }
  if (nearEnd) box.scrollTop = box.scrollHeight;
}

// Put the nodes into the box in this order without moving those that stay: a moved node would lose the focus.
function place(box, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...box.childNodes]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => { if (box.childNodes[index] !== node) box.insertBefore(node, box.childNodes[index] ?? null); });
}

// Replies stand below their root.
function threaded(messages) {
  const roots = new Map(messages.map((message) => [message.ts, message.at]));
  return messages.map((message, index) => {
    const root = message.thread_ts && message.thread_ts !== message.ts ? roots.get(message.thread_ts) : undefined;
    return { ...message, sort: root === undefined ? message.at : root + (index + 1) * 1e-6 };
  });
}

async function drawHome() {
  const { view } = await get(`/control/home?user=${user}`);
  if (channel !== "@app") return;
  const box = $("messages");
  if (!view) { box.replaceChildren(el("p", { class: "empty" }, `${state.app.name} has not published a Home tab for you yet.`)); return; }
  const signature = JSON.stringify([view.id, view.hash, troubles(view.id)]);
  if (box.firstElementChild?.dataset.signature === signature) return;
  box.replaceChildren(el("div", { class: "home", "data-testid": "home", "data-signature": signature }, ...renderBlocks(view.blocks, viewTools(view))));
}

// -- modals ---------------------------------------------------------------------------------------------------------

function viewTools(view) {
  if (!typed.has(view.id)) typed.set(view.id, {});
  const values = typed.get(view.id);
  return ui(view.id, (used) => post("/control/click_view", { ...used, view_id: view.id, user, values: present(view) }), {
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

async function drawModal() {
  const acting = user;
  const { views } = await get(`/control/views?user=${acting}`);
  if (acting !== user) return;
  const view = views.at(-1);
  if (!view) {
    modal?.node.close();
    modal?.node.remove();
    modal = null;
    return;
  }
  const busy = troubles(view.id);
  const signature = JSON.stringify([view.id, view.hash, view.errors, view.failure, busy]);
  if (modal?.signature === signature) return;
  const fresh = modal?.id !== view.id;
  const focused = !fresh && document.activeElement?.dataset.testid;
  const node = modalNode(view);
  const old = modal?.node;
  modal = { signature, node, id: view.id };
  document.body.append(node);
  node.showModal();
  old?.close();
  old?.remove();
  const wrong = Object.keys(view.errors)[0];
  const target = wrong ? `[data-testid="${CSS.escape(`input-${wrong}`)}"]` : focused ? `[data-testid="${CSS.escape(focused)}"]` : "[data-focus-on-load], .modal-body input, .modal-body textarea, .modal-body select";
  (node.querySelector(target) ?? node.querySelector("[data-testid=modal-submit], [data-testid=modal-close]"))?.focus();
}

function modalNode(view) {
  const close = async () => {
    try { await post("/control/close", { view_id: view.id, user }); } catch (problem) { toast(problem.message); }
    typed.delete(view.id);
    refresh();
  };
  const submit = el("button", { type: "submit", class: "button primary", "data-testid": "modal-submit" }, view.submit ? textObject(view.submit, names) : "");
  const form = el("form", { novalidate: true, class: "modal-form" },
    el("header", {}, el("h2", { id: `title-${view.id}` }, textObject(view.title, names)),
      el("button", { type: "button", class: "icon", "aria-label": "Close", "data-testid": "modal-x", onclick: close }, "✕")),
    el("div", { class: "modal-body" },
      view.failure ? el("p", { class: "error", role: "alert", "data-testid": "modal-failure" }, view.failure) : null,
      ...renderBlocks(view.blocks, viewTools(view))),
    el("footer", {},
      el("button", { type: "button", class: "button", "data-testid": "modal-close", onclick: close }, view.close ? textObject(view.close, names) : "Cancel"),
      view.submit ? submit : null));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    submit.classList.add("pending");
    try { await post("/control/submit", { view_id: view.id, user, values: present(view) }); } catch (problem) { toast(problem.message); }
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

// -- acting ---------------------------------------------------------------------------------------------------------

function go(name) {
  channel = name;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  shown.clear();
  $("messages").replaceChildren();
  drawSidebar();
  drawTop();
  refresh().then(() => { $("messages").scrollTop = name === "@app" ? 0 : $("messages").scrollHeight; });
  if (name === "@app") post("/control/open_home", { user }).then(refresh).catch((problem) => toast(problem.message));
  else $("composer").focus();
}

async function send() {
  const box = $("composer");
  const text = box.value.trim();
  if (!text) return;
  box.value = "";
  hint();
  fit();
  const body_ = { text, user, channel: current().id };
  try {
    await post(text.startsWith("/") ? "/control/command" : "/control/message", body_);
  } catch (problem) { toast(problem.message); }
  await refresh();
  $("messages").scrollTop = $("messages").scrollHeight;
}

function hint() {
  const text = $("composer").value;
  const fitting = text.startsWith("/") && !text.includes(" ") ? state.commands.filter((one) => one.startsWith(text)) : [];
  $("hint").hidden = !fitting.length;
  $("hint").replaceChildren(...fitting.map((one) => el("button", {
    type: "button", onclick: () => { $("composer").value = `${one} `; hint(); $("composer").focus(); },
  }, el("strong", {}, one), ` ${state.app.name}`)));
}

function fit() {
  const box = $("composer");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 200)}px`;
}

// One refresh at a time; what is asked for meanwhile is done once more afterwards.
let running = null;
let again = false;

function refresh() {
  if (running) { again = true; return running; }
  running = (async () => {
    do {
      again = false;
      try {
        state = await get("/control/state");
        if (!person(user)) user = state.users[0].id;
        drawSidebar();
        drawTop();
        await Promise.all([drawMessages(), drawModal()]);
        $("connection").hidden = true;
      } catch (problem) {
        $("connection").hidden = false;
        console.error(problem);
      }
    } while (again);
  })().finally(() => { running = null; });
  return running;
}

$("user").addEventListener("change", (event) => {
  user = event.target.value;
  localStorage.setItem("user", user);
  modal?.node.close();
  modal?.node.remove();
  modal = null;
  shown.clear();
  refresh();
});
$("form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
$("composer").addEventListener("input", () => { hint(); fit(); });
$("composer").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
});
document.addEventListener("click", closeMenus);
window.addEventListener("hashchange", () => go(decodeURIComponent(location.hash.slice(1)) || "incidents"));

await refresh();
if (state && channel !== "@app" && !current()) go(names.channels()[0].name);
$("messages").scrollTop = $("messages").scrollHeight;
const stream = new EventSource("/control/stream");
stream.addEventListener("changed", () => refresh());
stream.addEventListener("open", () => { $("connection").hidden = true; });
stream.addEventListener("error", () => { $("connection").hidden = false; });
