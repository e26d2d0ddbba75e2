// Parts that could not be read: which, when to ask again, and what to say of them.

const AGAIN = 2000; // ms

export class Losses {
  /** @param said called with words for the reader; @param again called when it is time to ask again */
  constructor(said, again) {
    Object.assign(this, { said, again, files: new Map() });
  }

  /** Note that a part could not be read. */
  add(name, file) {
    const first = !this.files.has(name);
    this.files.set(name, { file, time: performance.now() });
    // Once by itself; after that, the next frame that needs it asks again.
    if (first) setTimeout(this.again, AGAIN + 50);
    clearTimeout(this.saying);
    this.saying = setTimeout(() => this.#say(), 60);
  }

  found(name) {
    this.files.delete(name);
  }

  /** Whether a part is missing and it is too early to ask for it again. */
  has(name) {
    const lost = this.files.get(name);
    return Boolean(lost) && performance.now() - lost.time < AGAIN;
  }

  /** Whether a part was missing when it was last asked for. */
  missing(name) {
    return this.files.has(name);
  }

  #say() {
    const [first] = this.files.values();
    if (!first) return;
    const count = this.files.size;
    this.said(`${count === 1 ? "1 file is missing" : `${count} files are missing`}: ${first.file}${count > 1 ? " …" : ""}. Was the folder copied whole?`);
  }
}
