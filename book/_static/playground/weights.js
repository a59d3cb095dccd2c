/**
 * Trained weights, fetched when they are first needed. `ntm_tutorial/playground.py` writes them as
 * scripts, because a page opened from a disk may load scripts and nothing else: `catalogue.js` says
 * what there is, and each machine's numbers come in parts, so that a page can say how far it got.
 */
"use strict";

const Weights = (() => {
  /** What `catalogue.js` knows, by name: settings, tensors, bits of a number, parts, characters. */
  let catalogue = {};
  const machines = new Map();
  const arrived = new Map();
  const folder = new URL("weights/", document.currentScript?.src ?? location.href).href;

  /** Called by `catalogue.js`. */
  function list(entries) {
    catalogue = entries;
  }

  /** Called by each part of a machine's numbers. */
  function receive(name, part, text) {
    arrived.set(`${name} ${part}`, text);
  }

  function loadScript(address) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`could not load ${address}`));
      document.head.append(script);
    });
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
      await loadScript(`${folder}${name}.${part}.js?v=${entry.digest}`);
      text += arrived.get(`${name} ${part}`);
      arrived.delete(`${name} ${part}`);
    }
    onProgress(1);
    return Machines.build(entry.settings, unpack(entry, text));
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
    list, receive, unpack, load,
    has: (name) => name in catalogue,
    megabytes: (name) => catalogue[name].characters / 1e6,
  };
})();
