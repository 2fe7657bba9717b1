// chats.js - the list of chats that are kept: open, delete, export, import.
import { deleteChat, exportChats, importChats, listChats } from "./store.js";
import { notify } from "./notice.js";

const list = document.getElementById("chat-list");
const panel = document.getElementById("chats");
const file = document.getElementById("import-file");
let actions; // { open(chat), deleted(id), restored(chat), current() }

function make(name, className, text) {
    const element = document.createElement(name);
    element.className = className;
    element.textContent = text;
    return element;
}

function itemOf(chat) {
    const item = document.createElement("li");
    const open = make("button", "chat", chat.title);
    const remove = make("button", "icon", "✕");
    open.type = remove.type = "button";
    open.dir = "auto";
    if (chat.id === actions.current()) open.setAttribute("aria-current", "true");
    remove.setAttribute("aria-label", `Delete ${chat.title}`);
    open.addEventListener("click", () => {
        closePanel();
        actions.open(chat);
    });
    remove.addEventListener("click", () => {
        deleteChat(chat.id);
        actions.deleted(chat.id);
        showChats();
        document.getElementById("new-chat").focus();
        notify("The chat is deleted.", "Undo", () => actions.restored(chat));
    });
    item.append(open, remove);
    return item;
}

export function showChats() {
    list.replaceChildren(...listChats().map(itemOf));
}

/** On a narrow page the list lies over the chat; it goes when a chat is chosen. */
export function closePanel() {
    if (panel.matches(":popover-open")) panel.hidePopover();
}

function saveFile() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([exportChats()], { type: "application/json" }));
    link.download = `chats-${new Date().toISOString().slice(0, 10)}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function readFile() {
    const [chosen] = file.files;
    if (!chosen) return;
    try {
        const n = importChats(await chosen.text());
        notify(n === 1 ? "One chat is imported." : `${n} chats are imported.`);
    } catch (error) {
        notify(`${chosen.name} cannot be imported: ${error.message}.`);
    }
    file.value = "";
    showChats();
}

export function startChats(given) {
    actions = given;
    document.getElementById("export").addEventListener("click", saveFile);
    document.getElementById("import").addEventListener("click", () => file.click());
    file.addEventListener("change", readFile);
    matchMedia("(min-width: 60rem)").addEventListener("change", closePanel);
    addEventListener("storage", showChats); // another tab has kept something
    showChats();
}
