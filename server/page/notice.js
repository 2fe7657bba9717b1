// notice.js - one sentence for the user above the chat, with an action if there is one.

const notice = document.getElementById("notice");
const text = document.getElementById("notice-text");
const action = document.getElementById("notice-action");
const SHOWN_MS = 10000;
let timer;

export function hideNotice() {
    clearTimeout(timer);
    notice.hidden = true;
}

/** Show a sentence; one without isLasting goes by itself. */
export function notify(sentence, label = "", onAction = null, isLasting = false) {
    hideNotice();
    text.textContent = sentence;
    action.textContent = label;
    action.hidden = !label;
    action.onclick = () => {
        hideNotice();
        onAction();
    };
    notice.hidden = false;
    if (!isLasting) timer = setTimeout(hideNotice, SHOWN_MS);
}

document.getElementById("notice-close").addEventListener("click", hideNotice);
