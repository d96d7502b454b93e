// Ids for elements that name each other.

let last = 0;

/** An id that no other element of the page has. */
export function newId(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}
