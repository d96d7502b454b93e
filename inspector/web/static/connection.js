// One event stream to the server, kept up: opens again after failures and asks for what was missed by event id.
// Knows no page and no tab: `publish` gets every message, the newest of each kind but verdicts is kept for late-comers.
const QUIET_MS = 20_000; // the server sends something every 5 s
const RETRY_MS = 2_000;
const KEPT_VERDICTS = 256;

export class Connection {
  #publish; #source = null; #lastId = ""; #watchdog = 0; #retry = 0;
  #state = "connecting"; #newest = new Map(); #verdicts = [];

  constructor(publish) {
    this.#publish = publish;
  }

  // `after` is the id to begin with; later openings continue behind the last event.
  open(after = "") {
    this.close();
    this.#lastId ||= after;
    const address = this.#lastId ? `/events?after=${encodeURIComponent(this.#lastId)}` : "/events";
    this.#source = new EventSource(address);
    this.#source.onopen = () => { this.#heard(); this.#show("live"); };
    this.#source.onmessage = (event) => this.#receive(event);
    this.#source.onerror = () => this.#failed();
  }

  close() {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  // What a tab that joins now has to know, in order.
  backlog() {
    return [{ kind: "state", data: this.#state }, ...this.#newest.values(), ...this.#verdicts];
  }

  #receive(event) {
    this.#heard();
    if (event.lastEventId) this.#lastId = event.lastEventId;
    const message = JSON.parse(event.data);
    if (message.kind === "beat") return;
    if (message.kind === "away") this.#show(message.data ? "away" : "live");
    if (message.kind === "verdict") {
      this.#verdicts.push(message);
      if (this.#verdicts.length > KEPT_VERDICTS) this.#verdicts.shift();
    } else if (message.kind === "reset") {
      this.#verdicts = [];
    } else {
      this.#newest.set(message.kind, message);
    }
    this.#publish(message);
  }

  // A connection that died without a sign is noticed by silence.
  #heard() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => { this.#show("lost"); this.open(); }, QUIET_MS);
  }

  // The browser itself tries again unless the server answered with an error.
  #failed() {
    const refused = this.#source?.readyState === EventSource.CLOSED;
    if (!refused) this.#show("lost");
    else if (this.#state !== "signed out") this.#show("full");
    if (refused) {
      this.close();
      this.#askWhy();
      this.#retry = setTimeout(() => this.open(), RETRY_MS * (1 + Math.random()));
    }
  }

  // A stream says nothing of the status that it was refused with.
  async #askWhy() {
    const answer = await fetch("/live", { method: "HEAD" }).catch(() => null);
    if (answer?.status === 401) this.#show("signed out");
  }

  #show(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#publish({ kind: "state", data: state });
  }
}
