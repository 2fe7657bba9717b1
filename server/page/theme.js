// theme.js - sets the chosen colours before anything is drawn. Runs as a script, not as a module: modules run too late.
"use strict";
try {
    const theme = localStorage.getItem("infer.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
    // Storage is forbidden: the system's colours stay.
}
