// text.js - the pane of a text that the model continues.
import { requestFields } from "./settings.js";
import { copyText, figuresText, isTouch } from "./view.js";
import { newAnswer, Writer } from "./writer.js";

const byId = (id) => document.getElementById(id);
const field = byId("text");
const go = byId("continue");
const stop = byId("text-stop");
const undo = byId("undo");
const again = byId("again");
const figures = byId("text-figures");

export class TextPane {
    constructor(host) {
        this.host = host;
        this.writer = new Writer();
        this.before = []; // the text before each continuation
        go.addEventListener("click", () => this.continue());
        stop.addEventListener("click", () => this.stop());
        undo.addEventListener("click", () => this.undo());
        again.addEventListener("click", () => {
            this.undo();
            this.continue();
        });
        byId("text-copy").addEventListener("click", async (event) => {
            const done = await copyText(field.value);
            event.target.textContent = done ? "Copied" : "Not copied";
            setTimeout(() => (event.target.textContent = "Copy"), 1500);
        });
        field.addEventListener("input", () => {
            this.chat.text = field.value;
            this.host.keep(this.chat);
        });
        field.addEventListener("keydown", (event) => {
            if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            this.continue();
        });
    }

    open(chat) {
        this.chat = chat;
        this.before = [];
        field.value = chat.text;
        this.say("");
        this.refresh();
    }

    focus() {
        if (!isTouch.matches) field.focus();
    }

    isWriting() {
        return this.writer.isWriting();
    }

    stop() {
        this.writer.stop();
    }

    say(sentence, isError = false) {
        figures.textContent = sentence;
        figures.classList.toggle("error", isError);
    }

    refresh() {
        const isWriting = this.isWriting();
        const hadFocus = [go, stop, undo, again].includes(document.activeElement);
        go.hidden = isWriting;
        stop.hidden = !isWriting;
        field.readOnly = isWriting;
        undo.disabled = again.disabled = isWriting || this.before.length === 0;
        if (hadFocus) (isWriting ? stop : go).focus();
    }

    undo() {
        const text = this.before.pop();
        if (text === undefined) return;
        field.value = this.chat.text = text;
        this.say("");
        this.refresh();
        this.host.changed(this.chat);
    }

    async continue() {
        if (this.isWriting()) return;
        const { chat } = this;
        const prompt = field.value;
        let body;
        try {
            const model = this.host.model();
            body = { ...(model && { model }), prompt, ...requestFields() };
        } catch (error) {
            this.say(error.message, true);
            return;
        }
        const answer = newAnswer();
        this.before.push(prompt);
        const written = this.writer.write("v1/completions", body, answer, () => this.show(chat, prompt, answer));
        this.refresh();
        const failure = await written;
        if (failure) this.host.failed(failure);
        if (chat === this.chat && !answer.content) this.before.pop();
        this.refresh();
        this.host.changed(chat);
    }

    show(chat, prompt, answer) {
        chat.text = prompt + answer.content;
        if (chat !== this.chat) return;
        const isAtEnd = field.scrollHeight - field.scrollTop - field.clientHeight < 48;
        const added = chat.text.slice(field.value.length);
        if (added) field.setRangeText(added, field.value.length, field.value.length, "end");
        if (isAtEnd) field.scrollTop = field.scrollHeight;
        if (answer.error) this.say(answer.error, true);
        else this.say(figuresText(answer.figures, this.isWriting() ? "" : answer.finish));
    }
}
