// One message as an element: bubble, media, text, time, inline buttons.
import { button, hue, make, name } from "./dom.js";
import { richText, safeLink } from "./richtext.js";
import { fileAddress } from "./api.js";

// One language for the whole page, so that dates match the words around them.
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "medium" });
const STYLES = ["danger", "success", "primary"];

/**
 * Draws a message. view = {me, group, command(text), photo(address, caption),
 * tap(messageId, data, label), tapState(messageId, data)}.
 */
export function drawMessage(message, view) {
  const own = message.from?.id === view.me;
  const sender = message.from?.name ?? "";
  const article = make("article", {
    class: `message ${own ? "own" : "other"}`,
    "data-message-id": message.id,
    "data-from": message.from?.id,
    "aria-label": `${own ? "You" : sender}, ${timeOf(message)}`,
    tabindex: "-1",
  }, drawBubble(message, view, own));
  if (message.photo) reserve(article, message.photo);
  if (message.inline?.length) article.append(drawInline(message, view));
  return article;
}

/** Gives the buttons of a drawn message the state of their taps. */
export function paintTaps(article, messageId, tapState) {
  for (const node of article.querySelectorAll("button[data-callback]")) {
    const state = tapState(messageId, node.dataset.callback);
    node.classList.toggle("waiting", state === "waiting");
    node.classList.toggle("missed", state === "missed");
    node.setAttribute("aria-busy", String(state === "waiting"));
    node.title = state === "missed" ? "The bot did not answer" : "";
  }
}

function drawBubble(message, view, own) {
  const bubble = make("div", { class: "bubble" });
  if (view.group && !own) {
    bubble.append(make("p", { class: `sender ${hue(message.from?.id, message.from?.bot)}`, "aria-hidden": "true" }, name(message.from?.name)));
  }
  if (message.photo) bubble.append(drawPhoto(message, view));
  if (message.document) bubble.append(drawDocument(message.document));
  const text = message.text ?? "";
  if (text !== "") {
    bubble.append(make("div", { class: "text" }, richText(text, message.entities, view.command), drawMeta(message)));
  } else {
    bubble.append(drawMeta(message));
  }
  bubble.classList.toggle("bare-photo", Boolean(message.photo) && text === "");
  bubble.classList.toggle("with-photo", Boolean(message.photo));
  return bubble;
}

function drawMeta(message) {
  const when = new Date(message.date * 1000);
  const time = make("time", { datetime: when.toISOString(), title: full.format(when) }, timeOf(message));
  const edited = message.edit_date ? make("span", { class: "edited" }, "edited") : null;
  return make("span", { class: "meta" }, edited, time);
}

const timeOf = (message) => clock.format(message.date * 1000);

// reserve gives the message the width its photo will have, and the width the
// height, so that a photo that is still loading moves nothing later.
function reserve(article, { width, height }) {
  article.classList.add("has-photo");
  article.style.setProperty("--photo-width", `${width || 320}px`);
  article.style.setProperty("--photo-ratio", String(width && height ? width / height : 1));
}

function drawPhoto(message, view) {
  const { file_id: id, width, height } = message.photo;
  const address = fileAddress(id);
  const image = make("img", { src: address, width, height, alt: "", decoding: "async" });
  return button({ class: "photo", "aria-label": "Photo, enlarge" }, () => view.photo(address, message.text), image);
}

function drawDocument(file) {
  const title = String(file.name || "file");
  const kind = /\.([a-z0-9]{1,4})$/i.exec(title)?.[1] ?? "file";
  return make("a", { class: "document", href: fileAddress(file.file_id), download: title },
    make("span", { class: "document-kind", "aria-hidden": "true" }, kind),
    make("span", { class: "document-text" },
      make("span", { class: "document-name" }, name(title)),
      make("span", { class: "document-size" }, sizeOf(file.size))));
}

function sizeOf(bytes) {
  let size = Number(bytes) || 0;
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

function drawInline(message, view) {
  const rows = message.inline.map((row) =>
    make("div", { class: "row" }, ...row.map((key) => drawKey(message.id, key, view))));
  const keyboard = make("div", { class: "inline-keyboard", role: "group", "aria-label": "Buttons" }, ...rows);
  paintTaps(keyboard, message.id, view.tapState);
  return keyboard;
}

function drawKey(messageId, key, view) {
  const style = STYLES.includes(key.style) ? key.style : "plain";
  const label = make("span", { class: "label" }, key.text);
  const href = key.url ? safeLink(key.url) : null;
  if (href) return make("a", { class: `key ${style} leads-out`, href, target: "_blank", rel: "noopener noreferrer" }, label);
  if (!key.data) return make("button", { type: "button", class: `key ${style}`, disabled: true }, label);
  return button({ class: `key ${style}`, "data-callback": key.data }, () => view.tap(messageId, key.data, key.text), label);
}
