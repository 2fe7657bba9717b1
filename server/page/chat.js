// chat.js - the pane of a chat: its messages, the field below them, the request that a message makes.
import { requestFields } from "./settings.js";
import { copyText, fitHeight, isTouch, MessageView } from "./view.js";
import { newAnswer, Writer } from "./writer.js";

const byId = (id) => document.getElementById(id);
const log = byId("log");
const list = byId("messages");
const input = byId("input");
const send = byId("send");
const stop = byId("stop");
const toEnd = byId("to-end");
const live = byId("live");
const NEAR_END = 48; // pixels from the end within which the page follows the text
const MAX_SPOKEN = 1000; // characters of an answer that a screen reader is given at once

/** A message as the server wants it. */
function sent(message) {
    const { role, content, calls, callId } = message;
    if (role === "tool") return { role, content, tool_call_id: callId };
    if (!calls?.length) return { role, content };
    const toolCalls = calls.map((call) => ({
        id: call.id, type: "function", function: { name: call.name, arguments: call.arguments },
    }));
    return { role, content, tool_calls: toolCalls };
}

/** The first call of the last answer that has no result yet, or undefined. */
function pendingCall(messages) {
    const asked = messages.findLast((m) => m.role !== "tool");
    const answered = messages.filter((m) => m.role === "tool").map((m) => m.callId);
    return asked?.calls?.find((call) => !answered.includes(call.id));
}

export class ChatPane {
    constructor(host) {
        this.host = host;
        this.writer = new Writer();
        this.views = [];
        this.follows = true;
        byId("composer").addEventListener("submit", (event) => {
            event.preventDefault();
            this.submit();
        });
        stop.addEventListener("click", () => this.stop());
        input.addEventListener("input", () => fitHeight(input));
        input.addEventListener("keydown", (event) => this.key(event));
        list.addEventListener("click", (event) => this.click(event.target.closest("button")));
        log.addEventListener("scroll", () => this.setFollows(this.isNearEnd()), { passive: true });
        toEnd.addEventListener("click", () => this.goToEnd());
    }

    open(chat) {
        this.chat = chat;
        this.views = chat.messages.map((message) => new MessageView(message));
        list.replaceChildren(...this.views.map((view) => view.element));
        this.refresh();
        this.goToEnd();
    }

    focus() {
        if (!isTouch.matches) input.focus();
    }

    isWriting() {
        return this.writer.isWriting();
    }

    stop() {
        this.writer.stop();
    }

    // What depends on whether there are messages, and whether one is being written.
    refresh() {
        const isWriting = this.isWriting();
        const hadFocus = document.activeElement === send || document.activeElement === stop;
        byId("empty").hidden = this.chat.messages.length > 0;
        send.hidden = isWriting;
        stop.hidden = !isWriting;
        if (hadFocus) input.focus();
        const call = pendingCall(this.chat.messages);
        input.setAttribute("aria-label", call ? `Result of ${call.name}` : "Message");
        byId("hint").textContent = call ? `The model waits for the result of ${call.name}: enter it as a message.`
            : isTouch.matches ? "" : "Enter sends · Shift+Enter begins a line · Esc stops";
    }

    key(event) {
        if (event.isComposing) return;
        if (event.key === "Enter" && !event.shiftKey && !isTouch.matches) {
            event.preventDefault();
            this.submit();
        } else if (event.key === "ArrowUp" && input.value === "" && !this.isWriting()) {
            const i = this.chat.messages.findLastIndex((m) => m.role === "user");
            if (i < 0) return;
            event.preventDefault();
            this.edit(i);
        }
    }

    submit() {
        const content = input.value;
        if (!content.trim() || this.isWriting()) return;
        input.value = "";
        fitHeight(input);
        const call = pendingCall(this.chat.messages);
        this.add(call ? { role: "tool", content, callId: call.id } : { role: "user", content });
        if (pendingCall(this.chat.messages)) {
            this.refresh();
            this.host.changed(this.chat);
        } else {
            this.answer();
        }
    }

    add(message) {
        this.chat.messages.push(message);
        const view = new MessageView(message);
        this.views.push(view);
        list.append(view.element);
        this.goToEnd();
        return view;
    }

    /** Keep only the first n messages. */
    cut(n) {
        this.chat.messages.length = n;
        this.views.splice(n).forEach((view) => view.element.remove());
    }

    async answer() {
        const { chat } = this;
        const message = { role: "assistant", model: this.host.model(), ...newAnswer() };
        let body;
        try {
            body = this.request(message.model);
        } catch (error) {
            message.error = error.message;
        }
        const view = this.add(message);
        if (body) {
            const written = this.writer.write("v1/chat/completions", body, message, () => {
                view.update(this.isWriting());
                if (this.follows) log.scrollTop = log.scrollHeight;
            });
            view.update(true);
            this.refresh();
            live.textContent = "The model writes.";
            this.host.changed(chat);
            const failure = await written;
            if (failure) this.host.failed(failure);
        }
        if (chat === this.chat) this.tellEnd(view);
        this.refresh();
        this.host.changed(chat);
    }

    request(model) {
        const { system, messages } = this.chat;
        const before = system.trim() ? [{ role: "system", content: system }] : [];
        const answered = messages.filter((m) => m.role !== "assistant" || m.content || m.calls.length);
        return { ...(model && { model }), messages: [...before, ...answered.map(sent)], ...requestFields() };
    }

    tellEnd(view) {
        const { content, error } = view.message;
        live.textContent = error ? `Error: ${error}` : content.slice(0, MAX_SPOKEN);
    }

    click(target) {
        if (!target) return;
        if (target.classList.contains("copy-code")) {
            this.copy(target.closest(".code-block").querySelector("code").textContent, target);
            return;
        }
        const i = this.views.findIndex((view) => view.element.contains(target));
        const action = target.dataset.action;
        if (action === "copy") this.copy(this.chat.messages[i].content, target);
        else if (this.isWriting()) return;
        else if (action === "edit") this.edit(i);
        else if (action === "again") this.again(i);
    }

    async copy(text, target) {
        const done = await copyText(text);
        target.textContent = done ? "Copied" : "Not copied";
        setTimeout(() => (target.textContent = "Copy"), 1500);
    }

    again(i) {
        this.cut(i);
        this.answer();
        this.focus();
    }

    edit(i) {
        const view = this.views[i];
        view.edit((text) => {
            this.focus();
            if (text === null || this.isWriting() || (view.message.role === "user" && !text.trim())) return;
            view.message.content = text;
            view.update(false);
            if (view.message.role !== "user") return this.host.changed(this.chat);
            this.cut(i + 1);
            this.answer();
        });
    }

    isNearEnd() {
        return log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
    }

    setFollows(follows) {
        this.follows = follows;
        toEnd.hidden = follows;
    }

    goToEnd() {
        log.scrollTop = log.scrollHeight;
        this.setFollows(true);
    }
}
