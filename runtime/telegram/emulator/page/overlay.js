// What lies over the chat: toasts, alerts and the enlarged photo.
import { byId, make } from "./dom.js";

const TOAST_MS = 3500;
const TOAST_MS_PER_CHARACTER = 40; // a slow reader needs about this long
const MAX_TOASTS = 3;

/** Shows a short text that goes away by itself. */
export function toast(text) {
  const toasts = byId("toasts");
  const node = make("p", { class: "toast", dir: "auto" }, text);
  toasts.append(node);
  while (toasts.childElementCount > MAX_TOASTS) toasts.firstElementChild.remove();
  setTimeout(() => node.remove(), TOAST_MS + TOAST_MS_PER_CHARACTER * text.length);
}

/** Shows a text that has to be confirmed. */
export function alertBox(text) {
  byId("alert-text").textContent = text;
  openModal(byId("alert"));
}

/** Shows a photo as large as the window permits. */
export function enlarge(address, caption) {
  const image = byId("viewer-image");
  image.src = address;
  image.alt = caption || "Photo";
  openModal(byId("viewer"));
}

// The browser's modal dialog brings Esc, the focus trap and the return of the
// focus; only the tap beside it is missing.
function openModal(dialog) {
  if (!dialog.open) dialog.showModal();
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.id === "viewer-image") dialog.close();
  });
}
