// What every page has: the theme button, the lamp that shows the connection, the alarm in the navigation.
import { onState } from "./events.js";

const THEMES = ["auto", "light", "dark"];
const WORDS = {
  connecting: "connecting",
  live: "live",
  lost: "connection lost, trying again",
  away: "log away: nothing new can be read",
  full: "too many viewers, trying again",
};

function showTheme() {
  document.getElementById("theme").textContent = `theme: ${document.documentElement.dataset.theme}`;
}

function nextTheme() {
  const root = document.documentElement;
  root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
  localStorage.setItem("theme", root.dataset.theme);
  showTheme();
}

document.getElementById("theme").addEventListener("click", nextTheme);
showTheme();
onState((state) => {
  const lamp = document.getElementById("connection");
  if (lamp.dataset.state === state) return;
  lamp.dataset.state = state;
  lamp.querySelector(".word").textContent = WORDS[state] ?? state;
});
