// writer.js - one answer being written: the request, frames at which it is shown, how it ended.
import { streamAnswer } from "./api.js";

const BUSY_SHARE = 4; // showing takes at most one part in so many of the time

/** Calls show when something has changed, at most once a frame, and less often where showing is slow. */
class Frames {
    constructor(show) {
        this.show = show;
        this.request = 0;
        this.rest = 0; // the time before which nothing is shown
    }

    changed() {
        if (!this.request) this.request = requestAnimationFrame((now) => this.frame(now));
    }

    frame(now) {
        this.request = 0;
        if (now < this.rest) return this.changed();
        const begun = performance.now();
        this.show();
        this.rest = begun + (performance.now() - begun) * BUSY_SHARE;
    }

    end() {
        cancelAnimationFrame(this.request);
        this.show();
    }
}

export const newAnswer = () => ({ content: "", reasoning: "", calls: [], finish: "", figures: {}, error: "" });

export class Writer {
    constructor() {
        this.controller = null;
    }

    isWriting() {
        return this.controller !== null;
    }

    stop() {
        this.controller?.abort();
    }

    /**
     * Have answer written by a route; show is called as it grows, and at the end. Returns the error that ended it, or
     * null.
     */
    async write(path, body, answer, show) {
        const controller = new AbortController();
        this.controller = controller;
        const frames = new Frames(show);
        let failure = null;
        try {
            await streamAnswer(path, body, answer, controller.signal, () => frames.changed());
        } catch (error) {
            if (error.name === "AbortError") answer.finish = "stopped";
            else failure = error;
        }
        this.controller = null;
        answer.error = failure?.message ?? "";
        frames.end();
        return failure;
    }
}
