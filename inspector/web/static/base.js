// What every page has: the theme button, the lamp that shows the connection, the alarm in the navigation.
import { on, onState } from "./events.js";

const THEMES = ["auto", "light", "dark"];
const WORDS = {
  connecting: "connecting",
  live: "live",
  lost: "connection lost, trying again",
  away: "log away: nothing new can be read",
  full: "too many viewers, trying again",
  "signed out": "signed out: load the page to sign in again",
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

// The number of open alerts in the navigation, and one sentence for screen readers when a new one needs somebody.
on("alerts", ({ act_now: actNow, look_later: lookLater, newest }) => {
  const link = document.querySelector('.bar nav a[href="/alerts"]');
  if (!link) return;
  let badge = link.querySelector(".badge");
  if (badge === null) {
    badge = document.createElement("span");
    badge.className = "badge";
    link.append(" ", badge);
  }
  badge.hidden = actNow + lookLater === 0;
  badge.dataset.level = actNow ? "act_now" : "look_later";
  badge.textContent = String(actNow + lookLater);
  const word = actNow ? `${actNow} to act on now` : `${lookLater} to look at later`;
  badge.setAttribute("aria-label", word);
  badge.setAttribute("role", "img");
  badge.title = newest ? `${word}; ${newest}` : word;
});
