// The chosen theme, applied before the first paint: a classic script, because modules run after it.
const chosen = localStorage.getItem("raylogue.theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
