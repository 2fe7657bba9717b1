// storage.js - the browser's storage, or memory of this page where the browser grants none.

class Memory {
    getItem(name) {
        return this[name] ?? null;
    }

    setItem(name, value) {
        this[name] = value;
    }

    removeItem(name) {
        delete this[name];
    }
}

function usable(name) {
    try {
        window[name].getItem("");
        return window[name];
    } catch {
        return new Memory();
    }
}

export const local = usable("localStorage");
export const session = usable("sessionStorage");
