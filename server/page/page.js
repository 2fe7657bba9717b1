// page.js - the page: which chat is open, what is being written, keys.
import { apiKey, listModels, readProps, ServerError } from "./api.js";
import { closePanel, showChats, startChats } from "./chats.js";
import { ChatPane } from "./chat.js";
import { hideNotice, notify } from "./notice.js";
import { keep, settings, showDefaults, startSettings } from "./settings.js";
import { deleteChat, isEmpty, loadChat, newChat, saveChat } from "./store.js";
import { TextPane } from "./text.js";

const byId = (id) => document.getElementById(id);
const model = byId("model");
const system = byId("system");
const deleted = new Set(); // ids: an answer that was being written when its chat was deleted does not bring it back
let models = []; // { id, loaded }
let chat;

const host = {
    model: () => model.value,
    keep: keepChat,
    changed: (which) => {
        keepChat(which);
        showChats();
    },
    failed: (error) => {
        if (error instanceof ServerError && error.status === 401) askForKey(error.message);
    },
};
const panes = { chat: new ChatPane(host), text: new TextPane(host) };
const pane = () => panes[chat.kind];

function keepChat(which) {
    if (deleted.has(which.id)) return;
    if (isEmpty(which)) deleteChat(which.id);
    else if (!saveChat(which)) notify("This browser's storage is full: the chat is not kept. Delete or export chats.");
}

function askForKey(sentence) {
    notify(sentence, "Enter an API key", () => {
        byId("settings").showPopover();
        byId("api-key").focus();
    }, true);
}

function open(next) {
    if (chat) pane().stop();
    chat = next;
    keep({ chat: chat.id });
    system.value = chat.system;
    byId("skip").hash = chat.kind === "chat" ? "input" : "text";
    byId("chat-pane").hidden = chat.kind !== "chat";
    byId("text-pane").hidden = chat.kind !== "text";
    pane().open(chat);
    showChats();
}

function begin(kind) {
    closePanel();
    open(newChat(kind, system.value));
    pane().focus();
}

async function showModels() {
    models = [];
    try {
        models = await listModels();
        hideNotice();
    } catch (error) {
        if (error.status === 401) askForKey(apiKey.get() ? error.message : "This server wants an API key.");
        else notify(error.message, "Try again", showModels, true);
    }
    model.replaceChildren(...models.map(({ id }) => new Option(id, id)));
    model.disabled = models.length === 0;
    if (models.some(({ id }) => id === settings.model)) model.value = settings.model;
    await showProps();
}

async function showProps() {
    const chosen = model.value;
    model.title = chosen;
    byId("input").placeholder = chosen ? `Message to ${chosen}` : "Message";
    if (!models.find(({ id }) => id === chosen)?.loaded) return;
    const props = await readProps(chosen);
    if (chosen !== model.value) return;
    showDefaults(props);
    suit(props);
}

/** Where nothing is written yet: a chat for a model that was taught to chat, a text for one that was not. */
function suit(props) {
    if (typeof props.chat_model !== "boolean" || !isEmpty(chat) || byId("input").value) return;
    const kind = props.chat_model ? "chat" : "text";
    if (kind !== chat.kind) begin(kind);
}

function onKey(event) {
    const isOverlaid = document.querySelector("#settings:popover-open, #chats:popover-open");
    if (event.key !== "Escape" || event.isComposing || isOverlaid || !pane().isWriting()) return;
    event.preventDefault();
    pane().stop();
}

function start() {
    startSettings(showModels);
    chat = loadChat(settings.chat ?? "") ?? newChat();
    startChats({
        open: (next) => {
            if (next.id !== chat.id) open(next);
        },
        current: () => chat.id,
        deleted: (id) => {
            deleted.add(id);
            if (id === chat.id) begin("chat");
        },
        restored: (which) => {
            deleted.delete(which.id);
            host.changed(which);
        },
    });
    open(chat);
    byId("new-chat").addEventListener("click", () => begin("chat"));
    byId("new-text").addEventListener("click", () => begin("text"));
    byId("use-text").addEventListener("click", () => begin("text"));
    model.addEventListener("change", () => {
        keep({ model: model.value });
        showProps();
    });
    system.addEventListener("input", () => {
        chat.system = system.value;
        keepChat(chat);
    });
    addEventListener("keydown", onKey);
    addEventListener("pagehide", () => keepChat(chat));
    showModels();
    pane().focus();
}

start();
