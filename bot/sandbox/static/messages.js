// A list of messages: those of a channel, or those of a thread.

import { current, get, names, now, person, post } from "/static/client.js";
import { redraw } from "/static/focus.js";
import { el, emojis, mrkdwn, renderBlocks, tried } from "/static/render.js";
import { troubles, ui } from "/static/using.js";
import { clock, day, say, whole } from "/static/words.js";

const SHOWN = 200;

// Draws lists into the box. Messages that stay keep their nodes, so that neither focus nor place is lost, and only new
// ones are read out: #messages is a live region, but what an edit changes is not.
export function messageList(box) {
  const shown = new Map(); // key -> {node, content, signature}
  let last = null;

  function entry(message) {
    const key = `${message.kind}:${message.id ?? message.ts}`;
    const signature = JSON.stringify([message, troubles(key), now.state.users.length]);
    let known = shown.get(key);
    if (known?.signature === signature) return known.node;
    if (!known) {
      known = { content: el("div", { class: "content", "aria-live": "off" }) };
      known.node = article(message, known.content);
      shown.set(key, known);
    }
    known.signature = signature;
    const spoken = known.node.querySelector(".spoken").firstChild;
    if (spoken.data !== sentence(message)) spoken.data = sentence(message);
    redraw(known.content, () => known.content.replaceChildren(...content(message, key)));
    return known.node;
  }

  function line(label) {
    if (!shown.has(label)) shown.set(label, { node: el("div", { class: "day", "aria-live": "off" }, el("span", {}, label)) });
    return shown.get(label).node;
  }

  return {
    draw(messages, of, empty) {
      if (last !== of) { shown.clear(); box.replaceChildren(); }
      box.setAttribute("aria-live", last === of ? "polite" : "off"); // what was there before is no news
      last = of;
      const nearEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
      const nodes = [];
      let label = null;
      for (const message of messages) {
        const today = day(new Date(message.at * 1000));
        if (today !== label) nodes.push(line(today));
        label = today;
        nodes.push(entry(message));
      }
      if (!nodes.length && empty) nodes.push(...empty());
      const kept = new Set(nodes);
      const lost = [...box.childNodes].some((child) => !kept.has(child) && child.contains(document.activeElement));
      place(box, nodes);
      if (lost) box.focus();
      if (nearEnd) box.scrollTop = box.scrollHeight;
    },
    clear() { last = null; },
    find: (key) => shown.get(key)?.content,
  };
}

// Put the nodes into the box in this order without moving those that stay: a moved node would lose the focus.
function place(box, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...box.childNodes]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => { if (box.childNodes[index] !== node) box.insertBefore(node, box.childNodes[index] ?? null); });
}

// -- which ----------------------------------------------------------------------------------------------------------

const isReply = (message) => message.thread_ts && message.thread_ts !== message.ts;

// What stands in the channel: roots with the number of their replies, broadcast replies, and what only this person sees.
export async function ofChannel(channel) {
  const [all, mine] = await Promise.all([
    get(`/control/messages?channel=${channel.id}&last=${SHOWN}&history=0`), get(`/control/ephemerals?user=${now.user}`)]);
  const messages = all.messages.filter((message) => !message.deleted);
  const replies = Map.groupBy(messages.filter(isReply), (message) => message.thread_ts);
  const roots = new Map(messages.map((message) => [message.ts, message]));
  return messages.filter((message) => !isReply(message) || message.broadcast)
    .map((message) => ({
      ...message, kind: "message",
      replies: replies.get(message.ts)?.length, last_reply: replies.get(message.ts)?.at(-1).at,
      root: isReply(message) ? roots.get(message.thread_ts)?.text ?? "…" : null,
    }))
    .concat(mine.messages.filter((message) => message.channel === channel.id).map((message) => ({ ...message, kind: "ephemeral" })))
    .sort((a, b) => a.at - b.at);
}

export async function ofThread(channel, ts) {
  const { messages } = await get(`/control/messages?channel=${channel.id}&thread=${ts}&history=0`);
  return messages.filter((message) => !message.deleted || message.ts === ts)
    .map((message) => ({ ...message, kind: message.deleted ? "tombstone" : "message", in_thread: true }));
}

// -- how one looks --------------------------------------------------------------------------------------------------

const isFromApp = (message) => (message.kind === "ephemeral" ? message.by_app : message.user === now.state.app.user_id);

function author(message) {
  if (isFromApp(message)) return now.state.app.name;
  return message.kind === "ephemeral" ? "Slackbot" : person(message.user)?.real_name ?? message.user;
}

// The words of a message without its markup.
const plain = (text) => mrkdwn(text, names).textContent;

const sentence = (message) => `${author(message)}, ${clock(new Date(message.at * 1000))}: ${plain(message.text)}`;

