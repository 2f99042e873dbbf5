// Turns Slack's markup and blocks into DOM nodes. Whatever comes from a message becomes a text node, never HTML.

import { walk } from "/static/focus.js";
import { dateToken, say, translated, whole } from "/static/words.js";

const EMOJI = {
  red_circle: "🔴", large_red_circle: "🔴", large_orange_circle: "🟠", orange_circle: "🟠", large_yellow_circle: "🟡",
  yellow_circle: "🟡", large_green_circle: "🟢", green_circle: "🟢", large_blue_circle: "🔵", blue_circle: "🔵",
  large_purple_circle: "🟣", large_brown_circle: "🟤", white_circle: "⚪", black_circle: "⚫",
  large_red_square: "🟥", large_orange_square: "🟧", large_yellow_square: "🟨", large_green_square: "🟩",
  large_blue_square: "🟦", white_large_square: "⬜", black_large_square: "⬛",
  white_check_mark: "✅", heavy_check_mark: "✔️", ballot_box_with_check: "☑️", x: "❌", negative_squared_cross_mark: "❎",
  eyes: "👀", rotating_light: "🚨", warning: "⚠️", information_source: "ℹ️", see_no_evil: "🙈", hear_no_evil: "🙉",
  no_entry: "⛔", no_entry_sign: "🚫", octagonal_sign: "🛑", mag: "🔍", mag_right: "🔎", link: "🔗", repeat: "🔁",
  arrows_counterclockwise: "🔄", arrow_up: "⬆️", arrow_down: "⬇️", arrow_right: "➡️", arrow_left: "⬅️",
  arrow_heading_up: "⤴️", chart_with_upwards_trend: "📈", chart_with_downwards_trend: "📉", bar_chart: "📊",
  test_tube: "🧪", bell: "🔔", no_bell: "🔕", mute: "🔇", loud_sound: "🔊", mega: "📣", loudspeaker: "📢",
  fire: "🔥", fire_engine: "🚒", boom: "💥", zap: "⚡", bulb: "💡", wrench: "🔧", hammer_and_wrench: "🛠️", gear: "⚙️",
  clock1: "🕐", clock3: "🕒", hourglass: "⌛", hourglass_flowing_sand: "⏳", stopwatch: "⏱️", alarm_clock: "⏰",
  calendar: "📆", date: "📅", memo: "📝", pencil: "📝", pencil2: "✏️", clipboard: "📋", page_facing_up: "📄",
  book: "📖", books: "📚", notebook: "📓", bookmark: "🔖", pushpin: "📌", round_pushpin: "📍", paperclip: "📎",
  speech_balloon: "💬", thought_balloon: "💭", busts_in_silhouette: "👥", bust_in_silhouette: "👤",
  wave: "👋", "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", raised_hand: "✋", raised_hands: "🙌",
  pray: "🙏", clap: "👏", muscle: "💪", point_right: "👉", ok_hand: "👌", tada: "🎉", sparkles: "✨", star: "⭐",
  heart: "❤️", smile: "😄", slightly_smiling_face: "🙂", thinking_face: "🤔", sleeping: "😴", zzz: "💤",
  question: "❓", grey_question: "❔", exclamation: "❗", heavy_exclamation_mark: "❗", bangbang: "‼️",
  lock: "🔒", unlock: "🔓", key: "🔑", shield: "🛡️", package: "📦", computer: "💻", robot_face: "🤖", satellite: "🛰️",
  globe_with_meridians: "🌐", house: "🏠", inbox_tray: "📥", outbox_tray: "📤", file_folder: "📁", recycle: "♻️",
  checkered_flag: "🏁", triangular_flag_on_post: "🚩", construction: "🚧", black_circle_for_record: "⏺️",
  double_vertical_bar: "⏸️", arrow_forward: "▶️", fast_forward: "⏩", rewind: "⏪", leftwards_arrow_with_hook: "↩️",
  small_red_triangle: "🔺", small_blue_diamond: "🔹", small_orange_diamond: "🔸", ghost: "👻", skull: "💀",
};

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const unescape = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

export function emojis(text) {
  return text.replace(/:([a-z0-9_+-]+):/g, (all, name) => (Object.hasOwn(EMOJI, name) ? EMOJI[name] : all));
}

const safeAddress = (address) => (/^(https?:|mailto:|tel:)/i.test(address) ? address : null);

function anchor(address, label) {
  const href = safeAddress(address);
  if (href === null) return document.createTextNode(label);
  return el("a", { href, target: "_blank", rel: "noopener noreferrer" }, label);
}

