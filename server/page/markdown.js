// markdown.js - Markdown to nodes: headings, lists, tables, code blocks, quotes, rules, paragraphs.
//
// The dialect is that of models' answers: GitHub's without raw HTML, indented code and reference links; a line break is
// a line break. Nodes are made by createElement with names from this file and inline.js; text goes into text nodes
// only. A block's kind follows from its first two lines, and where it ends from the lines up to there and the two
// after: that is why an answer that grows can be rendered from its last blocks on.
import { appendInline } from "./inline.js";

const FENCE = /^([ \t]*)(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^([ \t]*)([-*+]|\d{1,9}[.)])([ \t]+|$)/;
const TASK = /^\[([ xX])\](?=\s)/;
const MAX_NESTING = 12; // of quotes and lists; what is deeper is shown as paragraphs
const MAX_COLUMNS = 64;
const LOOK_AHEAD = 2; // lines that must be whole before the block ahead of them is known to have ended

function make(name, ...children) {
    const element = document.createElement(name);
    element.append(...children);
    return element;
}

function makeText(name, text) {
    const element = make(name);
    appendInline(element, text);
    element.dir = "auto"; // last: it is computed anew for each node that comes after
    return element;
}

const isBlank = (line) => line.trim() === "";

/** Width of a line's leading white space; a tab reaches to the next multiple of 4. */
function indentOf(line) {
    let width = 0;
    for (const c of line) {
        if (c === " ") width++;
        else if (c === "\t") width += 4 - (width % 4);
        else break;
    }
    return width;
}

/** The line without up to so many columns of leading white space. */
function dedent(line, columns) {
    let width = 0, i = 0;
    for (; width < columns && (line[i] === " " || line[i] === "\t"); i++) {
        width += line[i] === " " ? 1 : 4 - (width % 4);
    }
    return " ".repeat(Math.max(0, width - columns)) + line.slice(i);
}

function cellsOf(line) {
    const cells = line.trim().split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
    if (cells[0] === "") cells.shift();
    if (cells.length && cells.at(-1) === "") cells.pop();
    return cells;
}

/** The cells of a table's head if one begins at lines[i], else null: the next line must have as many rules. */
function tableHead(lines, i) {
    if (!lines[i].includes("|") || i + 1 >= lines.length || !/^[ \t|:-]+$/.test(lines[i + 1])) return null;
    const head = cellsOf(lines[i]), rules = cellsOf(lines[i + 1]);
    const isAlike = head.length === rules.length && head.length <= MAX_COLUMNS;
    return isAlike && rules.every((rule) => /^:?-+:?$/.test(rule)) ? { head, rules } : null;
}

/** Whether a block that ends a paragraph begins at lines[i]; a list does so only if it counts from 1. */
function beginsBlock(lines, i) {
    const line = lines[i];
    if ([FENCE, HEADING, RULE, QUOTE].some((begin) => begin.test(line)) || tableHead(lines, i)) return true;
    const item = ITEM.exec(line);
    return item !== null && item[3] !== "" && (item[2].length === 1 || /^0*1[.)]$/.test(item[2]));
}

// Each of the following takes the block that begins at lines[i] and gives its node and the index of the line after it,
// or null if no such block begins there.

function takeFence(lines, i) {
    const found = FENCE.exec(lines[i]);
    if (!found) return null;
    const [, indent, fence, info] = found;
    const width = indentOf(indent);
    let end = i + 1;
    const closes = (line) => {
        const text = line.trim();
        return text.length >= fence.length && text === fence[0].repeat(text.length) && indentOf(line) <= width + 3;
    };
    while (end < lines.length && !closes(lines[end])) end++;
    const text = lines.slice(i + 1, end).map((line) => dedent(line, width)).join("\n");
    return { node: codeBlock(info.trim().split(/\s/)[0], text), end: Math.min(end + 1, lines.length) };
}

/** A block of code with its language and a button that copies it (whoever shows the block listens to its clicks). */
export function codeBlock(language, text) {
    const button = make("button", "Copy");
    button.type = "button";
    button.className = "copy-code";
    const head = make("div", make("span", language || "text"), button);
    head.className = "code-head";
    const pre = make("pre", make("code", text));
    pre.tabIndex = 0; // so that it scrolls by keys
    const block = make("div", head, pre);
    block.className = "code-block";
    block.dir = "ltr";
    return block;
}

function takeHeading(lines, i) {
    const found = HEADING.exec(lines[i]);
    if (!found) return null;
    let text = (found[2] ?? "").trim();
    let end = text.length;
    while (text[end - 1] === "#") end--;
    if (end === 0 || /[ \t]/.test(text[end - 1])) text = text.slice(0, end).trim();
    // The page has its own headings: those of an answer stand below them.
    return { node: makeText("h" + Math.min(6, found[1].length + 2), text), end: i + 1 };
}

function takeRule(lines, i) {
    return RULE.test(lines[i]) ? { node: make("hr"), end: i + 1 } : null;
}

function takeQuote(lines, i, depth) {
    if (!QUOTE.test(lines[i]) || depth >= MAX_NESTING) return null;
    let end = i;
    const inside = [];
    for (; end < lines.length && QUOTE.test(lines[end]); end++) inside.push(lines[end].replace(QUOTE, ""));
    return { node: make("blockquote", ...nodesOf(inside, depth + 1)), end };
}

