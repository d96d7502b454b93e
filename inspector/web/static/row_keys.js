// Makes the links of a table one stop of the Tab key: arrow keys move between rows, Home and End to the ends.

const MOVES = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: 10, PageUp: -10 };

export function rowKeys(table) {
  const links = [...table.querySelectorAll("tbody tr a:first-of-type")];
  links.forEach((link, index) => {
    link.tabIndex = index === 0 ? 0 : -1;
    link.addEventListener("focus", () => links.forEach((each) => { each.tabIndex = each === link ? 0 : -1; }));
  });
  table.addEventListener("keydown", (event) => {
    const index = links.indexOf(document.activeElement);
    const target = targetOf(event, index, links.length);
    if (index < 0 || target === null) return;
    event.preventDefault();
    links[target].focus();
    links[target].scrollIntoView({ block: "nearest" });
  });
}

function targetOf({ key, altKey, ctrlKey, metaKey }, index, count) {
  if (altKey || ctrlKey || metaKey) return null;
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return key in MOVES ? Math.min(Math.max(index + MOVES[key], 0), count - 1) : null;
}
