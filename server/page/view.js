// view.js - messages as elements.
import { MarkdownView, codeBlock } from "./markdown.js";

function make(name, className, ...children) {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
}

function button(label, name) {
    const element = make("button", "quiet", label);
    element.type = "button";
    element.dataset.action = name;
    return element;
}

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });

/** Speed and lengths in words: "12.3 tokens/s · first after 0.21 s · 128 tokens · prompt of 35, 30 of them cached". */
export function figuresText(figures, finish) {
    const { tokens, perSecond, firstMs, prompt, cached, promptPerSecond } = figures ?? {};
    const parts = [];
    if (perSecond) parts.push(`${number(perSecond)} tokens/s`);
    if (firstMs !== undefined) parts.push(`first after ${number(firstMs / 1000)} s`);
    if (tokens) parts.push(`${number(tokens)} ${tokens === 1 ? "token" : "tokens"}`);
    if (prompt) {
        const known = [cached ? `${number(cached)} cached` : "", promptPerSecond ? `${number(promptPerSecond)}/s` : ""];
        const more = known.filter(Boolean).join(", ");
        parts.push(`prompt of ${number(prompt)}${more ? ` (${more})` : ""}`);
    }
    if (finish === "length") parts.push("cut off at the longest length");
    if (finish === "stopped") parts.push("stopped");
    return parts.join(" · ");
}

/** Reasoning: folded away, and plain text, for it is long and seldom read. */
class ReasoningView {
    constructor() {
        this.summary = make("summary");
        this.text = document.createTextNode("");
        const body = make("div", "reasoning-text", this.text);
        body.dir = "auto";
        this.element = make("details", "reasoning", this.summary, body);
        this.element.hidden = true;
    }

    show(reasoning, isGoingOn) {
        this.element.hidden = !reasoning;
        const label = isGoingOn ? "Thinking…" : "Thoughts";
        if (this.summary.textContent !== label) this.summary.textContent = label;
        const shown = this.text.data;
        if (reasoning.startsWith(shown)) this.text.appendData(reasoning.slice(shown.length));
        else this.text.data = reasoning;
    }
}

function pretty(json) {
    try {
        return JSON.stringify(JSON.parse(json), null, 2);
    } catch {
        return json;
    }
}

function callElement(call) {
    const label = make("p", "label", `Calls ${call.name || "a tool"}`);
    return make("div", "call", label, codeBlock("arguments", pretty(call.arguments)));
}

const SPEAKERS = { user: "You", assistant: "Model", tool: "Result" };
const ACTIONS = { user: ["copy", "edit"], assistant: ["copy", "edit", "again"], tool: ["copy"] };
const LABELS = { copy: "Copy", edit: "Edit", again: "Try again" };

/** Where keys are drawn on the screen: Enter begins a line there, and no field takes the focus by itself. */
export const isTouch = matchMedia("(pointer: coarse) and (hover: none)");

/** The element of one message: update() after the message has changed. */
export class MessageView {
    constructor(message) {
        this.message = message;
        this.body = make("div", "body");
        this.actions = make("div", "actions", ...ACTIONS[message.role].map((name) => button(LABELS[name], name)));
        this.foot = make("footer", "", this.actions);
        const { role, model } = message;
        const speaker = make("h2", "hidden-text", model ? `${SPEAKERS[role]} ${model}` : SPEAKERS[role]);
        this.element = make("article", `message ${role}`, speaker, this.body, this.foot);
        if (role === "assistant") this.addParts();
        else this.body.dir = "auto";
        this.update(false);
    }

    // What only an answer has.
    addParts() {
        this.markdown = new MarkdownView(this.body);
        this.reasoning = new ReasoningView();
        this.calls = make("div", "calls");
        this.error = make("p", "error");
        this.figures = make("span", "figures");
        this.body.before(this.reasoning.element);
        this.body.after(this.calls, this.error);
        this.foot.append(this.figures);
    }

    update(isComing) {
        const { content, reasoning, calls, error, figures, finish, model } = this.message;
        this.element.classList.toggle("coming", isComing);
        this.element.setAttribute("aria-busy", String(isComing));
        this.actions.hidden = isComing;
        if (!this.markdown) {
            this.body.textContent = content;
            return;
        }
        this.reasoning.show(reasoning, isComing && !content);
        this.markdown.show(content);
        this.calls.replaceChildren(...calls.map(callElement));
        this.error.hidden = !error;
        this.error.textContent = error;
        this.figures.textContent = figuresText(figures, isComing ? "" : finish);
        this.figures.title = model;
    }

    /** Let the text be changed in place. onDone gets the new text, or null if it shall stay. */
    edit(onDone) {
        const field = make("textarea", "edit");
        field.value = this.message.content;
        field.setAttribute("aria-label", "Text of the message");
        const isUser = this.message.role === "user";
        const save = make("button", "primary", isUser ? "Send" : "Save");
        const cancel = make("button", "quiet", "Cancel");
        save.type = cancel.type = "button";
        const editor = make("div", "editor", field, make("div", "actions", save, cancel));
        const finish = (text) => {
            editor.remove();
            this.element.classList.remove("editing");
            onDone(text);
        };
        save.addEventListener("click", () => finish(field.value));
        cancel.addEventListener("click", () => finish(null));
        field.addEventListener("keydown", (event) => {
            if (event.isComposing) return;
            if (event.key === "Escape") finish(null);
            else if (event.key === "Enter" && !event.shiftKey && isUser && !isTouch.matches) finish(field.value);
            else return;
            event.preventDefault();
            event.stopPropagation();
        });
        this.element.classList.add("editing");
        this.element.append(editor);
        fitHeight(field);
        field.addEventListener("input", () => fitHeight(field));
        field.focus();
    }
}

/** Make a field as high as its text; the style sheet sets the most. */
export function fitHeight(field) {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
}

/** Put text on the clipboard; without the clipboard's interface (plain HTTP from another machine) by a selection. */
export async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const field = make("textarea", "hidden-text");
        field.value = text;
        document.body.append(field);
        const before = document.activeElement;
        field.select();
        const done = document.execCommand("copy");
        field.remove();
        before?.focus?.();
        return done;
    }
}
