// Where the keyboard is: what is drawn anew, or goes away, must not send it back to the top of the page.

const CONTROLS = "button:enabled:not([tabindex='-1']), a[href], input, select, textarea";

const named = (node, testid) => [...node.querySelectorAll(`[data-testid="${CSS.escape(testid ?? "")}"]`)];

// Into the node: to its element of that name, else its first button, else the node itself.
export function focusIn(node, testid, index = 0) {
  const target = named(node, testid)[index] ?? node.querySelector(".button") ?? node.querySelector(CONTROLS) ?? node;
  if (target === node) node.tabIndex = -1;
  target.focus();
}

// Change what is in the box; the focus stays where it was, or as near as can be.
export function redraw(box, change) {
  const active = box.contains(document.activeElement) && document.activeElement !== box ? document.activeElement : null;
  const testid = active?.dataset.testid;
  const index = active && named(box, testid).indexOf(active);
  change();
  if (active && !box.contains(document.activeElement)) focusIn(box, testid, index);
}

// The arrow keys walk through entries, round and round.
export function walk(event, entries) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !entries.length) return;
  event.preventDefault();
  const at = entries.indexOf(document.activeElement);
  entries[at < 0 && step < 0 ? entries.length - 1 : (at + step + entries.length) % entries.length].focus();
}

// -- dialogs --------------------------------------------------------------------------------------------------------

let opener = null;
let card = null;

export function show(dialog) {
  if (!document.querySelector("dialog[open]")) {
    opener = document.activeElement;
    card = opener?.closest("article")?.querySelector(".content");
  }
  document.body.append(dialog);
  dialog.showModal();
}

// Back to what opened it; when that was drawn anew meanwhile, to the first button of its card.
export function hide(dialog) {
  dialog.close();
  dialog.remove();
  if (document.querySelector("dialog[open]")) return;
  if (opener?.isConnected && opener !== document.body) opener.focus();
  else if (card?.isConnected) focusIn(card);
  else document.getElementById("messages").focus();
}
