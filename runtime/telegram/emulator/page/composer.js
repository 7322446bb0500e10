// The lower edge: input, command menu, reply keyboard.
import { button, byId, make } from "./dom.js";

const MAX_HISTORY = 50;

/** Composer calls send(text) with everything the persona says, typed or tapped. */
export class Composer {
  #input = byId("composer");
  #sendButton = byId("send");
  #slash = byId("slash");
  #menu = byId("commands");
  #toggle = byId("toggle");
  #keyboardRoot = byId("keyboard");
  #send;
  #live = false;
  #commands = [];
  #keyboard = null;
  #folded = false;
  #sent = [];
  #shift = false; // whether Shift was held at the last key
  #recalled = -1; // index into #sent, -1 while nothing is recalled

  constructor(send) {
    this.#send = send;
    byId("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#inputKey(event));
    this.#input.addEventListener("beforeinput", (event) => this.#lineBreak(event));
    this.#menu.addEventListener("keydown", (event) => this.#menuKey(event));
    this.#slash.addEventListener("click", () => this.#slashTapped());
    this.#toggle.addEventListener("click", () => this.#fold(!this.#folded));
    byId("form").addEventListener("focusout", (event) => {
      // A null target is a tap on nothing focusable, or another window: leave the menu.
      if (event.relatedTarget && !byId("form").contains(event.relatedTarget)) this.#closeMenu();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!byId("form").contains(event.target)) this.#closeMenu();
    });
  }

  get draft() {
    return this.#input.value;
  }

  set draft(text) {
    this.#input.value = text;
    this.#recalled = -1;
    this.#closeMenu();
    this.#fit();
  }

  /** Empties what belonged to another chat. */
  open(draft) {
    this.#sent = [];
    this.#keyboard = null;
    this.#folded = false;
    this.draft = draft;
    this.setCommands([]);
    this.#drawKeyboard();
  }

  focus() {
    this.#input.focus();
  }

  /** Puts a text where the caret is, as pasting would, or in place of the last one that is still there; it is not sent. */
  insert(text, last = "") {
    if (!this.#live) return;
    const at = last === "" ? -1 : this.#input.value.lastIndexOf(last);
    const [from, to] = at === -1 ? [this.#input.selectionStart, this.#input.selectionEnd] : [at, at + last.length];
    this.#input.setRangeText(text, from, to, "end");
    this.#typed();
    this.#input.focus();
  }

  /** Whether there is a connection to send on. The text being written stays. */
  setLive(live) {
    this.#live = live;
    this.#input.readOnly = !live; // not disabled: that would throw the focus away
    this.#input.setAttribute("aria-disabled", String(!live));
    this.#slash.disabled = !live || this.#commands.length === 0;
    for (const key of this.#keyboardRoot.querySelectorAll("button")) key.disabled = !live;
    this.#fit();
  }

  setCommands(commands) {
    this.#commands = commands ?? [];
    this.#slash.hidden = this.#commands.length === 0;
    this.#slash.disabled = !this.#live;
    if (!this.#menu.hidden) this.#filterMenu();
  }

  /** Shows a reply keyboard; null removes it. The same one again leaves it folded or open as it is. */
  setKeyboard(keyboard) {
    if (JSON.stringify(keyboard) === JSON.stringify(this.#keyboard)) return;
    this.#keyboard = keyboard;
    this.#folded = false;
    this.#drawKeyboard();
  }

  #submit() {
    const text = this.#input.value.trim();
    if (text === "" || !this.#live) return;
    this.draft = "";
    this.#say(text);
  }

  #say(text) {
    if (this.#sent.at(-1) !== text) this.#sent.push(text);
    if (this.#sent.length > MAX_HISTORY) this.#sent.shift();
    this.#closeMenu();
    this.#send(text);
  }

  #typed() {
    this.#recalled = -1;
    this.#fit();
    if (/^\/\w*$/.test(this.#input.value)) this.#filterMenu();
    else this.#closeMenu();
  }

  // fit lets the input grow with its text up to the limit in the style sheet.
  #fit() {
    this.#input.style.height = "auto";
    const borders = this.#input.offsetHeight - this.#input.clientHeight;
    this.#input.style.height = `${this.#input.scrollHeight + borders}px`;
    this.#sendButton.disabled = !this.#live || this.#input.value.trim() === "";
  }

  #inputKey(event) {
    this.#shift = event.shiftKey;
    if (event.isComposing) return; // Enter then ends the input method's word
    const menuOpen = !this.#menu.hidden;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && menuOpen) {
      this.#closeMenu();
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const step = event.key === "ArrowUp" ? -1 : 1;
      if (menuOpen ? this.#moveInMenu(step) : this.#recall(step)) event.preventDefault();
    }
  }

  // Some screen keyboards and remote controls bring Enter as text, without a
  // key or after it. That is the same wish: send, and no line break.
  #lineBreak(event) {
    if (event.inputType !== "insertLineBreak" || this.#shift) return;
    event.preventDefault();
    this.#submit();
  }

  // recall goes through what was sent, but never over a text being written.
  #recall(step) {
    const untouched = this.#input.value === "" || this.#input.value === this.#sent[this.#recalled];
    if (!untouched || this.#sent.length === 0) return false;
    const from = this.#recalled === -1 ? this.#sent.length : this.#recalled;
    const to = Math.max(from + step, 0);
    if (this.#recalled === -1 && step > 0) return false;
    this.draft = this.#sent[to] ?? "";
    this.#recalled = to < this.#sent.length ? to : -1;
    this.#input.setSelectionRange(this.#input.value.length, this.#input.value.length);
    return true;
  }

  #slashTapped() {
    if (!this.#menu.hidden) {
      this.#closeMenu();
      return;
    }
    this.#drawMenu(this.#commands);
    this.#menu.querySelector("button")?.focus();
  }

  #filterMenu() {
    const typed = this.#input.value.slice(1).toLowerCase();
    this.#drawMenu(this.#commands.filter((entry) => entry.command.toLowerCase().startsWith(typed)));
  }

  #drawMenu(commands) {
    this.#menu.replaceChildren(...commands.map((entry) =>
      button({ class: "command-row" }, () => this.#chosen(entry.command),
        make("span", { class: "command-name" }, `/${entry.command}`),
        make("span", { class: "command-about", dir: "auto" }, entry.description))));
    this.#menu.hidden = commands.length === 0;
    this.#slash.setAttribute("aria-expanded", String(!this.#menu.hidden));
    this.#menu.scrollTop = 0;
  }

  #closeMenu() {
    if (this.#menu.hidden) return;
    this.#menu.hidden = true;
    this.#slash.setAttribute("aria-expanded", "false");
  }

  #chosen(command) {
    if (!this.#live) return;
    this.draft = "";
    this.#input.focus();
    this.#say(`/${command}`);
  }

  #menuKey(event) {
    if (event.key === "Escape") {
      this.#closeMenu();
      this.#input.focus();
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      this.#moveInMenu(event.key === "ArrowUp" ? -1 : 1);
    }
  }

  #moveInMenu(step) {
    const rows = [...this.#menu.querySelectorAll("button")];
    const at = rows.indexOf(document.activeElement);
    const to = at === -1 && step < 0 ? rows.length - 1 : at + step;
    (rows[to] ?? this.#input).focus();
    return true;
  }

  #drawKeyboard() {
    const focused = [...this.#keyboardRoot.querySelectorAll("button")].indexOf(document.activeElement);
    const rows = (this.#keyboard?.rows ?? []).map((row) => make("div", { class: "row" }, ...row.map((text) =>
      button({ class: "reply-key", disabled: !this.#live }, () => this.#say(text), make("span", { class: "label" }, text)))));
    this.#keyboardRoot.replaceChildren(...rows);
    this.#keyboardRoot.classList.toggle("tall", this.#keyboard?.resize === false);
    this.#input.placeholder = this.#keyboard?.placeholder || "Message";
    this.#toggle.hidden = rows.length === 0;
    this.#fold(this.#folded);
    if (focused !== -1) this.#keepFocus(focused);
  }

  // The next keyboard takes over the focus of the tapped one. The input would
  // be the other choice, but on a phone that opens the screen keyboard.
  #keepFocus(index) {
    const keys = [...this.#keyboardRoot.querySelectorAll("button")];
    (keys[Math.min(index, keys.length - 1)] ?? this.#input).focus();
  }

  #fold(folded) {
    this.#folded = folded;
    this.#keyboardRoot.hidden = folded || this.#toggle.hidden;
    this.#toggle.setAttribute("aria-expanded", String(!this.#keyboardRoot.hidden));
  }
}
