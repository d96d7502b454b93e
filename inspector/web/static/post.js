// Sends a change to the server, with the proof that it comes from our own page.

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

// The server's JSON answer, or null without one. Throws Refused with the server's words; 401 leads to sign-in.
export async function post(address, body = {}) {
  const token = document.querySelector('meta[name="form-token"]')?.content ?? "";
  const answer = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", "x-form-token": token },
    body: JSON.stringify(body),
  });
  if (answer.status === 401) {
    location.assign(`/sign-in?${new URLSearchParams({ next: location.pathname + location.search })}`);
  }
  const type = answer.headers.get("content-type") ?? "";
  const value = type.startsWith("application/json") ? await answer.json() : null;
  if (!answer.ok) throw new Refused(answer.status, value?.detail || value?.error || `HTTP ${answer.status}`);
  return value;
}
