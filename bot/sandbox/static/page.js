// The page of the sandbox: shows one channel as one person, and does what that person does.

import { current, drawnBy, fromAddress, get, names, now, person, post, refresh, toast } from "/static/client.js";
import { channelComposer, threadComposer } from "/static/composer.js";
import { redraw } from "/static/focus.js";
import { messageList, ofChannel, ofThread } from "/static/messages.js";
import { closeMenus, el } from "/static/render.js";
import { drawHome, drawModal, leaveModal } from "/static/views.js";
import { say, speak } from "/static/words.js";

const $ = (id) => document.getElementById(id);
const inChannel = messageList($("messages"));
const inThread = messageList($("replies"));

// -- around the messages --------------------------------------------------------------------------------------------

function entry(name, label, testid, { title, unread = 0, mentions = 0 } = {}) {
  const badge = el("span", { class: `unread ${mentions ? "mentions" : ""}`, "data-testid": `unread-${name}` },
    el("span", { "aria-hidden": "true" }, unread), el("span", { class: "spoken" }, say(mentions ? "{} unread, you are mentioned" : "{} unread", unread)));
  return el("li", {}, el("button", {
    type: "button", class: unread ? "new" : null, "data-testid": testid, "aria-current": now.channel === name ? "page" : null, title, onclick: () => go(name),
  }, el("span", { class: "label" }, label), unread ? badge : null));
}

const channelEntry = (one) => entry(one.name, `${one.is_private ? "🔒" : "#"} ${one.name}${one.is_archived ? ` ${say("(archived)")}` : ""}`,
  `channel-${one.name}`, { ...one, title: one.is_member ? null : say("{} is not in this channel", now.state.app.name) });

const isMine = (one) => one.im_user === now.user && !one.is_empty;

let drawn = null;

function drawSidebar() {
  const signature = JSON.stringify([now.channel, now.user, now.state.channels, now.state.users]);
  if (signature === drawn) return;
  drawn = signature;
  const dot = () => el("span", { class: "dot" });
  redraw($("sidebar"), () => {
    $("channels").replaceChildren(...names.channels().map(channelEntry));
    $("apps").replaceChildren(
      entry("@app", el("span", {}, dot(), now.state.app.name), "app-home"),
      ...now.state.channels.filter(isMine).map((one) => entry(one.name, say("Direct messages"), "app-messages", one)));
  });
  const people = now.state.users.map((one) => el("option", { value: one.id }, `${one.real_name} (${one.locale.slice(0, 2)})`));
  const select = $("user"); // left alone while somebody has it open
  if (people.map((one) => one.text).join() !== [...select.options].map((one) => one.text).join()) select.replaceChildren(...people);
  select.value = now.user;
}

function drawTop() {
  const here = current();
  const name = now.channel === "@app" || here?.is_im ? now.state.app.name : `${here?.is_private ? "🔒" : "#"} ${now.channel}`;
  $("title").textContent = name;
  $("subtitle").textContent = now.channel === "@app" ? say("Home tab") : here?.is_im ? say("Direct messages") : here?.is_archived ? say("This channel is archived") : "";
  $("form").hidden = !here || here.is_archived;
  $("composer").placeholder = say("Message #{}, or {}", now.channel, Object.keys(now.state.commands).join(", "));
  $("reply").placeholder = say("Reply…");
  $("broadcast-label").textContent = say("Also send to #{}", now.channel);
  $("in-channel").textContent = `# ${now.channel}`;
  const unread = now.state.channels.reduce((sum, one) => sum + (one.is_im && one.im_user !== now.user ? 0 : one.unread), 0);
  document.title = `${unread ? `(${unread}) ` : ""}${name} · Sandbox Slack`;
}

function empty() {
  if (now.state.channels.some((one) => !one.is_empty)) return [el("p", { class: "empty" }, say("This is the very beginning of #{}.", now.channel))];
  const [before, after] = say("Run {} in a terminal.", "\n").split("\n");
  return [el("p", { class: "empty", "data-testid": "start" }, `${say("Nothing here yet.")} ${before}`, el("code", {}, "make demo"), after)];
}

// -- messages -------------------------------------------------------------------------------------------------------

async function drawMessages() {
  const [box, at, user] = [$("messages"), now.channel, now.user];
  if (at === "@app") {
    inChannel.clear();
    await drawHome(box, () => names.channels().slice(0, 1).map((one) => el("button", { type: "button", class: "link", onclick: () => go(one.name) }, `#${one.name}`)));
    return;
  }
  const here = current();
  const messages = await ofChannel(here);
  if (at !== now.channel || user !== now.user) return;
  inChannel.draw(messages, `${at} ${user}`, empty);
  const last = messages.findLast((message) => message.ts)?.ts;
  if (here.unread && last && !document.hidden) await post("/control/read", { user, channel: here.id, ts: last });
}

async function drawThread() {
  const ts = now.thread;
  $("thread").hidden = !ts;
  document.body.classList.toggle("threaded", Boolean(ts));
  if (!ts) { inThread.clear(); return; }
  const messages = await ofThread(current(), ts);
  if (ts !== now.thread) return;
  if (!messages.length) closeThread(); // the workspace has forgotten it
  else inThread.draw(messages, `${ts} ${now.user}`);
}

let opened = null; // the message whose thread was opened: the focus goes back there

document.addEventListener("thread", async ({ detail: ts }) => {
  opened = document.activeElement.closest("article");
  now.thread = ts;
  await refresh();
  $("replies").scrollTop = $("replies").scrollHeight;
  $("reply").focus();
});

function closeThread() {
  if (!now.thread) return;
  now.thread = null;
  refresh();
  const button = opened?.querySelector("[data-testid=open-thread]");
  if (button) button.focus(); else $("messages").focus();
}

// -- going about ----------------------------------------------------------------------------------------------------

const touched = matchMedia("(pointer: coarse)"); // a focus there would open the keyboard over half of the page

async function go(name) {
  now.channel = name;
  now.thread = null;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  if (name !== "@app" && !touched.matches) $("composer").focus();
  await refresh();
  $("messages").scrollTop = name === "@app" ? 0 : $("messages").scrollHeight;
  if (name !== "@app") return;
  try { await post("/control/open_home", { user: now.user }); } catch (problem) { toast(problem.message); }
  await refresh();
}

drawnBy(async () => {
  const look = () => get(`/control/state?user=${now.user}`);
  now.state = await look();
  if (!person(now.user)) { now.user = now.state.users[0].id; now.state = await look(); }
  if (now.channel !== "@app" && !current()) Object.assign(now, { channel: names.channels()[0].name, thread: null });
  if (speak(person(now.user).locale)) { inChannel.clear(); inThread.clear(); }
  drawSidebar();
  drawTop();
  await Promise.all([drawMessages(), drawThread(), drawModal()]);
});

$("user").addEventListener("change", (event) => {
  now.user = event.target.value;
  localStorage.setItem("user", now.user);
  leaveModal();
  refresh();
});
channelComposer($("form"), $("messages"));
threadComposer($("reply-form"));
$("close-thread").addEventListener("click", closeThread);
$("thread").addEventListener("keydown", (event) => { if (event.key === "Escape") closeThread(); });
document.addEventListener("click", closeMenus);
document.addEventListener("visibilitychange", () => refresh());
window.addEventListener("hashchange", () => go(fromAddress()));

await refresh();
$("messages").scrollTop = $("messages").scrollHeight;
const stream = new EventSource("/control/stream");
stream.addEventListener("changed", () => refresh());
stream.addEventListener("open", () => { $("connection").hidden = true; });
stream.addEventListener("error", () => { $("connection").hidden = false; });
