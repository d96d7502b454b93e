// The page of one alert: acknowledges it, silences it, and shows its new state.
import { post, Refused } from "./post.js";
import { localise } from "./times.js";

const address = document.getElementById("alert").dataset.address;
const problem = document.getElementById("problem");

async function act(path, body) {
  try {
    await post(`${address}/${path}`, body);
    location.reload();
  } catch (error) {
    problem.textContent = error instanceof Refused ? error.message : "The server does not answer: try again.";
    problem.hidden = false;
  }
}

function onSubmit(id, path, bodyOf) {
  document.getElementById(id)?.addEventListener("submit", (event) => {
    event.preventDefault();
    act(path, bodyOf(new FormData(event.target)));
  });
}

localise(document);
onSubmit("acknowledge", "acknowledge", (form) => ({ note: form.get("note") }));
onSubmit("silence", "silence", (form) => ({ note: form.get("note"), minutes: Number(form.get("minutes")) }));
document.getElementById("end-silence")?.addEventListener("click", () => act("silence/end", {}));
