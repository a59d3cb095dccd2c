/**
 * Trained weights, fetched when they are first needed. `tools/machines.py` writes them as
 * scripts, because a page opened from a disk may load scripts and nothing else: `catalogue.js` says
 * what there is, and each machine's numbers come in parts, so that a page can say how far it got.
 */
"use strict";

const Weights = (() => {
  /** What `catalogue.js` knows, by name: kind, settings, tensors, bits of a number, sums, characters. */
  let catalogue = {};
  const machines = new Map();
  const arrived = new Map();
  const folder = new URL("weights/", document.currentScript?.src ?? location.href).href;

  /** So often a file was asked for; a browser that kept a damaged one is made to ask again. */
  const asked = new Map();

  const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });

  /** Compute the CRC-32 of plain text, which no single damage leaves as it was. */
  function sumOf(text) {
    let sum = 0xffffffff;
    for (let i = 0; i < text.length; i++) {
      sum = CRC[(sum ^ text.charCodeAt(i)) & 255] ^ (sum >>> 8);
    }
    return (sum ^ 0xffffffff) >>> 0;
  }

  /** Called by `catalogue.js`, with a list of all machines as JSON, and its sum. */
  function list(text, sum) {
    if (sumOf(text) === sum) catalogue = JSON.parse(text);
  }

  /** Called by each part of a machine's numbers. */
  function receive(name, part, text) {
    arrived.set(`${name} ${part}`, text);
  }

  function loadScript(file) {
    const times = (asked.get(file) ?? 0) + 1;
    asked.set(file, times);
    const address = new URL(file, folder);
    if (times > 1) address.searchParams.set("again", times);
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address.href;
      script.onload = () => resolve(script.remove());
      script.onerror = () => reject(new Error("its file cannot be fetched"), script.remove());
      document.head.append(script);
    });
  }

  /** Make sure that the list of machines is there; it comes with the page, as a rule. */
  async function loadCatalogue() {
    const isThere = () => Object.keys(catalogue).length > 0;
    if (!isThere()) await loadScript("catalogue.js").catch(() => {});
    if (!isThere()) throw new Error("the list of trained machines is missing or damaged");
  }

  /**
   * Turn base64 into bytes.
   * @returns {Uint8Array}
   */
  function decode(text) {
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
    return bytes;
  }

  /** Turn half precision into single; exact. */
  function fromHalf(halves) {
    const numbers = new Float32Array(halves.length);
    for (let i = 0; i < halves.length; i++) {
      const exponent = (halves[i] >> 10) & 31, fraction = halves[i] & 1023;
      const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
      numbers[i] = halves[i] & 0x8000 ? -size : size;
    }
    return numbers;
  }

  const READ = {
    16: (buffer) => fromHalf(new Uint16Array(buffer)),
    32: (buffer) => new Float32Array(buffer),
    64: (buffer) => new Float64Array(buffer),
  };

  /**
   * Cut packed numbers into named tensors.
   * @param {{bits: 16 | 32 | 64, tensors: [string, number][]}} entry - precision; names and sizes
   * @param {string} text - base64 of all numbers, little-endian
   * @returns {Object<string, Float32Array | Float64Array>}
   */
  function unpack({ bits, tensors }, text) {
    const numbers = READ[bits](decode(text).buffer);
    let start = 0;
    return Object.fromEntries(
      tensors.map(([name, size]) => [name, numbers.subarray(start, (start += size))]),
    );
  }

  async function fetchMachine(name, onProgress) {
    const entry = catalogue[name];
    let text = "";
    for (let part = 0; part < entry.parts; part++) {
      onProgress(text.length / entry.characters);
      await loadScript(`${name}.${part}.js?v=${entry.digest}`);
      const key = `${name} ${part}`, found = arrived.get(key) ?? "";
      arrived.delete(key);
      if (sumOf(found) !== entry.sums[part]) throw new Error("its file is damaged");
      text += found;
    }
    onProgress(1);
    try {
      return Machines.build(entry, unpack(entry, text));
    } catch {
      throw new Error("its file is damaged"); // or the list is of another version than the page
    }
  }

  /**
   * Load a trained machine, once.
   * @param {string} name - such as "copy_ntm-lstm"
   * @param {(share: number) => void} onProgress - told the share that has arrived, 0 to 1
   * @returns {Promise<object>} the machine
   */
  function load(name, onProgress = () => {}) {
    if (!machines.has(name)) {
      const machine = fetchMachine(name, onProgress);
      machine.catch(() => machines.delete(name)); // the next time asks again
      machines.set(name, machine);
    }
    return machines.get(name);
  }

  return {
    list, receive, unpack, load, loadCatalogue,
    has: (name) => name in catalogue,
    megabytes: (name) => catalogue[name].characters / 1e6,
  };
})();
