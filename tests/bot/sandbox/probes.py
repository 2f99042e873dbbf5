"""What scripts in the browser measure for the tests: contrast, sizes, what a screen reader would be told."""

from __future__ import annotations

CONTRAST = """() => {
  const channels = (color) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((value, index) => value * top[3] + below[index] * (1 - top[3]));
  const behind = (node) => {
    const color = node ? channels(getComputedStyle(node).backgroundColor) : [255, 255, 255, 1];
    return color[3] === 1 ? color : [...over(color, behind(node.parentElement)), 1];
  };
  const luminance = (color) => color.slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const weak = [];
  for (const node of document.querySelectorAll("body *")) {
    const words = [...node.childNodes].filter((one) => one.nodeType === 3).map((one) => one.data.trim()).join("");
    const placeholder = node.placeholder && !node.value;
    if ((!words && !placeholder) || !node.checkVisibility({ opacityProperty: true })) continue;
    if (node.matches(".skip, .spoken, .spoken *, option")) continue;
    const back = behind(node);
    const front = over(channels(getComputedStyle(node).color), back);
    const [bright, dark] = [front, back].map(luminance).sort((a, b) => b - a);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < 4.5) weak.push(`${node.tagName} ${node.className} ${words.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return weak;
}"""
"""All visible words that stand out from what is behind them by less than 4.5:1, with their ratio."""

SMALL = """() => [...document.querySelectorAll("button, select, textarea, a.button")]
  .filter((node) => node.checkVisibility() && !node.disabled && (node.offsetHeight < 44 || node.offsetWidth < 44))
  .map((node) => [node.tagName, node.className, node.textContent.slice(0, 20), node.offsetWidth, node.offsetHeight])"""
"""All that is pressed and is too small for a finger."""

TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(".messages, .modal-body")]
  .some((node) => node.scrollWidth > node.clientWidth)"""
"""Whether anything scrolls sideways."""

READ_OUT = """(node) => [...node.querySelectorAll("*")].flatMap((one) => [...one.childNodes])
  .filter((one) => one.nodeType === 3 && !one.parentElement.closest("[aria-hidden=true]"))
  .filter((one) => one.parentElement.closest("[aria-live]").getAttribute("aria-live") === "polite")
  .map((one) => one.data).join(" ")"""
"""The words of a new message that no nearer element takes out of the live region it is in."""

WATCH_ADDED = """() => {
  window.added = [];
  const isRead = (one) => one.parentElement?.closest("[aria-live]")?.getAttribute("aria-live") === "polite";
  new MutationObserver((changes) => changes.forEach((one) => window.added.push(...[...one.addedNodes].filter(isRead))))
    .observe(document.querySelector("#messages"), { childList: true, subtree: true });
}"""
"""From now on `added` is what was added to the live region."""

WATCH_MODE = """() => {
  const box = document.querySelector("#messages");
  window.modes = [];
  new MutationObserver(() => { if (box.querySelector("article")) window.modes.push(box.getAttribute("aria-live")); })
    .observe(box, { childList: true });
}"""
"""From now on `modes` is how the live region was set whenever messages came into it."""
