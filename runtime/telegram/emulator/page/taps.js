// Taps on inline buttons that wait for the bot's answer.

const GIVE_UP_MS = 15_000;

/**
 * Taps keeps which buttons wait. It is given post(messageId, data), which gives
 * {query_id}, paint(messageId), which redraws a message's buttons, and
 * answer(answer), unanswered(label) and failed(error) for the outcome.
 */
export class Taps {
  #waiting = new Map(); // button key -> timer
  #missed = new Set(); // button keys that got no answer in time
  #open = new Map(); // query id -> {key, messageId}
  #early = new Map(); // answers that overtook the reply to their own tap
  #out;

  constructor(out) {
    this.#out = out;
  }

  /** "waiting", "missed" or "" for a button, named by its message and data. */
  state(messageId, data) {
    const key = keyOf(messageId, data);
    if (this.#waiting.has(key)) return "waiting";
    return this.#missed.has(key) ? "missed" : "";
  }

  async begin(messageId, data, label) {
    const key = keyOf(messageId, data);
    if (this.#waiting.has(key)) return;
    this.#missed.delete(key);
    this.#waiting.set(key, setTimeout(() => this.#giveUp(key, messageId, label), GIVE_UP_MS));
    this.#out.paint(messageId);
    try {
      const { query_id: query } = await this.#out.post(messageId, data);
      this.#open.set(query, { key, messageId });
      if (this.#early.has(query)) this.answered(this.#early.get(query));
    } catch (error) {
      this.#rest(key, messageId);
      this.#out.failed(error);
    }
  }

  /** Takes an answer event. One that belongs to another tab is never shown. */
  answered(answer) {
    const tap = this.#open.get(answer.query_id);
    if (!tap) {
      this.#keepEarly(answer);
      return;
    }
    this.#open.delete(answer.query_id);
    this.#early.delete(answer.query_id);
    this.#missed.delete(tap.key); // late is better than never
    this.#rest(tap.key, tap.messageId);
    this.#out.answer(answer);
  }

  /** Forgets everything, for another chat. */
  clear() {
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    for (const kept of [this.#waiting, this.#missed, this.#open, this.#early]) kept.clear();
  }

  #keepEarly(answer) {
    this.#early.set(answer.query_id, answer);
    setTimeout(() => this.#early.delete(answer.query_id), GIVE_UP_MS);
  }

  #giveUp(key, messageId, label) {
    this.#missed.add(key);
    this.#rest(key, messageId);
    this.#out.unanswered(label);
  }

  #rest(key, messageId) {
    clearTimeout(this.#waiting.get(key));
    this.#waiting.delete(key);
    this.#out.paint(messageId);
  }
}

const keyOf = (messageId, data) => `${messageId} ${data}`;