function article(message, content) {
  const ephemeral = message.kind === "ephemeral";
  const name = `spoken-${message.in_thread ? "thread-" : ""}${message.id ?? message.ts}`;
  return el("article", {
    class: `message ${message.kind}`, "data-testid": message.in_thread ? "reply" : ephemeral ? "ephemeral" : "message",
    "data-ts": ephemeral ? message.id : message.ts, "aria-labelledby": name,
  }, avatar(ephemeral ? null : message.user, isFromApp(message)), el("p", { class: "spoken", id: name }, sentence(message)), content);
}

function avatar(id, fromApp) {
  if (fromApp) return el("span", { class: "avatar app", "aria-hidden": "true" });
  const name = person(id)?.real_name ?? "Slackbot";
  return el("span", { class: `avatar person p${(person(id) ? now.state.users.indexOf(person(id)) : 5) % 6}`, "aria-hidden": "true" }, name.slice(0, 1));
}

function content(message, key) {
  if (message.kind === "tombstone") return [el("p", { class: "text quiet" }, say("This message was deleted."))];
  const ephemeral = message.kind === "ephemeral";
  const tools = ui(key, (used) => post("/control/click", {
    ...used, user: now.user, channel: message.channel ?? current().id, ts: ephemeral ? message.id : message.ts, message_kind: message.kind,
  }));
  const at = new Date(message.at * 1000);
  return [
    ephemeral ? el("p", { class: "only-you" }, say("Only visible to you")) : null,
    message.root ? el("p", { class: "quiet" }, `${say("replied to a thread:")} `, threadButton(message.thread_ts, "link", plain(message.root).replace(/^(.{79}).+$/su, "$1…"))) : null,
    el("p", { class: "byline" }, el("strong", {}, author(message)), isFromApp(message) ? el("span", { class: "badge" }, "APP") : null,
      el("time", { title: whole(at) }, clock(at)), ...(ephemeral ? [] : marks(message))),
    body(message, tools),
    message.in_thread || ephemeral || isReply(message) ? null : threadLink(message),
  ].filter(Boolean);
}

// Whether people were told: of a new message they are, of an edit never.
function marks(message) {
  const mark = (kind, icon, title, label) => el("span", { class: `mark ${kind}`, "data-testid": `mark-${kind}`, title: say(title) }, `${icon} ${label}`);
  const called = message.mentions.map((id) => `@${names.user(id) ?? id}`).join(", ");
  const inThread = isReply(message) && !message.broadcast;
  const told = !called ? say("Notified") : inThread ? say("Notified: {}", called) : say("Notified, mentions {}", called);
  return [
    message.user === now.user ? null
      : inThread && !called ? mark("silent", "🔕", "Slack notifies only those who follow the thread", say("Thread only"))
        : mark("notified", "🔔", "New: Slack notifies people of it", told),
    message.in_thread && message.broadcast ? mark("broadcast", "↗", "Also sent to the channel", say("Also sent to the channel")) : null,
    message.edits ? mark("edited", "✎", "Slack notifies nobody of an edit", say("Edited {}", clock(new Date(message.changed_at * 1000)))) : null,
  ];
}

function threadButton(ts, look, label, more = {}) {
  return el("button", { type: "button", class: look, "data-testid": "open-thread", ...more, onclick: () => document.dispatchEvent(new CustomEvent("thread", { detail: ts })) }, label);
}

function threadLink(message) {
  const ts = message.thread_ts ?? message.ts;
  if (!message.replies) return threadButton(ts, "link start", "💬", { "aria-label": say("Reply in thread"), title: say("Reply in thread") });
  return el("p", { class: "replies" },
    threadButton(ts, "link", message.replies === 1 ? say("1 reply") : say("{} replies", message.replies)),
    el("span", { class: "quiet" }, say("Last reply: {}", clock(new Date(message.last_reply * 1000)))));
}

function body(message, tools) {
  const node = el("div", { class: "body" });
  if (message.blocks.length) node.append(...renderBlocks(message.blocks, tools));
  else if (message.text) node.append(el("div", { class: "text" }, mrkdwn(message.text, names)));
  for (const attachment of message.attachments) node.append(tried(() => attachmentNode(attachment, tools)));
  nameTheOthers(node);
  return node;
}

// Buttons come with words for those who hear them; links and menus say whose they are by the header above them.
function nameTheOthers(node) {
  const heading = node.querySelector(".header-block");
  for (const item of node.querySelectorAll("a[href], [role=menuitem], .more, select")) {
    if (item.hasAttribute("aria-label") && !item.matches(".more")) continue;
    const about = (item.closest(".accessory")?.parentElement.querySelector(".text") ?? heading)?.textContent.split("\n")[0];
    const label = item.getAttribute("aria-label") ?? (item.matches("select") ? "" : item.textContent);
    if (about && !label.includes(about)) item.setAttribute("aria-label", `${label} ${about.replace(/^[^\p{L}\p{N}#]+/u, "")}`.trim());
  }
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
