// Names that match a query, best first; one typo is tolerated.

const plain = (text) =>
  text.slice(0, 200).normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();

let prepared = { names: null, plain: [] }; // so that each letter typed does not prepare them again

function prepare(names) {
  if (prepared.names !== names) prepared = { names, plain: names.map(plain) };
  return prepared.plain;
}

/** Return the names that match best: [{index, name, score}], best first. */
export function search(query, names, limit = 8) {
  const wanted = plain(query);
  if (!wanted) return [];
  const matches = [];
  const known = prepare(names);
  names.forEach((name, index) => {
    const score = rate(wanted, known[index]);
    if (score > 0) matches.push({ index, name, score });
  });
  matches.sort((a, b) => b.score - a.score || a.index - b.index);
  return matches.slice(0, limit);
}

function rate(wanted, name) {
  if (name === wanted) return 100;
  const brief = 8 / (8 + name.length); // shorter names first among equals
  const at = name.indexOf(wanted);
  const words = name.split(/[\s,()-]+/);
  const whole = at === 0 && /[\s,()-]/.test(name[wanted.length]); // "dog" is found before "dogsled"
  if (at === 0) return (whole ? 90 : 80) + brief;
  if (words.includes(wanted)) return 85 + brief;
  if (at > 0) return (/[\s,(-]/.test(name[at - 1]) ? 70 : 50) + brief;
  const parts = wanted.split(/\s+/);
  if (parts.length > 1 && parts.every((part) => words.some((word) => word.startsWith(part)))) {
    return 60 + brief;
  }
  const typo = wanted.length >= 4 && [name, ...words].some((word) => typos(wanted, word) <= 1);
  if (typo) return 40 + brief;
  return wanted.length >= 3 && inOrder(wanted, name) ? 10 + brief : 0;
}

/** Insertions, deletions, substitutions and swaps that turn `a` into a prefix of `b`. */
function typos(a, b) {
  let [older, old] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const other = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(old[j] + 1, row[j - 1] + 1, old[j - 1] + other);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], older[j - 2] + 1);
      }
    }
    [older, old] = [old, row];
  }
  return Math.min(...old);
}

function inOrder(wanted, name) {
  if (!name.split(/[\s,()-]+/).some((word) => word[0] === wanted[0])) return false;
  let at = -1;
  for (const letter of wanted.replace(/\s/g, "")) {
    at = name.indexOf(letter, at + 1);
    if (at < 0) return false;
  }
  return true;
}
