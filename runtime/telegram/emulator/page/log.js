// The list of messages: order, days, edits, deletions, scrolling.
import { byId, calm, make } from "./dom.js";
import { drawMessage, paintTaps } from "./bubble.js";
import { settle } from "./richtext.js";

const NEAR_BOTTOM_PX = 60;
const FADE_MS = 220;
const TOGETHER_S = 600; // messages of one sender this close in time stand together
const dayName = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** Log owns the elements of the open chat's messages. */
export class Log {
  #root = byId("log");
  #news = byId("news");
  #messages = new Map(); // id -> {message, node}
  #view = null;
  #atBottom = true;
  #lastTop = 0;
  #unseen = 0;

  constructor() {
    this.#root.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#news.addEventListener("click", () => this.toBottom(!calm()));
    // The input growing or a keyboard opening must not hide the last message.
    new ResizeObserver(() => this.#atBottom && this.toBottom()).observe(this.#root);
  }

  /** Empties the log for another chat; view is what drawMessage needs. */
  open(view) {
    this.#view = view;
    this.#atBottom = true;
    this.#replaceAll([]);
  }

  /** Takes the whole state of a chat. The reader's place is kept after a reconnect. */
  snapshot(messages) {
    const place = this.#root.scrollTop;
    // Reading out the whole history again would drown what is new.
    this.#root.setAttribute("aria-live", "off");
    this.#replaceAll(messages);
    if (this.#atBottom) this.toBottom();
    else this.#root.scrollTop = place;
    setTimeout(() => this.#root.setAttribute("aria-live", "polite"), 100);
  }

  /** Adds a message, or replaces the one with the same id. */
  put(message) {
    const stick = this.#atBottom || message.from?.id === this.#view.me;
    const known = this.#messages.get(message.id);
    if (known) this.#replace(known, message);
    else this.#insert(message);
    this.#arrange();
    if (stick) this.toBottom();
    else if (!known) this.#announceNew();
  }

  /** Removes messages, fading. */
  drop(ids) {
    for (const id of ids) {
      const known = this.#messages.get(id);
      if (!known) continue;
      this.#messages.delete(id);
      this.#fade(known.node);
    }
  }

  /** Redraws the state of a message's inline buttons. */
  paint(messageId) {
    const known = this.#messages.get(messageId);
    if (known) paintTaps(known.node, messageId, this.#view.tapState);
  }

  toBottom(smooth = false) {
    this.#root.scrollTo({ top: this.#root.scrollHeight, behavior: smooth ? "smooth" : "instant" });
    this.#atBottom = true;
    this.#seen();
  }

  #replaceAll(messages) {
    this.#messages.clear();
    this.#root.replaceChildren();
    this.#seen();
    for (const message of [...messages].sort((a, b) => a.id - b.id)) this.#insert(message);
    this.#arrange();
  }

  // Ids rise with time, so nearly every message belongs at the end.
  #insert(message) {
    const node = drawMessage(message, this.#view);
    let before = this.#root.lastElementChild;
    while (before && !(Number(before.dataset.messageId) < message.id)) before = before.previousElementSibling;
    if (before) before.after(node);
    else this.#root.prepend(node);
    this.#messages.set(message.id, { message, node });
    settle(node);
  }

  #replace(known, message) {
    const node = drawMessage(message, this.#view);
    node.classList.add("changed");
    const focus = focusIn(known.node);
    known.node.replaceWith(node);
    this.#messages.set(message.id, { message, node });
    settle(node);
    if (focus !== null) restoreFocus(node, focus);
  }

  #fade(node) {
    if (node.contains(document.activeElement)) this.#root.focus({ preventScroll: true });
    node.removeAttribute("data-message-id");
    node.inert = true;
    node.classList.add("leaving");
    setTimeout(() => {
      node.remove();
      this.#arrange();
    }, calm() ? 0 : FADE_MS);
  }

  // arrange puts the day separators right and joins messages of one sender. It
  // touches only what is wrong, for every change in a log may be read out.
  #arrange() {
    let day = "";
    let last = null;
    for (const node of [...this.#root.children]) {
      const known = this.#messages.get(Number(node.dataset.messageId));
      if (!known) {
        if (node.dataset.day) this.#checkSeparator(node);
        continue;
      }
      const { message } = known;
      const own = dayOf(message.date);
      if (own !== day && node.previousElementSibling?.dataset.day !== own) node.before(separator(own, message.date));
      node.classList.toggle("follows", own === day && together(last, message));
      [day, last] = [own, message];
    }
  }

  // A separator is right if the next message is of its day and the last is not.
  #checkSeparator(node) {
    const next = this.#neighbour(node, "nextElementSibling");
    const last = this.#neighbour(node, "previousElementSibling");
    const dayAt = (message) => message && dayOf(message.date);
    if (dayAt(next) !== node.dataset.day || dayAt(last) === node.dataset.day) node.remove();
  }

  #neighbour(node, direction) {
    for (let at = node[direction]; at; at = at[direction]) {
      const known = this.#messages.get(Number(at.dataset.messageId));
      if (known) return known.message;
    }
    return null;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#root;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
    // Only going up leaves the bottom: a keyboard that opens also puts distance
    // between the two, and then the log has to follow.
    if (near) this.#seen();
    if (near || scrollTop < this.#lastTop) this.#atBottom = near;
    this.#lastTop = scrollTop;
  }

  #announceNew() {
    this.#unseen++;
    this.#news.textContent = this.#unseen === 1 ? "1 new message ↓" : `${this.#unseen} new messages ↓`;
    this.#news.hidden = false;
  }

  #seen() {
    this.#unseen = 0;
    this.#news.hidden = true;
  }
}

function together(last, message) {
  return last !== null && last.from?.id === message.from?.id && message.date - last.date < TOGETHER_S;
}

const dayOf = (seconds) => new Date(seconds * 1000).toDateString();

function separator(day, seconds) {
  const yesterday = new Date();
  yesterday.setDate(yesterday.getDate() - 1);
  let label = dayName.format(seconds * 1000);
  if (day === new Date().toDateString()) label = "Today";
  if (day === yesterday.toDateString()) label = "Yesterday";
  return make("p", { class: "day", "data-day": day }, make("span", {}, label));
}

const focusable = (node) => [...node.querySelectorAll("button, a[href]")];

// Which of the node's controls has the focus, -1 for the node itself, null for none.
function focusIn(node) {
  return node.contains(document.activeElement) ? focusable(node).indexOf(document.activeElement) : null;
}

// An edit must not throw a keyboard user out of the message: the control in the
// same place takes the focus, or the message itself.
function restoreFocus(node, index) {
  (focusable(node)[index] ?? node).focus({ preventScroll: true });
}
