// store.js - what the browser keeps: chats and settings, in localStorage; and chats as a file.
//
// A chat is { id, kind, title, changed, system, messages, text }. kind is "chat" or "text"; a chat has messages, a text
// that is continued has text. A message is { role, content } and, of an answer, reasoning, calls, finish, figures,
// model, error; of a call's result, callId.

import { local } from "./storage.js";

const PREFIX = "infer.chat.";
const SETTINGS = "infer.settings";
const ROLES = ["user", "assistant", "tool"];
const MAX_TITLE = 60;

export function newChat(kind = "chat", system = "") {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    return { id, kind, title: "", changed: Date.now(), system, messages: [], text: "" };
}

export const isEmpty = (chat) => chat.messages.length === 0 && chat.text === "";

/** What the list of chats calls it: the beginning of what was said first. */
export function titleOf(chat) {
    const first = chat.kind === "text" ? chat.text : chat.messages.find((m) => m.role === "user")?.content ?? "";
    const line = first.trim().replace(/\s+/g, " ");
    return line.length > MAX_TITLE ? line.slice(0, MAX_TITLE - 1).trimEnd() + "…" : line || "Empty chat";
}

function read(item) {
    try {
        return JSON.parse(local.getItem(item));
    } catch {
        return null;
    }
}

/** False if the browser's storage is full, or is not ours to use. */
function write(item, value) {
    try {
        local.setItem(item, JSON.stringify(value));
        return true;
    } catch {
        return false;
    }
}

export function saveChat(chat) {
    chat.changed = Date.now();
    chat.title = titleOf(chat);
    return write(PREFIX + chat.id, chat);
}

export const deleteChat = (id) => local.removeItem(PREFIX + id);

/** A chat that is kept, or null. */
export function loadChat(id) {
    try {
        return checkedChat(read(PREFIX + id));
    } catch {
        return null;
    }
}

/** All that are kept, the latest first. */
export function listChats() {
    const items = Object.keys(local).filter((item) => item.startsWith(PREFIX));
    const chats = items.map((item) => loadChat(item.slice(PREFIX.length)));
    return chats.filter(Boolean).sort((a, b) => b.changed - a.changed);
}

export function loadSettings() {
    const value = read(SETTINGS);
    return value && typeof value === "object" ? value : {};
}

export const saveSettings = (settings) => write(SETTINGS, settings);

const text = (value) => (typeof value === "string" ? value : "");

function checkedCall(call) {
    return { id: text(call?.id), name: text(call?.name), arguments: text(call?.arguments) };
}

function checkedFigures(figures) {
    const names = ["tokens", "perSecond", "firstMs", "prompt", "cached", "promptPerSecond", "seconds"];
    return Object.fromEntries(names.filter((n) => Number.isFinite(figures?.[n])).map((n) => [n, figures[n]]));
}

function checkedMessage(message, i) {
    if (!ROLES.includes(message?.role) || typeof message.content !== "string") {
        throw new Error(`message ${i + 1} has no known role, or no text`);
    }
    const { role, content } = message;
    if (role === "user") return { role, content };
    if (role === "tool") return { role, content, callId: text(message.callId) };
    return {
        role, content, reasoning: text(message.reasoning), finish: text(message.finish), model: text(message.model),
        error: text(message.error), figures: checkedFigures(message.figures),
        calls: Array.isArray(message.calls) ? message.calls.map(checkedCall) : [],
    };
}

/** The chat with every field of its type and no other; throws an Error whose message says what is wrong. */
function checkedChat(chat) {
    if (typeof chat?.id !== "string" || !/^[0-9a-zA-Z-]{1,64}$/.test(chat.id)) throw new Error("a chat has no id");
    if (!Array.isArray(chat.messages)) throw new Error(`chat ${chat.id} has no messages`);
    const checked = {
        id: chat.id, kind: chat.kind === "text" ? "text" : "chat", title: "",
        system: text(chat.system), text: text(chat.text),
        changed: Number.isFinite(chat.changed) ? chat.changed : 0, messages: chat.messages.map(checkedMessage),
    };
    checked.title = titleOf(checked);
    return checked;
}

/** All chats as a file's text. */
export const exportChats = () => JSON.stringify({ format: "infer-chats", version: 1, chats: listChats() }, null, 1);

/** Keep the chats of a file, in place of those of the same id. Returns how many; throws an Error that says why not. */
export function importChats(source) {
    let value;
    try {
        value = JSON.parse(source);
    } catch {
        throw new Error("it is not JSON");
    }
    const isOurs = value?.format === "infer-chats" && Array.isArray(value.chats);
    if (!isOurs) throw new Error("it holds no chats of this page");
    const chats = value.chats.map(checkedChat);
    for (const chat of chats) {
        if (!write(PREFIX + chat.id, chat)) throw new Error("this browser's storage is full");
    }
    return chats.length;
}
