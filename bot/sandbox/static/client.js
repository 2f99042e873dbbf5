// What the page knows of the workspace, who looks at what, and how it talks to the sandbox.

import { el } from "/static/render.js";
import { say } from "/static/words.js";

export const now = {
  state: null, // /control/state
  user: localStorage.getItem("user"),
  channel: fromAddress(), // a name, or "@app" for the Home tab
  thread: null, // the ts of the message whose thread is open
};

export function fromAddress() {
  return decodeURIComponent(location.hash.slice(1)) || "incidents";
}

export async function get(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `status ${response.status}`);
  return response.json();
}

export async function post(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `status ${response.status}`);
  return answer;
}

export function toast(text) {
  const node = el("div", { class: "toast" }, text);
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), 6000);
}

export const trouble = (answer) => answer.timed_out
  ? say("The app took too long to answer") : answer.status === null
    ? say("The app could not be reached") : say("The app answered with an error ({})", answer.status);

// -- names ----------------------------------------------------------------------------------------------------------

export const person = (id) => now.state.users.find((one) => one.id === id);
export const names = {
  user: (id) => (id === now.state.app.user_id ? now.state.app.name : person(id)?.name),
  channel: (id) => now.state.channels.find((one) => one.id === id)?.name,
  users: () => now.state.users,
  channels: () => now.state.channels.filter((one) => !one.is_im),
};
// Nobody sees the direct messages of somebody else.
export const current = () => now.state.channels.find((one) => one.name === now.channel && (!one.is_im || one.im_user === now.user));

// -- drawing anew ---------------------------------------------------------------------------------------------------

let draw = null;
let running = null;
let again = false;

export function drawnBy(all) {
  draw = all;
}

// One at a time; what is asked for meanwhile is done once more afterwards.
export function refresh() {
  if (running) { again = true; return running; }
  running = (async () => {
    do {
      again = false;
      try {
        await draw();
        document.getElementById("connection").hidden = true;
      } catch (problem) {
        document.getElementById("connection").hidden = false;
        console.error(problem);
      }
    } while (again);
  })().finally(() => { running = null; });
  return running;
}
