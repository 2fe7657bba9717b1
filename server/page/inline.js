// inline.js - the text of one paragraph, heading or cell as nodes: emphasis, code, links, line breaks.
//
// The text comes from a model, so it is hostile until shown otherwise. Nodes are made by createElement, with names from
// this file, and everything else of the text goes into text nodes. The time is nearly linear in the length: a search
// for a closing mark ends the span, or is remembered as vain, or looks no further than its bound.

const PLAIN = /(?:(?!https?:\/\/)[^\\`*_~![\]<$&\n])+/y;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const BREAK = /<br\s{0,9}\/?>/iy;
const AUTOLINK = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/iy;
const BARE_LINK = /https?:\/\/[^\s<>"`\\|\u3000-\u303f\uff00-\uffef]{1,2000}/y;
const ENTITY = /&(amp|lt|gt|quot|nbsp|#39);/y;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: "\u00a0", "#39": "'" };
// After "]": an address, in angle brackets or with parentheses balanced to one level, and a title that is not shown.
const ADDRESS = String.raw`<([^<>\n]{0,2000})>|((?:[^\s()<>]|\([^\s()<>]{0,500}\)){1,2000})`;
const TARGET = new RegExp(String.raw`\(\s{0,9}(?:${ADDRESS})(?:\s{1,9}"[^"\n]{0,500}")?\s{0,9}\)`, "y");
const MAX_NESTING = 16; // of elements within one text; what is deeper is shown without them
const MAX_BRACKETS = 16; // that await their end at a time; what is further out is text

/** The address if it is one that may be linked to, else null. */
export function safeAddress(text) {
    if (!/^(https?:\/\/|mailto:)/i.test(text) || /[\u0000-\u0020]/.test(text)) return null;
    try {
        const url = new URL(text);
        return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
    } catch {
        return null;
    }
}

function match(pattern, text, at) {
    pattern.lastIndex = at;
    return pattern.exec(text);
}

/**
 * Text to tokens. Each has text, and the elements that close before it and open after it; a token of * _ or ~ has also
 * how many of these marks are unused, and whether they may open or close something.
 */
class Lexer {
    constructor(text) {
        this.text = text;
        this.at = 0;
        this.tokens = [];
        this.brackets = []; // tokens of "[" and "![" that await their "]"
        this.vain = new Set(); // closing marks that do not come any more
    }

    push(text, length, more) {
        const token = { text, opens: [], closes: [], ...more };
        this.tokens.push(token);
        this.at += length;
        return token;
    }

    run() {
        while (this.at < this.text.length) this.step();
        pair(this.tokens, 0);
        return this.tokens;
    }

    step() {
        const { text, at } = this;
        const plain = match(PLAIN, text, at);
        if (plain) return this.push(plain[0], plain[0].length);
        switch (text[at]) {
            case "\n": return this.push("", 1, { element: "br" });
            case "\\": return this.escape();
            case "`": return this.code();
            case "$": return this.math("$$", "$$") || this.push("$", 1);
            case "*": case "_": case "~": return this.marks();
            case "!": case "[": return this.open();
            case "]": return this.close();
            case "<": return this.angle();
            case "&": return this.entity();
            default: return this.bareLink();
        }
    }

    // Where the closing mark is after a position, or -1.
    find(mark, from) {
        if (this.vain.has(mark)) return -1;
        const found = this.text.indexOf(mark, from);
        if (found < 0) this.vain.add(mark);
        return found;
    }

    escape() {
        const next = this.text[this.at + 1];
        if (next === "(" || next === "[") {
            const shown = this.math("\\" + next, next === "(" ? "\\)" : "\\]");
            if (shown) return shown;
        }
        if (next === "\n") return this.push("", 2, { element: "br" });
        return next && ESCAPABLE.test(next) ? this.push(next, 2) : this.push("\\", 1);
    }

    // Formulas are shown as they were written: no mark within them is taken for emphasis.
    math(open, close) {
        if (!this.text.startsWith(open, this.at)) return null;
        const end = this.find(close, this.at + open.length);
        return end < 0 ? null : this.push(this.text.slice(this.at, end + close.length), end + close.length - this.at);
    }

    code() {
        const { text, at } = this;
        let end = at, n = run(text, at, "`");
        const fence = "`".repeat(n);
        do {
            end = this.find(fence, end + n);
            n = run(text, end, "`");
        } while (end >= 0 && n !== fence.length);
        if (end < 0) return this.push(fence, fence.length);
        const inside = text.slice(at + fence.length, end).replace(/\n/g, " ");
        const padded = inside.startsWith(" ") && inside.endsWith(" ") && inside.trim() !== "";
        return this.push(padded ? inside.slice(1, -1) : inside, end + fence.length - at, { element: "code" });
    }

    marks() {
        const { text, at } = this;
        const mark = text[at];
        const n = run(text, at, mark);
        const before = text[at - 1] ?? " ", after = text[at + n] ?? " ";
        const isWord = (c) => /[\p{L}\p{N}_]/u.test(c);
        // More lenient than CommonMark where a mark stands between punctuation and a letter, as in **name:**value.
        let canOpen = /\S/.test(after), canClose = /\S/.test(before);
        if (mark === "_") {
            canOpen = canOpen && !isWord(before);
            canClose = canClose && !isWord(after);
        }
        if (mark === "~" && n !== 2) canOpen = canClose = false;
        return this.push("", n, { mark, n, length: n, canOpen, canClose });
    }

    open() {
        const isImage = this.text[this.at] === "!";
        if (isImage && this.text[this.at + 1] !== "[") return this.push("!", 1);
        const token = this.push(isImage ? "![" : "[", isImage ? 2 : 1, { isImage });
        this.brackets.push({ token, index: this.tokens.length - 1, isImage });
        if (this.brackets.length > MAX_BRACKETS) this.brackets.shift();
        return token;
    }

    close() {
        const bracket = this.brackets.pop();
        const target = bracket && match(TARGET, this.text, this.at + 1);
        const address = target && safeAddress(target[1] ?? target[2]);
        if (!address) return this.push("]", 1);
        pair(this.tokens, bracket.index);
        // A picture within a link is only its description: links do not nest.
        for (const token of this.tokens.slice(bracket.index)) {
            token.opens = token.opens.filter((e) => e.name !== "a");
            token.closes = token.closes.filter((name) => name !== "a");
        }
        bracket.token.text = "";
        bracket.token.opens.push({ name: "a", address });
        const isEmpty = this.tokens.length === bracket.index + 1;
        this.push(isEmpty ? address : "", 0);
        // Nor does a link stand within a link: brackets further out are brackets.
        if (!bracket.isImage) this.brackets = [];
        return this.push("", target[0].length + 1, { closes: ["a"] });
    }

    angle() {
        const found = match(BREAK, this.text, this.at);
        if (found) return this.push("", found[0].length, { element: "br" });
        const link = match(AUTOLINK, this.text, this.at);
        const address = link && safeAddress(link[1]);
        return address ? this.link(link[1], address, link[0].length) : this.push("<", 1);
    }

    bareLink() {
        const { text, at } = this;
        const found = match(BARE_LINK, text, at);
        if (!found || (at > 0 && /[\p{L}\p{N}]/u.test(text[at - 1]))) return this.push(text[at], 1);
        // Punctuation at the end belongs to the sentence, and so does a parenthesis that the address has not opened.
        let end = found[0].length;
        const ownParenthesis = found[0].includes("(") ? "" : ")";
        while (end && (".,:;!?'*_~]}" + ownParenthesis).includes(found[0][end - 1])) end--;
        const shown = found[0].slice(0, end);
        const address = safeAddress(shown);
        return address ? this.link(shown, address, shown.length) : this.push(text[at], 1);
    }

    link(shown, address, length) {
        if (this.brackets.length) return this.push(shown, length); // perhaps within a link
        this.push("", 0, { opens: [{ name: "a", address }] });
        this.push(shown, length);
        return this.push("", 0, { closes: ["a"] });
    }

    entity() {
        const found = match(ENTITY, this.text, this.at);
        return found ? this.push(ENTITIES[found[1]], found[0].length) : this.push("&", 1);
    }
}

function run(text, at, character) {
    let n = 0;
    while (text[at + n] === character) n++;
    return n;
}

/** Pair the marks of emphasis among tokens[from ...] by CommonMark's rules; those left over become text. */
function pair(tokens, from) {
    const open = [];
    const floors = new Map(); // kind of closing mark -> height of the stack below which nothing opens it
    for (let i = from; i < tokens.length; i++) {
        const token = tokens[i];
        if (!token.n) continue;
        if (token.canClose) closeWith(token, open, floors);
        if (token.n && token.canOpen) open.push(token);
        else settle(token);
    }
    open.forEach(settle);
}

function settle(token) {
    token.text = token.mark.repeat(token.n);
    token.n = 0;
}

function closeWith(closer, open, floors) {
    while (closer.n) {
        const kind = closer.mark + closer.canOpen + (closer.length % 3);
        const floor = Math.min(floors.get(kind) ?? 0, open.length);
        let i = open.length - 1;
        while (i >= floor && !fits(open[i], closer)) i--;
        if (i < floor) {
            floors.set(kind, open.length);
            return;
        }
        open.splice(i + 1).forEach(settle);
        const opener = open[i];
        const n = opener.n >= 2 && closer.n >= 2 ? 2 : 1;
        const name = closer.mark === "~" ? "del" : n === 2 ? "strong" : "em";
        opener.opens.unshift({ name });
        closer.closes.push(name);
        opener.n -= n;
        closer.n -= n;
        if (!opener.n) settle(open.pop());
    }
}

function fits(opener, closer) {
    if (opener.mark !== closer.mark) return false;
    const both = opener.canClose || closer.canOpen;
    return !both || (opener.length + closer.length) % 3 !== 0 || (opener.length % 3 === 0 && closer.length % 3 === 0);
}

function makeElement(name, address) {
    const element = document.createElement(name);
    if (name === "a") {
        element.href = address;
        element.title = address; // where it leads, whatever its text says
        element.rel = "noopener noreferrer nofollow";
        element.target = "_blank";
    }
    return element;
}

/** Append the text, with its marks made into elements, to a node. */
export function appendInline(parent, text) {
    const stack = [parent];
    let pending = "";
    const flush = () => {
        if (pending) stack.at(-1).append(pending);
        pending = "";
    };
    for (const token of new Lexer(text).run()) {
        for (const _ of token.closes) {
            flush();
            stack.pop();
        }
        if (token.element) {
            flush();
            const element = makeElement(token.element);
            element.append(token.text);
            stack.at(-1).append(element);
        } else {
            pending += token.text;
        }
        for (const { name, address } of token.opens) {
            flush();
            const isDeep = stack.length > MAX_NESTING;
            const element = isDeep ? stack.at(-1) : makeElement(name, address);
            if (!isDeep) stack.at(-1).append(element);
            stack.push(element);
        }
    }
    flush();
}