function takeList(lines, i, depth) {
    const first = ITEM.exec(lines[i]);
    if (!first || depth >= MAX_NESTING) return null;
    const isBullet = (item) => item[2].length === 1;
    const list = make(isBullet(first) ? "ul" : "ol");
    if (!isBullet(first)) list.start = parseInt(first[2], 10);
    const indent = indentOf(lines[i]);
    let end = i;
    while (end < lines.length) {
        const item = ITEM.exec(lines[end]);
        if (!item || isBullet(item) !== isBullet(first) || indentOf(lines[end]) >= indent + 2) break;
        if (RULE.test(lines[end])) break;
        const last = endOfItem(lines, end, indent + 2);
        list.append(itemOf(lines.slice(end, last), item, depth));
        // Blank lines may stand between two items; after the last they belong to nobody.
        end = last;
        while (end < lines.length && isBlank(lines[end])) end++;
    }
    return { node: list, end };
}

/** The line after an item: what is indented belongs to it, and a paragraph that goes on without indentation. */
function endOfItem(lines, i, indent) {
    let end = i + 1, last = i + 1;
    for (; end < lines.length; end++) {
        if (isBlank(lines[end])) continue;
        const goesOn = last === end && !beginsBlock(lines, end) && !ITEM.test(lines[end]);
        if (indentOf(lines[end]) < indent && !goesOn) break;
        last = end + 1;
    }
    return last;
}

function itemOf(lines, item, depth) {
    const spaces = indentOf(item[3]);
    const width = indentOf(item[1]) + item[2].length + (spaces >= 1 && spaces <= 4 ? spaces : 1);
    const text = lines[0].slice(item[0].length).replace(TASK, (_, mark) => (mark === " " ? "☐" : "☑"));
    const inside = lines.slice(1).map((line) => dedent(line, width));
    return make("li", ...nodesOf([text, ...inside], depth + 1));
}

function takeTable(lines, i) {
    const found = tableHead(lines, i);
    if (!found) return null;
    const { head, rules } = found;
    const align = rules.map((r) => (r.endsWith(":") ? (r.startsWith(":") ? "center" : "right") : "left"));
    const row = (cells, name) => make("tr", ...cells.slice(0, head.length).map((cell, column) => {
        const element = makeText(name, cell);
        if (align[column] !== "left") element.className = "align-" + align[column];
        return element;
    }));
    const body = make("tbody");
    let end = i + 2;
    for (; end < lines.length && !isBlank(lines[end]) && !beginsBlock(lines, end); end++) {
        body.append(row(cellsOf(lines[end]), "td"));
    }
    const block = make("div", make("table", make("thead", row(head, "th")), body));
    block.className = "table-block";
    block.tabIndex = 0;
    return { node: block, end };
}

function takeParagraph(lines, i) {
    let end = i + 1;
    while (end < lines.length && !isBlank(lines[end]) && !beginsBlock(lines, end)) end++;
    const text = lines.slice(i, end).map((line) => line.trim()).join("\n");
    return { node: makeText("p", text), end };
}

const TAKERS = [takeFence, takeHeading, takeRule, takeQuote, takeList, takeTable, takeParagraph];

/** The blocks of some lines: [{ node, start }], start being the index of a block's first line. */
function blocksOf(lines, depth) {
    const blocks = [];
    let i = 0;
    while (i < lines.length) {
        if (isBlank(lines[i])) {
            i++;
            continue;
        }
        let block = null;
        for (const take of TAKERS) {
            block = take(lines, i, depth);
            if (block) break;
        }
        blocks.push({ node: block.node, start: i });
        i = block.end;
    }
    return blocks;
}

function nodesOf(lines, depth) {
    return blocksOf(lines, depth).map((block) => block.node);
}

/**
 * An element that shows Markdown which grows. Blocks that can change no more stay; the others are made anew, so that a
 * step costs what its last blocks cost, however long the text before them is.
 */
export class MarkdownView {
    constructor(element) {
        this.element = element;
        this.clear();
    }

    clear() {
        this.element.replaceChildren();
        this.source = "";
        this.settled = 0; // characters of the source that are in blocks that stay
        this.open = []; // nodes after them
    }

    /** Show the source; cheap if it only adds to what is shown. */
    show(source) {
        if (!source.startsWith(this.source)) this.clear();
        this.source = source;
        const raw = source.slice(this.settled).split("\n");
        const blocks = blocksOf(raw.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line)), 0);
        this.replaceOpen(blocks);
        // The last line is not whole, however it ends.
        let stays = blocks.length - 1;
        while (stays > 0 && blocks[stays].start + LOOK_AHEAD > raw.length - 1) stays--;
        stays = Math.max(0, stays);
        this.open = blocks.slice(stays).map((block) => block.node);
        if (stays) this.settled += raw.slice(0, blocks[stays].start).reduce((sum, line) => sum + line.length + 1, 0);
    }

    replaceOpen(blocks) {
        blocks.forEach((block, i) => {
            if (i < this.open.length) block.node = become(this.open[i], block.node);
            else this.element.append(block.node);
        });
        this.open.slice(blocks.length).forEach((node) => node.remove());
    }
}

/**
 * Make a node of the page like a fresh one, and return the one that is then in its place. What is alike stays, so that
 * little is laid out anew, and what the reader has selected, scrolled or focused there remains.
 */
function become(old, fresh) {
    if (old.isEqualNode(fresh)) return old;
    if (old.nodeType === Node.TEXT_NODE && fresh.nodeType === Node.TEXT_NODE && fresh.data.startsWith(old.data)) {
        old.appendData(fresh.data.slice(old.data.length));
        return old;
    }
    if (!old.cloneNode(false).isEqualNode(fresh.cloneNode(false)) || !old.firstChild) {
        old.replaceWith(fresh);
        return fresh;
    }
    const children = [...fresh.childNodes];
    for (const [i, child] of [...old.childNodes].entries()) {
        if (i < children.length) become(child, children[i]);
        else child.remove();
    }
    old.append(...children.slice(old.childNodes.length));
    return old;
}
