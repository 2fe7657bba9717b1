// settings.js - the panel of settings: fields to the parameters of a request, kept in the browser.
import { apiKey } from "./api.js";
import { local } from "./storage.js";
import { loadSettings, saveSettings } from "./store.js";

const fields = [...document.querySelectorAll("[data-parameter]")];
const problem = document.getElementById("settings-error");

export const settings = loadSettings();

export function keep(change) {
    Object.assign(settings, change);
    return saveSettings(settings);
}

/** One text a line; a backslash and n stand for a new line within it. */
function stopTexts(value) {
    return value.split("\n").filter((line) => line !== "").map((line) => line.replace(/\\n/g, "\n"));
}

function moreFields(value) {
    let object;
    try {
        object = JSON.parse(value);
    } catch (error) {
        throw new Error(`More fields: this is not JSON: ${error.message}`);
    }
    const isObject = object !== null && typeof object === "object" && !Array.isArray(object);
    if (!isObject) throw new Error("More fields: a JSON object is wanted.");
    return object;
}

function valueOf(field) {
    const { parameter } = field.dataset;
    if (parameter === "stop") return { stop: stopTexts(field.value) };
    if (parameter === "more") return moreFields(field.value);
    return { [parameter]: Number(field.value) };
}

/** The parameters that are set, as fields of a request. Throws an Error that says which cannot be. */
export function requestFields() {
    const request = {};
    for (const field of fields) {
        const name = field.labels[0].firstChild.textContent.trim();
        if (!field.checkValidity()) throw new Error(`${name}: ${field.validationMessage}`);
        if (field.value !== "") Object.assign(request, valueOf(field));
    }
    return request;
}

function showProblem() {
    let sentence = "";
    try {
        requestFields();
    } catch (error) {
        sentence = error.message;
    }
    problem.hidden = !sentence;
    problem.textContent = sentence;
}

/** Show what the server takes where a field is empty. */
export function showDefaults(props) {
    const given = props.default_generation_settings ?? {};
    const defaults = { max_tokens: given.n_predict, ...given, ...given.params };
    for (const field of fields.filter((f) => f.type === "number")) {
        const value = defaults[field.dataset.parameter];
        field.placeholder = Number.isFinite(value) && value >= 0 ? String(Math.round(value * 1e4) / 1e4) : "";
    }
}

/** Fill the fields, and keep what is changed. onKey is called when the key has been changed. */
export function startSettings(onKey) {
    for (const field of fields) {
        field.value = settings.parameters?.[field.dataset.parameter] ?? "";
        field.addEventListener("input", () => {
            keep({ parameters: Object.fromEntries(fields.map((f) => [f.dataset.parameter, f.value])) });
            showProblem();
        });
    }
    showProblem();
    document.getElementById("reset").addEventListener("click", () => {
        for (const field of fields) field.value = "";
        keep({ parameters: {} });
        showProblem();
    });
    const key = document.getElementById("api-key");
    key.value = apiKey.get();
    key.addEventListener("change", () => {
        apiKey.set(key.value.trim());
        onKey();
    });
    startTheme();
}

/** The switch of colours: a choice that is the system's own is none, and follows it. */
function startTheme() {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const root = document.documentElement;
    const theme = document.getElementById("theme");
    const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
    const tell = () => theme.setAttribute("aria-pressed", String(isDark()));
    theme.addEventListener("click", () => {
        const wanted = isDark() ? "light" : "dark";
        if (wanted === (system.matches ? "dark" : "light")) {
            delete root.dataset.theme;
            local.removeItem("infer.theme");
        } else {
            root.dataset.theme = wanted;
            local.setItem("infer.theme", wanted);
        }
        tell();
    });
    system.addEventListener("change", tell);
    tell();
}