// -- mrkdwn ---------------------------------------------------------------------------------------------------------

const OPEN = "\uE000";
const CLOSE = "\uE001";

export function mrkdwn(text, names, verbatim = false) {
  const fragment = document.createDocumentFragment();
  const parts = String(text).replace(/[\uE000\uE001]/g, "").split(/```([\s\S]+?)```/);
  parts.forEach((part, index) => {
    if (index % 2) {
      fragment.append(el("pre", {}, unescape(part.replace(/^\n/, "")).replace(/<([^<>|]*)\|([^<>]*)>/g, "$2")));
    } else if (part) {
      let text = part;
      if (index > 0) text = text.replace(/^\n/, "");
      fragment.append(...quoted(text, names, verbatim));
    }
  });
  return fragment;
}

function quoted(text, names, verbatim) {
  const nodes = [];
  let plain = [];
  let quote = [];
  const flush = () => {
    if (quote.length) nodes.push(el("blockquote", {}, inline(quote.join("\n"), names, verbatim)));
    if (plain.length) nodes.push(inline(plain.join("\n"), names, verbatim));
    plain = [];
    quote = [];
  };
  for (const line of text.split("\n")) {
    const found = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (found ? plain.length : quote.length) flush();
    (found ? quote : plain).push(found ? found[1] : line);
  }
  flush();
  return nodes;
}

