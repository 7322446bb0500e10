// Building of page elements. Everything the page shows passes through make(),
// which knows attributes and text only: no markup from outside is ever parsed.

/** Makes an element. False, null and undefined attributes are left out; strings among the children become text. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A real button that submits nothing and calls act when it is used. */
export function button(attributes, act, ...children) {
  const node = make("button", { type: "button", ...attributes }, ...children);
  node.addEventListener("click", () => act(node));
  return node;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** A foreign name: <bdi> keeps its direction marks from turning the text around it. */
export const name = (text) => make("bdi", { class: "name" }, String(text ?? ""));

/** A foreign name for places that hold only text, between first-strong-isolate marks. */
export const isolated = (text) => `\u2068${text}\u2069`;

/** Whether the reader asked for little motion. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A colour for a user or chat, always the same for the same id. The bot's is its own. */
export const hue = (id, bot = false) => (bot ? "hue-bot" : `hue-${Math.abs(Number(id) || 0) % 6}`);

/** The first character of a name, whole even when it is an emoji. */
export function initial(text) {
  const letter = [...String(text ?? "")].find((char) => /[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(char));
  return (letter ?? "#").toUpperCase();
}
