// Sets the theme before the first paint: "light", "dark" or "auto" (as the system).
document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "auto";
