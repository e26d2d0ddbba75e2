// Sources of the parts of an atlas. Each has json(name), forget(name) and picture(name, kind), which
// resolves to a URL or a Blob.

import { bytes } from "./dom.js";

/** Parts as files in a folder. Data are scripts, as a page on file:// may not fetch. */
export class FolderSource {
  constructor(base) {
    this.base = base;
    this.loaded = new Map();
    this.waiting = new Map();
    const early = self.jatlasParts || [];
    const take = ([name, value]) => {
      this.loaded.set(name, value);
      this.waiting.get(name)?.resolve(value);
    };
    self.jatlasParts = { push: take };
    early.forEach(take);
  }

  json(name) {
    if (this.loaded.has(name)) return Promise.resolve(this.loaded.get(name));
    if (!this.waiting.has(name)) this.waiting.set(name, this.#load(name));
    return this.waiting.get(name).promise;
  }

  #load(name) {
    const entry = {};
    entry.promise = new Promise((resolve, reject) => {
      entry.resolve = resolve;
      const script = document.createElement("script");
      script.src = `${this.base}data/${encodeURIComponent(name)}.js`;
      script.onload = () => script.remove();
      script.onerror = () => {
        script.remove();
        this.waiting.delete(name);
        reject(new Error(`${script.getAttribute("src")} is missing`));
      };
      document.head.append(script);
    });
    return entry;
  }

  /** Drop a part that the caller keeps. */
  forget(name) {
    this.loaded.delete(name);
    this.waiting.delete(name);
  }

  async picture(name, kind) {
    return `${this.base}tiles/${encodeURIComponent(name)}.${kind}`;
  }
}

/** Parts as elements of the page itself, parsed when they are asked for. */
export class InlineSource {
  constructor(elements) {
    this.elements = new Map([...elements].map((element) => [element.dataset.jatlas, element]));
  }

  async json(name) {
    return JSON.parse(this.#find(name).textContent);
  }

  forget() {}

  async picture(name) {
    const element = this.#find(name);
    return new Blob([bytes(element.textContent)], { type: element.type });
  }

  #find(name) {
    const element = this.elements.get(name);
    if (!element) throw new Error(`${name} is missing`);
    return element;
  }
}

/** Parts that a notebook's kernel sends on request. */
export class KernelSource {
  constructor(model) {
    this.model = model;
    this.waiting = new Map();
    this.listener = (message, buffers) => this.#take(message, buffers);
    model.on("msg:custom", this.listener);
  }

  async json(name) {
    return JSON.parse(new TextDecoder().decode(await this.#ask(name)));
  }

  forget() {}

  async picture(name, kind) {
    const type = kind === "png" ? "image/png" : "image/jpeg";
    return new Blob([await this.#ask(name)], { type });
  }

  close() {
    this.model.off("msg:custom", this.listener);
  }

  #ask(name) {
    if (!this.waiting.has(name)) {
      const entry = {};
      entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
      this.waiting.set(name, entry);
      this.model.send({ need: name });
    }
    return this.waiting.get(name).promise;
  }

  #take(message, buffers) {
    const entry = this.waiting.get(message.part);
    if (!entry) return;
    this.waiting.delete(message.part);
    if (buffers?.length) entry.resolve(buffers[0]);
    else entry.reject(new Error(`${message.part} is missing`));
  }
}
