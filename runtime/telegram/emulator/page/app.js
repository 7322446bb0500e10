// The chat page of `cofferdam demo`: who the reader is, which chat is open, and
// what goes between the server and the parts of the page.
import * as api from "./api.js";
import { byId, hue, initial, isolated, make, name } from "./dom.js";
import { alertBox, enlarge, toast } from "./overlay.js";
import { Authenticator } from "./authenticator.js";
import { Composer } from "./composer.js";
import { Log } from "./log.js";
import { Taps } from "./taps.js";

const RETRY_MS = 2000;
const BANNER_AFTER_MS = 600; // a quick reconnect deserves no banner
const ACTION_MS = 5000; // how long Telegram shows a chat action
const ACTIONS = {
  typing: "typing…",
  upload_photo: "sending a photo…",
  upload_document: "sending a file…",
};

let bot = {};
let personas = [];
let persona = null;
let chat = null;
let stopFollowing = () => {};
let bannerTimer;
let actionTimer;
let sending = Promise.resolve();
const drafts = new Map(); // hash -> text not yet sent

const log = new Log();
const composer = new Composer(send);
const authenticator = new Authenticator(api.code, (code, last) => composer.insert(code, last));
const taps = new Taps({
  post: (messageId, data) => api.tap(persona.id, chat.id, messageId, data),
  paint: (messageId) => log.paint(messageId),
  answer: showAnswer,
  unanswered: (label) => toast(`The bot did not answer the button ${isolated(label)}.`),
  failed: (error) => toast(error.message),
});

async function start() {
  watchBanner();
  try {
    ({ bot, personas } = await api.world());
  } catch {
    setTimeout(start, RETRY_MS);
    return;
  }
  drawPeople();
  byId("persona").addEventListener("change", (event) => goTo(event.target.value, chat?.id));
  byId("chat").addEventListener("change", (event) => goTo(persona.id, event.target.value));
  addEventListener("hashchange", openFromHash);
  openFromHash();
  // On a phone the focus would open the screen keyboard over the history.
  if (matchMedia("(pointer: fine)").matches) composer.focus();
}

// --- who and where -------------------------------------------------------

function hashOf(as, id) {
  return `#as=${as}&chat=${id}`;
}

function goTo(as, id) {
  location.hash = hashOf(as, id);
}

// openFromHash opens what the hash names. A persona without that chat gets its
// first one, which makes "same chat, other person" work for private chats too.
function openFromHash() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const next = personas.find((one) => String(one.id) === wanted.get("as")) ?? personas[0];
  const nextChat = next?.chats.find((one) => String(one.id) === wanted.get("chat")) ?? next?.chats[0];
  if (!nextChat) return;
  history.replaceState(null, "", hashOf(next.id, nextChat.id));
  if (next === persona && nextChat === chat) return;
  openChat(next, nextChat);
}

function openChat(nextPersona, nextChat) {
  stopFollowing();
  if (persona) drafts.set(hashOf(persona.id, chat.id), composer.draft);
  [persona, chat] = [nextPersona, nextChat];
  taps.clear();
  setLive(false);
  drawHead();
  log.open({
    me: persona.id,
    group: chat.type !== "private",
    command: send,
    photo: enlarge,
    tap: tapped,
    tapState: (messageId, data) => taps.state(messageId, data),
  });
  composer.open(drafts.get(hashOf(persona.id, chat.id)) ?? "");
  authenticator.open(persona);
  stopFollowing = api.follow(persona.id, chat.id, receive, () => setLive(false));
}

function drawPeople() {
  byId("persona").replaceChildren(...personas.map((one) =>
    make("option", { value: one.id }, `${isolated(one.name)} (${one.role})`)));
  byId("people").replaceChildren(...personas.map(drawPerson));
}

function drawPerson(one) {
  const links = one.chats.map((room) => make("li", {}, make("a", { class: "chat-link", href: hashOf(one.id, room.id) },
    make("span", { class: `avatar small ${hue(room.id, room.type === "private")}`, "aria-hidden": "true" }, initial(room.title)),
    make("span", { class: "chat-link-text" }, name(room.title),
      make("span", { class: "chat-kind" }, room.type === "private" ? "private chat" : "group")))));
  return make("section", { class: "person", "data-persona": one.id },
    make("h2", {}, name(one.name), make("span", { class: `role ${one.role}` }, one.role)),
    make("p", {}, one.about),
    make("ul", {}, ...links));
}

function drawHead() {
  byId("persona").value = persona.id;
  byId("chat").replaceChildren(...persona.chats.map((room) =>
    make("option", { value: room.id }, isolated(room.title))));
  byId("chat").value = chat.id;
  byId("avatar").textContent = initial(chat.title);
  byId("avatar").className = `avatar ${hue(chat.id, chat.type === "private")}`;
  byId("about").replaceChildren(name(persona.name), ": ", persona.about);
  document.title = `${chat.title} – ${persona.name}`;
  for (const link of byId("people").querySelectorAll("a")) {
    if (link.hash === hashOf(persona.id, chat.id)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  restStatus();
}

// --- from the server -----------------------------------------------------

function receive(event, data) {
  const handlers = {
    snapshot: takeSnapshot,
    message: takeMessage,
    delete: () => log.drop(data.ids ?? []),
    keyboard: () => composer.setKeyboard(data.keyboard ?? null),
    commands: () => composer.setCommands(data.commands),
    answer: () => taps.answered(data),
    action: () => showAction(data.action),
  };
  handlers[event](data);
}

function takeSnapshot(data) {
  log.snapshot(data.messages ?? []);
  composer.setCommands(data.commands);
  composer.setKeyboard(data.keyboard ?? null);
  setLive(true);
}

function takeMessage(message) {
  if (message.from?.bot) restStatus();
  log.put(message);
}

function showAnswer(answer) {
  if (!answer.text) return;
  if (answer.alert) alertBox(answer.text);
  else toast(answer.text);
}

function showAction(action) {
  byId("status").textContent = ACTIONS[action] ?? "busy…";
  byId("status").classList.add("busy");
  clearTimeout(actionTimer);
  actionTimer = setTimeout(restStatus, ACTION_MS);
}

function restStatus() {
  clearTimeout(actionTimer);
  byId("status").textContent = chat.type === "private" ? "bot" : `group with ${isolated(bot.name)}`;
  byId("status").classList.remove("busy");
}

// --- to the server -------------------------------------------------------

// send keeps the order of texts: each waits until the one before has arrived.
function send(text) {
  if (!isLive()) {
    toast("There is no connection now.");
    return;
  }
  const [as, id] = [persona.id, chat.id];
  log.toBottom();
  sending = sending.then(() => api.sendText(as, id, text)).catch((error) => {
    toast(error.message);
    if (composer.draft === "" && chat.id === id) composer.draft = text;
  });
}

function tapped(messageId, data, label) {
  if (isLive()) taps.begin(messageId, data, label);
  else toast("There is no connection now.");
}

// --- connection ----------------------------------------------------------

function isLive() {
  return document.body.dataset.state === "live";
}

function setLive(live) {
  document.body.dataset.state = live ? "live" : "lost";
  composer.setLive(live);
  if (!live) restStatus();
  watchBanner();
}

function watchBanner() {
  clearTimeout(bannerTimer);
  const show = () => { byId("banner").textContent = isLive() ? "" : "Connection lost. Trying again…"; };
  if (isLive()) show();
  else bannerTimer = setTimeout(show, BANNER_AFTER_MS);
}

start();
