// Message text with Telegram entities, as DOM nodes. Offsets are UTF-16 units,
// which is how JavaScript counts as well, so they index the string directly.
import { make } from "./dom.js";

// Telegram keeps at most 100 entities of a message. The limit matters here
// too: overlapping ones are cut into pieces, and the pieces grow squarely.
const MAX_ENTITIES = 100;

// Outermost first, for entities that cover exactly the same text.
const ORDER = [
  "blockquote", "expandable_blockquote", "pre", "spoiler", "text_link", "url", "text_mention",
  "bot_command", "mention", "hashtag", "cashtag", "email", "phone_number",
  "bold", "italic", "underline", "strikethrough", "code",
];
const TAGS = { bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code" };
const BLOCKS = "pre, blockquote";

/** Renders text with its entities. onCommand is called with the text of a tapped bot command. */
export function richText(text, entities, onCommand) {
  return build({ text, onCommand }, 0, text.length, spansOf(text, entities));
}

/** Adds what only a laid-out bubble can tell: which quotes fold, which code needs the keyboard to scroll. */
export function settle(bubble) {
  for (const pre of bubble.querySelectorAll("pre")) {
    if (pre.scrollWidth <= pre.clientWidth) continue;
    pre.tabIndex = 0;
    pre.setAttribute("role", "group");
    pre.setAttribute("aria-label", "Code, scrolls sideways");
  }
  for (const quote of bubble.querySelectorAll("blockquote.folded")) {
    const body = quote.querySelector(".quote-body");
    if (body.scrollHeight > body.clientHeight + 2) continue;
    quote.classList.remove("folded");
    quote.querySelector(".quote-more").hidden = true;
  }
}

/** The address if it is one a message may lead to (http, https, tg), otherwise null. */
export function safeLink(address) {
  try {
    const url = new URL(String(address));
    return ["http:", "https:", "tg:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

// spansOf drops what is unknown, empty or outside the text, and sorts the rest
// so that an outer span always comes before the ones inside it.
function spansOf(text, entities) {
  return (entities ?? [])
    .slice(0, MAX_ENTITIES)
    .filter((e) => ORDER.includes(e.type) && Number.isInteger(e.offset) && Number.isInteger(e.length))
    .filter((e) => e.offset >= 0 && e.length > 0 && e.offset < text.length)
    .map((e) => ({ ...e, start: e.offset, end: Math.min(e.offset + e.length, text.length) }))
    .sort(outerFirst);
}

function outerFirst(a, b) {
  return a.start - b.start || b.end - a.end || ORDER.indexOf(a.type) - ORDER.indexOf(b.type);
}

function build(source, start, end, spans) {
  const out = document.createDocumentFragment();
  let at = start;
  let queue = spans;
  while (queue.length > 0) {
    const [span, ...rest] = queue;
    appendText(out, source.text.slice(at, span.start));
    const { inside, after } = cutAt(rest, span.end);
    out.append(wrap(source, span, build(source, span.start, span.end, inside)));
    at = span.end;
    queue = after;
  }
  appendText(out, source.text.slice(at, end));
  return out;
}

// cutAt divides spans at a border. One that crosses it (Telegram forbids that,
// so it is foreign input) goes on as two pieces: elements can only nest.
function cutAt(spans, border) {
  const inside = [];
  const after = [];
  for (const span of spans) {
    if (span.start < border) inside.push({ ...span, end: Math.min(span.end, border) });
    if (span.end > border) after.push({ ...span, start: Math.max(span.start, border) });
  }
  return { inside, after: after.sort(outerFirst) };
}

// appendText hides the line break after a block: the block already ends its
// line. It stays in the document, so that the bubble's text is the message's.
function appendText(out, text) {
  if (text === "") return;
  if (text[0] === "\n" && out.lastElementChild === out.lastChild && out.lastElementChild?.matches(BLOCKS)) {
    out.append(make("span", { hidden: true }, "\n"));
    text = text.slice(1);
  }
  if (text !== "") out.append(text);
}

function wrap(source, span, content) {
  const text = source.text.slice(span.start, span.end);
  switch (span.type) {
    case "pre":
      return make("pre", { "data-language": span.language || null }, make("code", {}, content));
    case "blockquote":
      return make("blockquote", {}, content);
    case "expandable_blockquote":
      return foldedQuote(content);
    case "spoiler":
      return spoiler(content);
    case "text_link":
      return link(span.url, content);
    case "url":
      // Telegram also marks addresses without a scheme.
      return link(/^[a-z][a-z0-9+.-]*:/i.test(text) ? text : `https://${text}`, content);
    case "bot_command":
      return command(text, content, source.onCommand);
    default:
      return make(TAGS[span.type] ?? "span", TAGS[span.type] ? {} : { class: "tag" }, content);
  }
}

function link(address, content) {
  const href = safeLink(address);
  if (href === null) return make("span", {}, content); // must not look like a link either
  return make("a", { href, title: href, target: "_blank", rel: "noopener noreferrer" }, content);
}

function command(text, content, onCommand) {
  const node = make("button", { type: "button", class: "command" }, content);
  node.addEventListener("click", () => onCommand(text));
  return node;
}

function foldedQuote(content) {
  const body = make("div", { class: "quote-body" }, content);
  const more = make("button", { type: "button", class: "quote-more", "aria-expanded": "false" }, "Show more");
  const quote = make("blockquote", { class: "folded" }, body, more);
  more.addEventListener("click", () => {
    const folded = quote.classList.toggle("folded");
    more.setAttribute("aria-expanded", String(!folded));
    more.textContent = folded ? "Show more" : "Show less";
  });
  return quote;
}

// A spoiler is a span in the role of a button, since a <button> cannot break
// across lines. What it covers is inert: not read out, not reachable.
function spoiler(content) {
  const cover = make("span", { class: "covered", inert: true }, content);
  const node = make("span", { class: "spoiler", role: "button", tabindex: "0", "aria-label": "Hidden text, show it" }, cover);
  const show = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    cover.inert = false;
    node.classList.add("shown");
    for (const attribute of ["role", "tabindex", "aria-label"]) node.removeAttribute(attribute);
    node.removeEventListener("click", show);
    node.removeEventListener("keydown", show);
  };
  node.addEventListener("click", show);
  node.addEventListener("keydown", show);
  return node;
}