function inline(text, names, verbatim) {
  const atoms = [];
  const keep = (node) => {
    atoms.push(node);
    return OPEN + (atoms.length - 1) + CLOSE;
  };
  let rest = text.replace(/`([^`\n]+)`/g, (all, code) => keep(el("code", {}, unescape(code))));
  rest = rest.replace(/<([^<>\n]+)>/g, (all, inside) => keep(control(inside, names)));
  if (!verbatim) rest = rest.replace(/\bhttps?:\/\/[^\s<>\uE000]+[^\s<>\uE000.,;:!?)]/g, (url) => keep(anchor(unescape(url), unescape(url))));
  return styled(rest, atoms);
}

const STYLES = [
  ["strong", /(^|[^\p{L}\p{N}*])\*(?=\S)([^*\n]*?[^\s*])\*(?![\p{L}\p{N}*])/u],
  ["em", /(^|[^\p{L}\p{N}_])_(?=\S)([^_\n]*?[^\s_])_(?![\p{L}\p{N}_])/u],
  ["s", /(^|[^\p{L}\p{N}~])~(?=\S)([^~\n]*?[^\s~])~(?![\p{L}\p{N}~])/u],
];

function styled(text, atoms) {
  const fragment = document.createDocumentFragment();
  let best = null;
  for (const [tag, pattern] of STYLES) {
    const found = pattern.exec(text);
    if (found && (best === null || found.index < best.found.index)) best = { tag, found };
  }
  if (best === null) {
    for (const [index, piece] of text.split(/\uE000(\d+)\uE001/).entries()) {
      if (index % 2) fragment.append(atoms[Number(piece)]);
      else if (piece) fragment.append(emojis(unescape(piece)));
    }
    return fragment;
  }
  const start = best.found.index + best.found[1].length;
  const end = best.found.index + best.found[0].length;
  if (start) fragment.append(styled(text.slice(0, start), atoms));
  fragment.append(el(best.tag, {}, styled(best.found[2], atoms)));
  if (end < text.length) fragment.append(styled(text.slice(end), atoms));
  return fragment;
}

function control(inside, names) {
  const bar = inside.indexOf("|");
  const target = bar < 0 ? inside : inside.slice(0, bar);
  const label = bar < 0 ? "" : inside.slice(bar + 1);
  if (target.startsWith("@")) return el("span", { class: "mention" }, "@" + (names.user(target.slice(1)) ?? unescape(label || target.slice(1))));
  if (target.startsWith("#")) return el("span", { class: "mention" }, "#" + (names.channel(target.slice(1)) ?? unescape(label || target.slice(1))));
  if (target.startsWith("!date^")) return moment(target, unescape(label));
  if (target.startsWith("!subteam^")) return el("span", { class: "mention group" }, unescape(label || "@group"));
  if (/^!(here|channel|everyone)$/.test(target)) return el("span", { class: "mention group" }, "@" + target.slice(1));
  if (target.startsWith("!")) return document.createTextNode(unescape(label || target));
  return anchor(unescape(target), emojis(unescape(label || target)));
}

function moment(target, fallback) {
  const [, seconds, format, address] = target.split("^");
  const at = new Date(Number(seconds) * 1000);
  if (!/^\d+$/.test(seconds ?? "") || !format || Number.isNaN(at.getTime())) return document.createTextNode(fallback);
  const shown = emojis(unescape(format)).replace(/\{(\w+)\}/g, (all, token, index) => dateToken(token, at, index > 0) ?? all);
  const node = el("time", { datetime: at.toISOString(), title: whole(at) }, shown);
  if (!address || !safeAddress(unescape(address))) return node;
  return el("a", { href: unescape(address), target: "_blank", rel: "noopener noreferrer" }, node);
}

// -- blocks ---------------------------------------------------------------------------------------------------------

export function textObject(object, names) {
  if (!object) return document.createDocumentFragment();
  if (object.type === "mrkdwn") return mrkdwn(object.text, names, object.verbatim === true);
  return document.createTextNode(object.emoji === false ? object.text : emojis(object.text));
}

const plain = (object) => (object ? emojis(object.text ?? "") : "");

// `ui` says what can be done here: names, use(block, element, value), state(block, element), values, errors, busy
export const places = new WeakMap(); // block -> its place in the message; a block_id may change with every edit

export function renderBlocks(blocks, ui) {
  return blocks.map((block, index) => {
    places.set(block, index);
    const node = tried(() => renderBlock(block, ui));
    node.dataset.blockId = block.block_id ?? "";
    return node;
  });
}

// One thing that cannot be shown must not hide all others.
export function tried(draw) {
  try {
    return draw();
  } catch (problem) {
    console.warn(problem);
    return el("div", { class: "unknown-block" }, say("[this cannot be shown]"));
  }
}

function renderBlock(block, ui) {
  switch (block.type) {
    case "header": return el("h3", { class: "header-block" }, textObject(block.text, ui.names));
    case "divider": return el("hr");
    case "section": return section(block, ui);
    case "context":
      return el("div", { class: "context" }, block.elements.map((item) => item.type === "image"
        ? picture(item, "small") : el("span", {}, textObject(item, ui.names))));
    case "actions": return el("div", { class: "actions" }, block.elements.map((item) => element(block, item, ui)));
    case "image": return el("figure", {}, block.title ? el("figcaption", {}, textObject(block.title, ui.names)) : null, picture(block, "large"));
    case "input": return inputBlock(block, ui);
    case "markdown": return el("div", { class: "section markdown" }, mrkdwn(markdownAsMrkdwn(block.text), ui.names));
    case "rich_text": return el("div", { class: "section" }, block.elements.map((item) => richText(item, ui.names)));
    case "table": return table(block, ui);
    default: return el("div", { class: "unknown-block" }, `[${block.type} block]`);
  }
}

const markdownAsMrkdwn = (text) => text.replace(/\*\*(.+?)\*\*/g, "*$1*").replace(/^#+ (.*)$/gm, "*$1*")
  .replace(/\[([^\]]+)\]\((https?:[^)\s]+)\)/g, "<$2|$1>");

function section(block, ui) {
  const body = el("div", { class: "section-body" });
  if (block.text) body.append(el("div", { class: "text" }, textObject(block.text, ui.names)));
  if (block.fields) body.append(el("div", { class: "fields" }, block.fields.map((field) => el("div", { class: "field" }, textObject(field, ui.names)))));
  const accessory = block.accessory
    ? el("div", { class: "accessory" }, block.accessory.type === "image" ? picture(block.accessory, "thumb") : element(block, block.accessory, ui)) : null;
  return el("div", { class: "section" }, body, accessory);
}

function picture(item, size) {
  return el("span", { class: `picture ${size}`, role: "img", "aria-label": item.alt_text, title: item.image_url ?? "" }, "🖼", size === "small" ? null : el("span", {}, " " + item.alt_text));
}

function table(block, ui) {
  return el("table", {}, block.rows.map((row) => el("tr", {}, row.map((cell) => el("td", {},
    cell.type === "rich_text" ? cell.elements.map((item) => richText(item, ui.names)) : emojis(cell.text ?? ""))))));
}

function richText(item, names) {
  const parts = (item.elements ?? []).map((part) => {
    switch (part.type) {
      case "text": {
        let node = document.createTextNode(part.text);
        for (const [style, tag] of [["code", "code"], ["strike", "s"], ["italic", "em"], ["bold", "strong"]]) {
          if (part.style?.[style]) node = el(tag, {}, node);
        }
        return node;
      }
      case "link": return anchor(part.url, part.text ?? part.url);
      case "emoji": return document.createTextNode(emojis(`:${part.name}:`));
      case "user": return el("span", { class: "mention" }, "@" + (names.user(part.user_id) ?? part.user_id));
      case "channel": return el("span", { class: "mention" }, "#" + (names.channel(part.channel_id) ?? part.channel_id));
      default: return richText(part, names);
    }
  });
  switch (item.type) {
    case "rich_text_list": return el(item.style === "ordered" ? "ol" : "ul", {}, parts.map((part) => el("li", {}, part)));
    case "rich_text_preformatted": return el("pre", {}, parts);
    case "rich_text_quote": return el("blockquote", {}, parts);
    default: return el("div", { class: "text" }, parts);
  }
}

// -- elements -------------------------------------------------------------------------------------------------------

function options(item) {
  return item.options ?? (item.option_groups ?? []).flatMap((group) => group.options);
}

function element(block, item, ui) {
  const state = ui.state(block, item);
  const wrap = el("span", { class: "element" }, control_(block, item, ui, state));
  if (state.failure) wrap.append(el("span", { class: "failure", "data-testid": "failure", role: "status" }, el("span", { "aria-hidden": "true" }, "⚠️ "), state.failure));
  return wrap;
}

function control_(block, item, ui, state) {
  switch (item.type) {
    case "button":
    case "workflow_button": return button(block, item, ui, state);
    case "overflow": return overflow(block, item, ui, state);
    case "static_select": {
      const select = selectBox(item, ui.value?.(block, item));
      select.dataset.testid = `select-${item.action_id}`;
      select.disabled = state.pending;
      select.addEventListener("change", () => { if (select.value) ui.use(block, item, select.value); });
      return select;
    }
    default: {
      const node = field(block, item, ui);
      node.addEventListener("change", () => ui.use(block, item, readField(node, item)));
      return node;
    }
  }
}

function button(block, item, ui, state) {
  const label = textObject(item.text, ui.names);
  const attributes = {
    class: `button ${item.style ?? ""} ${state.pending ? "pending" : ""}`,
    "data-testid": `button-${item.action_id}`,
    "aria-label": item.accessibility_label,
  };
  const use = () => ui.use(block, item, item.value ?? null);
  if (item.url && safeAddress(item.url)) {
    return el("a", { ...attributes, href: item.url, target: "_blank", rel: "noopener noreferrer", onclick: use }, label);
  }
  return el("button", { ...attributes, type: "button", "aria-busy": state.pending ? "true" : null, onclick: () => { if (!state.pending) use(); } }, label);
}

function overflow(block, item, ui, state) {
  const menu = el("div", { class: "menu", role: "menu", hidden: true });
  const opener = el("button", {
    type: "button", class: `button more ${state.pending ? "pending" : ""}`, "data-testid": `overflow-${item.action_id}`,
    "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": say("More actions"), title: say("More actions"),
  }, "⋯");
  const show = (open) => {
    menu.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    menu.classList.remove("up", "leftwards");
    if (open) {
      const [edge, place] = [menu.closest(".messages, .modal-body") ?? document.body, menu].map((one) => one.getBoundingClientRect());
      menu.classList.toggle("up", place.bottom > edge.bottom);
      menu.classList.toggle("leftwards", place.right > edge.right);
      menu.querySelector("[role=menuitem]")?.focus();
    }
  };
  opener.addEventListener("click", (event) => {
    event.stopPropagation();
    const open = menu.hidden;
    closeMenus();
    show(open && !state.pending);
  });
  for (const option of item.options) {
    const address = option.url && safeAddress(option.url);
    menu.append(el(address ? "a" : "button", {
      role: "menuitem", "data-testid": `option-${option.value}`, tabindex: "-1",
      ...(address ? { href: address, target: "_blank", rel: "noopener noreferrer" } : { type: "button" }),
      onclick: () => { show(false); opener.focus(); ui.use(block, item, option.value); },
    }, textObject(option.text, ui.names), option.description ? el("small", {}, textObject(option.description, ui.names)) : null));
  }
  menu.addEventListener("keydown", (event) => {
    walk(event, [...menu.querySelectorAll("[role=menuitem]")]);
    if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); show(false); opener.focus(); }
    if (event.key === "Tab") show(false);
  });
  return el("span", { class: "overflow" }, opener, menu);
}

export function closeMenus() {
  for (const menu of document.querySelectorAll(".menu:not([hidden])")) {
    menu.hidden = true;
    menu.parentElement.querySelector("[aria-expanded]")?.setAttribute("aria-expanded", "false");
  }
}

// -- inputs ---------------------------------------------------------------------------------------------------------

function inputBlock(block, ui) {
  const node = field(block, block.element, ui);
  const error = ui.errors?.[block.block_id];
  const name = `in-${block.block_id}`;
  const group = node.tagName === "FIELDSET";
  if (!group) node.id = name;
  node.dataset.testid = `input-${block.block_id}`;
  if (error) { node.setAttribute("aria-invalid", "true"); node.setAttribute("aria-describedby", `${name}-error`); }
  const label = [textObject(block.label, ui.names), block.optional ? el("span", { class: "optional" }, ` ${say("(optional)")}`) : null];
  if (group) node.prepend(el("legend", {}, ...label));
  if (block.dispatch_action) node.addEventListener("change", () => ui.use(block, block.element, readField(node, block.element)));
  return el("div", { class: `input-block ${error ? "wrong" : ""}` },
    group ? null : el("label", { for: name }, ...label),
    node,
    error ? el("p", { class: "error", id: `${name}-error`, role: "alert", "data-testid": `error-${block.block_id}` }, translated(error)) : null,
    block.hint ? el("p", { class: "hint-text" }, textObject(block.hint, ui.names)) : null);
}

function field(block, item, ui) {
  const value = ui.value?.(block, item);
  const changed = () => ui.changed?.(block, item, readField(node, item));
  let node;
  switch (item.type) {
    case "static_select": node = selectBox(item, value); break;
    case "radio_buttons":
    case "checkboxes": node = choices(block, item, value, ui); break;
    case "plain_text_input": node = textBox(item, value); break;
    case "users_select": node = selectBox({ ...item, options: ui.names.users().map((user) => ({ value: user.id, text: { text: user.real_name } })) }, value); break;
    case "channels_select":
    case "conversations_select": node = selectBox({ ...item, options: ui.names.channels().map((channel) => ({ value: channel.id, text: { text: "#" + channel.name } })) }, value); break;
    default: {
      const kinds = { datepicker: "date", timepicker: "time", datetimepicker: "datetime-local", email_text_input: "email", url_text_input: "url", number_input: "text" };
      node = el("input", { type: kinds[item.type] ?? "text", placeholder: plain(item.placeholder), inputmode: item.type === "number_input" ? "decimal" : null });
      node.value = value ?? item.initial_value ?? item.initial_date ?? item.initial_time ?? "";
    }
  }
  node.addEventListener("input", changed);
  if (item.focus_on_load) node.dataset.focusOnLoad = "true";
  return node;
}

function textBox(item, value) {
  const node = el(item.multiline ? "textarea" : "input", {
    placeholder: plain(item.placeholder), rows: item.multiline ? 4 : null, type: item.multiline ? null : "text",
  });
  node.value = value ?? item.initial_value ?? "";
  return node;
}

function selectBox(item, value) {
  const node = el("select", {}, el("option", { value: "" }, plain(item.placeholder) || say("Select an option")));
  const add = (to, list) => list.forEach((option) => to.append(el("option", { value: option.value, "data-testid": `option-${option.value}` }, emojis(option.text.text))));
  if (item.option_groups) {
    for (const group of item.option_groups) {
      const holder = el("optgroup", { label: plain(group.label) });
      add(holder, group.options);
      node.append(holder);
    }
  } else add(node, item.options ?? []);
  node.value = value ?? item.initial_option?.value ?? item.initial_user ?? item.initial_channel ?? "";
  return node;
}

function choices(block, item, value, ui) {
  const several = item.type === "checkboxes";
  const initial = several ? (item.initial_options ?? []).map((option) => option.value) : [item.initial_option?.value];
  const chosen = value === undefined || value === null ? initial : [value].flat();
  const name = `${block.block_id}-${item.action_id}`;
  return el("fieldset", { class: "choices" }, options(item).map((option) => {
    const box = el("input", { type: several ? "checkbox" : "radio", name, value: option.value, "data-testid": `option-${option.value}` });
    box.checked = chosen.includes(option.value);
    return el("label", {}, box, el("span", {}, textObject(option.text, ui.names), option.description ? el("small", {}, textObject(option.description, ui.names)) : null));
  }));
}

export function readField(node, item) {
  if (node.tagName === "FIELDSET") {
    const chosen = [...node.querySelectorAll("input:checked")].map((box) => box.value);
    return item.type === "checkboxes" ? chosen : chosen[0] ?? null;
  }
  if (item.type === "datetimepicker") return node.value ? Math.floor(new Date(node.value).getTime() / 1000) : null;
  return node.value;
}
