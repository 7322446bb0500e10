// The page's side of the emulator's HTTP interface.

const RETRY_MS = 2000;
const EVENTS = ["snapshot", "message", "delete", "keyboard", "answer", "action", "commands"];

let token = document.querySelector('meta[name="cofferdam-page"]').content;

/** Bot and personas. */
export async function world() {
  return unpack(await fetch("/api/world", { cache: "no-store" }));
}

/** Sends a text as a persona; gives {message_id}. */
export const sendText = (as, chat, text) => post(`/api/chats/${chat}/messages`, { as, text });

/** Taps an inline button as a persona; gives {query_id}. */
export const tap = (as, chat, messageId, data) =>
  post(`/api/chats/${chat}/taps`, { as, message_id: messageId, data });

/** What a persona's authenticator shows: {code, left_ms}; the code is "" while nothing is enrolled. */
export const code = (as) => guarded(`/api/personas/${as}/code`, { cache: "no-store" });

/** The address of a photo's or document's bytes. */
export const fileAddress = (fileId) => `/api/files/${encodeURIComponent(fileId)}`;

/**
 * Follows a chat as a persona until the returned function is called.
 * on(name, data) gets every event, lost() every loss of the connection.
 */
export function follow(as, chat, on, lost) {
  let source;
  let retry;
  const open = () => {
    source = new EventSource(`/api/chats/${chat}/events?as=${as}`);
    for (const event of EVENTS) source.addEventListener(event, (e) => on(event, JSON.parse(e.data)));
    source.addEventListener("error", () => {
      lost();
      // The browser tries again by itself, except after an answer that is not
      // an event stream; then it gives up, and the retry is ours.
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
    });
  };
  open();
  return () => {
    clearTimeout(retry);
    source.close();
  };
}

function post(path, body) {
  return guarded(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

// guarded sends along the value that only this page can read.
async function guarded(path, options) {
  const send = () => fetch(path, { ...options, headers: { ...options.headers, "X-Cofferdam-Page": token } });
  const response = await send();
  // A server that was started anew has a new token. One look at its page gives it.
  if (response.status === 403 && (await renewToken())) return unpack(await send());
  return unpack(response);
}

async function renewToken() {
  const html = await (await fetch("/", { cache: "no-store" })).text();
  const page = new DOMParser().parseFromString(html, "text/html"); // inert: nothing of it runs or loads
  const fresh = page.querySelector('meta[name="cofferdam-page"]')?.content;
  if (!fresh || fresh === token) return false;
  token = fresh;
  return true;
}

async function unpack(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `The server answered ${response.status}.`);
  return body;
}
