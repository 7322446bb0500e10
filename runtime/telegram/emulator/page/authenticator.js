// A stand-in for the authenticator app on the persona's phone: a button that
// shows the code of now and puts it into the input.
import { byId } from "./dom.js";

const ASK_MS = 2000; // enrolling and resetting happen elsewhere, so the page looks again
const SOON_S = 5; // with fewer seconds left a code may be too old once it is typed

/**
 * Authenticator calls insert(code, last) when its button is used; last is the
 * code it inserted before. ask(personaId) gives {code, left_ms}.
 */
export class Authenticator {
  #button = byId("authenticator");
  #digits = byId("authenticator-code");
  #seconds = byId("authenticator-left");
  #ask;
  #persona = null; // whose codes are shown, null for nobody
  #code = "";
  #ends = 0; // when the code does, in the page's own time
  #asked = -Infinity;
  #inserted = "";
  #timer;

  constructor(ask, insert) {
    this.#ask = ask;
    this.#button.addEventListener("click", () => {
      insert(this.#code, this.#inserted);
      this.#inserted = this.#code;
    });
    document.addEventListener("visibilitychange", () => this.#tick());
  }

  /** Shows the codes of a persona from now on, if it has any. */
  open(persona) {
    const next = persona.authenticator ? persona.id : null;
    if (next === this.#persona) return;
    this.#persona = next;
    this.#inserted = "";
    this.#asked = -Infinity;
    this.#show("", 0);
    this.#tick();
  }

  // tick goes on once a second, while somebody can see it.
  async #tick() {
    clearTimeout(this.#timer);
    if (this.#persona === null || document.hidden) return;
    const now = performance.now();
    if (now >= this.#ends || now - this.#asked >= ASK_MS) await this.#look(now);
    else this.#paint();
    clearTimeout(this.#timer); // another tick may have begun meanwhile
    this.#timer = setTimeout(() => this.#tick(), this.#untilNextSecond());
  }

  async #look(now) {
    const persona = this.#persona;
    this.#asked = now;
    let answer = null;
    try {
      answer = await this.#ask(persona);
    } catch {
      // The connection's loss is shown elsewhere; a code stays as long as it is good.
    }
    if (persona !== this.#persona) return;
    if (answer) this.#show(answer.code, answer.left_ms);
    else if (performance.now() >= this.#ends) this.#show("", 0);
  }

  // Just past the second, so that rounding up does not show the old one again.
  #untilNextSecond() {
    const left = this.#ends - performance.now();
    return left > 0 ? (left % 1000) + 20 : 1000;
  }

  #show(code, leftMs) {
    this.#ends = performance.now() + leftMs;
    if (code !== this.#code) {
      this.#code = code;
      // In halves, as such apps do.
      const half = Math.ceil(code.length / 2);
      this.#digits.textContent = `${code.slice(0, half)} ${code.slice(half)}`;
      this.#button.setAttribute("aria-label", `Insert the code ${code} of the authenticator`);
    }
    const hidden = code === "";
    if (hidden && this.#button === document.activeElement) byId("composer").focus();
    this.#button.hidden = hidden;
    this.#paint();
  }

  #paint() {
    const left = Math.max(0, Math.ceil((this.#ends - performance.now()) / 1000));
    this.#seconds.textContent = `${left} s`;
    this.#seconds.classList.toggle("soon", left <= SOON_S);
  }
}
