// Shows times by the clock of this browser. The server writes them by its own, for browsers without scripts.

const DAY = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** 30 Nov 14:03:07. */
export function moment(at) {
  return `${DAY.format(at)} ${CLOCK.format(at)}`;
}

export function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.textContent = moment(at);
    time.title = time.dateTime;
  }
}

/** Time fields of a form: shown by the clock here, sent with their zone; empty fields are not sent. */
export function localiseForm(form) {
  for (const field of form.querySelectorAll("input[data-at]")) {
    if (field.dataset.at) field.value = localValue(new Date(field.dataset.at));
  }
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData.entries()]) {
      if (value === "") formData.delete(name);
      else if (form.elements[name]?.type === "datetime-local") formData.set(name, sent(value));
    }
  });
}

function localValue(at) {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function sent(value) {
  return new Date(value).toISOString().replace(/\.000Z$/, "Z");
}
