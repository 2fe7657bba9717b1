// What tests call inside the page: checks of what markdown.js makes.
import { MarkdownView } from "/markdown.js";

const ATTRIBUTES = {
    A: ["href", "title", "rel", "target"], BUTTON: ["type", "class"], DIV: ["class", "dir", "tabindex"],
    PRE: ["tabindex"], OL: ["start"], TH: ["class", "dir"], TD: ["class", "dir"], P: ["dir"], H3: ["dir"], H4: ["dir"],
    H5: ["dir"], H6: ["dir"],
};
const PLAIN = [
    "BLOCKQUOTE", "BR", "CODE", "DEL", "EM", "HR", "LI", "SPAN", "STRONG", "TABLE", "TBODY", "THEAD", "TR", "UL",
];
const CLASSES = ["", "code-block", "code-head", "copy-code", "table-block", "align-right", "align-center"];

export function render(text) {
    const view = new MarkdownView(document.createElement("div"));
    view.show(text);
    return view.element;
}

export const html = (text) => render(text).innerHTML;

/** What an element holds that Markdown may not make: a list of sentences. */
export function foreign(root) {
    const found = [];
    for (const element of root.querySelectorAll("*")) {
        const allowed = ATTRIBUTES[element.nodeName] ?? (PLAIN.includes(element.nodeName) ? [] : null);
        if (!allowed) found.push(`element ${element.nodeName}`);
        for (const { name, value } of element.attributes) {
            if (!allowed?.includes(name)) found.push(`attribute ${name} of ${element.nodeName}`);
            if (name === "class" && !CLASSES.includes(value)) found.push(`class ${value}`);
        }
        if (element.nodeName !== "A") continue;
        if (!["http:", "https:", "mailto:"].includes(element.protocol)) found.push(`link to ${element.href}`);
        if (!element.rel.includes("noopener")) found.push("link without noopener");
    }
    return found;
}

/** Milliseconds that it takes to make the elements, and how deep they are. */
export function weigh(text) {
    const begun = performance.now();
    const element = render(text);
    const ms = performance.now() - begun;
    const depthOf = (node) => 1 + Math.max(0, ...Array.from(node.children, depthOf));
    return { ms, depth: depthOf(element) };
}

/** Pseudo-random numbers below n, the same for the same seed: a linear congruential generator of 31 bits. */
export function randoms(seed) {
    let state = seed;
    return (n) => {
        state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
        return Math.floor((state / 0x80000000) * n);
    };
}

/** Show a text piece by piece. Returns the first length at which it differs from the text shown at once, or -1. */
export function differsGrowing(text, random) {
    const view = new MarkdownView(document.createElement("div"));
    for (let n = 0; n < text.length;) {
        n = Math.min(text.length, n + 1 + random(12));
        view.show(text.slice(0, n));
        if (view.element.innerHTML !== html(text.slice(0, n))) return n;
    }
    return -1;
}

/** What shows a text after another was shown in its place. */
export function shownAfter(first, second) {
    const view = new MarkdownView(document.createElement("div"));
    view.show(first);
    view.show(second);
    return view.element.innerHTML;
}

/** Whether a text's first paragraph, item and code are the same nodes after it has grown. */
export function keptNodes(text, more) {
    const view = new MarkdownView(document.createElement("div"));
    const nodes = () => ["p", "li", "code"].map((name) => view.element.querySelector(name));
    view.show(text);
    const before = nodes();
    view.show(text + more);
    const [paragraph, item, code] = nodes().map((node, i) => node === before[i]);
    return { paragraph, item, code };
}

const PARTS = [
    "a", "b c", "**", "*", "_", "~~", "`", "```", "~~~", "\n", "\n", "\n\n", "# ", "## x", "---", "- ", "  - ", "1. ",
    "2) ", "> ", ">", "|", "|a|b|", "\n|-|-|\n", "[x](https://e.example/)", "[", "](", ")", "![", "<br>", "\\", "    ",
    "\t", "\r\n", "https://e.example/x_y", "$$", "\\(", "é", "名", "&amp;", "===", "+ ",
];

/** Texts of marks at random, each shown growing: those that differ from themselves shown at once. */
export function differingTexts(count, seed) {
    const random = randoms(seed);
    const found = [];
    for (let i = 0; i < count; i++) {
        const text = Array.from({ length: 5 + random(40) }, () => PARTS[random(PARTS.length)]).join("");
        const at = differsGrowing(text, random);
        if (at >= 0) found.push(text.slice(0, at));
    }
    return found;
}
