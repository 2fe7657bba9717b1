// api.js - the server's routes: requests, streams of events, errors as sentences, speed.

import { session } from "./storage.js";

const KEY_ITEM = "infer.key"; // in sessionStorage: the key is forgotten with the tab

export const apiKey = {
    get: () => session.getItem(KEY_ITEM) ?? "",
    set: (key) => (key ? session.setItem(KEY_ITEM, key) : session.removeItem(KEY_ITEM)),
};

/** What the server answered instead of what was asked for; message is its sentence, status 0 if it was not reached. */
export class ServerError extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

/** The sentence in an error's body: OpenAI's form, Ollama's, or what else it says. */
function sentenceOf(body, status) {
    let value = body;
    try {
        value = JSON.parse(body);
    } catch {
        // Not JSON: perhaps a proxy's page.
    }
    const found = value?.error?.message ?? value?.error ?? value?.message ?? value?.detail;
    if (typeof found === "string" && found) return found;
    const text = typeof value === "string" && !/^\s*</.test(value) ? value.trim().slice(0, 500) : "";
    return text || `The server answered with status ${status}.`;
}

async function send(path, options) {
    const key = apiKey.get();
    const headers = { ...(key && { Authorization: `Bearer ${key}` }), ...options.headers };
    let response;
    try {
        response = await fetch(path, { ...options, headers });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new ServerError(0, "The server cannot be reached.");
    }
    if (!response.ok) throw new ServerError(response.status, sentenceOf(await response.text(), response.status));
    return response;
}

/**
 * The models that write, as far as the server tells: [{ id, loaded }]; loaded is false where asking for one's settings
 * would load it.
 */
export async function listModels() {
    const list = await (await send("v1/models", {})).json();
    const models = (Array.isArray(list?.data) ? list.data : []).filter((model) => !model.meta?.encoder);
    return models.map((model) => ({ id: String(model.id), loaded: model.loaded !== false }));
}

/** The server's settings for a model that is loaded, {} if it does not tell. */
export async function readProps(model) {
    try {
        return (await (await send(`props?model=${encodeURIComponent(model)}`, {})).json()) ?? {};
    } catch {
        return {};
    }
}

/** The data of each server-sent event; a comment or another field is none. */
async function* eventsOf(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let data = [];
    try {
        for (;;) {
            const { value, done } = await reader.read();
            if (done) return;
            const lines = (rest + value).split(/\r?\n/);
            rest = lines.pop();
            for (const line of lines) {
                if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
                if (line !== "" || !data.length) continue;
                yield data.join("\n");
                data = [];
            }
        }
    } finally {
        reader.cancel().catch(() => {});
    }
}

const MIN_CLOCKED = 0.05; // seconds: what came in one go tells nothing of speed

/** Clocks of one answer; server's own figures are taken where it gives them. */
class Meter {
    constructor() {
        this.begun = performance.now();
        this.pieces = 0; // of text, about a token each
    }

    piece() {
        this.last = performance.now();
        this.first ??= this.last;
        this.pieces++;
    }

    /** { tokens, perSecond, firstMs, prompt?, cached?, promptPerSecond?, seconds }; tokens per second only if known. */
    figures(usage, timings) {
        const tokens = usage?.completion_tokens ?? timings?.predicted_n ?? this.pieces;
        const seconds = ((this.last ?? this.begun) - (this.first ?? this.begun)) / 1000;
        const clocked = tokens > 1 && seconds > MIN_CLOCKED ? (tokens - 1) / seconds : undefined;
        const rate = (n, ms) => (n > 0 && ms > 0 ? (1000 * n) / ms : undefined);
        return {
            tokens,
            perSecond: timings?.predicted_per_second ?? rate(timings?.predicted_n, timings?.predicted_ms) ?? clocked,
            firstMs: this.first === undefined ? undefined : this.first - this.begun,
            prompt: usage?.prompt_tokens ?? timings?.prompt_n,
            cached: usage?.prompt_tokens_details?.cached_tokens,
            promptPerSecond: timings?.prompt_per_second || rate(timings?.prompt_n, timings?.prompt_ms),
            seconds: (performance.now() - this.begun) / 1000,
        };
    }
}

/** Add a piece of a call to the list of calls: pieces of one call have its index. */
function addCall(calls, piece) {
    const index = piece.index < calls.length ? piece.index : calls.length;
    const call = (calls[index] ??= { id: "", name: "", arguments: "" });
    if (piece.id) call.id = piece.id;
    if (piece.function?.name) call.name += piece.function.name;
    if (piece.function?.arguments) call.arguments += piece.function.arguments;
}

function addChoice(answer, choice) {
    const delta = choice.delta ?? {};
    const content = delta.content ?? choice.text ?? "";
    const reasoning = delta.reasoning_content ?? delta.reasoning ?? "";
    answer.content += content;
    answer.reasoning += reasoning;
    for (const piece of delta.tool_calls ?? []) addCall(answer.calls, piece);
    if (choice.finish_reason) answer.finish = choice.finish_reason;
    return Boolean(content || reasoning || delta.tool_calls?.length);
}

/**
 * Have an answer written. answer is { content, reasoning, calls, finish, figures }, is added to while it comes, and
 * onChange is called after each addition. Throws ServerError, or AbortError if signal stops it; what has come stays.
 */
export async function streamAnswer(path, body, answer, signal, onChange) {
    const meter = new Meter();
    let usage, timings;
    const tell = () => {
        answer.figures = meter.figures(usage, timings);
        onChange();
    };
    const request = { ...body, stream: true, stream_options: { include_usage: true } };
    const headers = { "Content-Type": "application/json" };
    const response = await send(path, { method: "POST", headers, body: JSON.stringify(request), signal });
    let isWhole = false;
    try {
        for await (const data of eventsOf(response.body)) {
            isWhole = data === "[DONE]";
            if (isWhole) break;
            const event = JSON.parse(data);
            if (event.error) throw new ServerError(response.status, sentenceOf(data, response.status));
            usage = event.usage ?? usage;
            timings = event.timings ?? timings;
            if (event.choices?.[0] && addChoice(answer, event.choices[0])) meter.piece();
            tell();
        }
    } catch (error) {
        if (error.name === "AbortError" || error instanceof ServerError) throw error;
        if (error instanceof SyntaxError) throw new ServerError(0, "The server sent what is not JSON.");
        throw new ServerError(0, "The connection broke before the answer was complete.");
    } finally {
        tell();
    }
    if (!isWhole) throw new ServerError(0, "The connection ended before the answer was complete.");
}
