/**
 * The book's machines in plain JavaScript: the Neural Turing Machine, with either controller and
 * any number of heads, and the LSTM; younger ones stand in files of their own. Equations stand in the
 * paper's order, under the names that the Python package gives them; the tests compare both, number
 * by number.
 *
 * A vector is a Float64Array. So is a matrix, row after row; its width is that of the vector that
 * goes with it. Weights stay in single precision, as they were trained. State goes in and comes
 * out; no state is changed in place, so the states of all steps together are the record of a run.
 */
"use strict";

const Machines = (() => {
  /** A shorter vector counts as having this length, so that a zero vector has similarity 0. */
  const NORM_FLOOR = 1e-8;
  /** The smallest normal number: keeps the logarithm of 0 finite. */
  const TINY = 2 ** -1022;

  // ---- Small mathematics ------------------------------------------------------------------------

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

  /** Compute a new vector, element by element; several times faster than a typed array's `map`. */
  function vector(size, element) {
    const values = new Float64Array(size);
    for (let i = 0; i < size; i++) values[i] = element(i);
    return values;
  }

  function softmax(values) {
    let largest = -Infinity, sum = 0;
    for (const x of values) largest = Math.max(largest, x);
    const powers = vector(values.length, (i) => Math.exp(values[i] - largest));
    for (const power of powers) sum += power;
    return vector(values.length, (i) => powers[i] / sum);
  }

  function concatenate(...vectors) {
    const joined = new Float64Array(vectors.reduce((size, part) => size + part.length, 0));
    let start = 0;
    for (const part of vectors) {
      joined.set(part, start);
      start += part.length;
    }
    return joined;
  }

  /** Cut a matrix into its rows, as views. */
  function rowsOf(matrix, width) {
    return Array.from({ length: matrix.length / width }, (_, i) =>
      matrix.subarray(i * width, (i + 1) * width),
    );
  }

  /** Multiply one row of a weight matrix with a vector x: where nearly all of the time goes. */
  function dotRow(matrix, row, x) {
    const width = x.length;
    const unrolled = width - (width % 4);
    let at = row * width;
    // Four sums at a time: one sum would wait for itself at every addition.
    let a = 0, b = 0, c = 0, d = 0, j = 0;
    for (; j < unrolled; j += 4, at += 4) {
      a += matrix[at] * x[j];
      b += matrix[at + 1] * x[j + 1];
      c += matrix[at + 2] * x[j + 2];
      d += matrix[at + 3] * x[j + 3];
    }
    for (; j < width; j++, at++) a += matrix[at] * x[j];
    return a + b + c + d;
  }

  /** Compute a linear layer, W x + b. */
  function linear({ weight, bias }, x) {
    return vector(bias.length, (row) => bias[row] + dotRow(weight, row, x));
  }

  // ---- Addressing, Equations 5 to 9 -------------------------------------------------------------

  /** Equation 6, K[u, v] = u·v / (|u| |v|), of a key with every row of the memory. */
  function cosineSimilarity(memory, key) {
    const M = key.length;
    const keyLength = Math.max(Math.hypot(...key), NORM_FLOOR);
    return vector(memory.length / M, (i) => {
      let dot = 0, squared = 0;
      for (let j = 0, at = i * M; j < M; j++, at++) {
        dot += memory[at] * key[j];
        squared += memory[at] * memory[at];
      }
      return dot / (keyLength * Math.max(Math.sqrt(squared), NORM_FLOOR));
    });
  }

  /** Equation 5, w^c(i) = exp(β K[k, M(i)]) / Σ_j exp(β K[k, M(j)]). */
  function contentWeighting(memory, key, keyStrength) {
    const K = cosineSimilarity(memory, key);
    return softmax(vector(K.length, (i) => keyStrength * K[i]));
  }

  /** Equation 7, w^g = g w^c + (1 - g) w_{t-1}. */
  function interpolate(content, previous, gate) {
    return vector(content.length, (i) => gate * content[i] + (1 - gate) * previous[i]);
  }

  /** Equation 8, w̃(i) = Σ_j w^g(j) s(i - j), round the ring; s holds the shifts -r, ..., r. */
  function shift(weighting, shiftWeighting) {
    const N = weighting.length, r = (shiftWeighting.length - 1) / 2;
    return vector(N, (i) => {
      let sum = 0;
      for (let j = -r; j <= r; j++) sum += weighting[(i - j + N) % N] * shiftWeighting[j + r];
      return sum;
    });
  }

  /** Equation 9, w(i) = w̃(i)^γ / Σ_j w̃(j)^γ, through logarithms, so that no power vanishes. */
  function sharpen(weighting, sharpening) {
    return softmax(vector(weighting.length, (i) => sharpening * Math.log(weighting[i] + TINY)));
  }

  // ---- Memory, Equations 2 to 4 -----------------------------------------------------------------

  /** Equation 2, r = Σ_i w(i) M(i). */
  function read(memory, weighting) {
    const M = memory.length / weighting.length;
    const sums = new Float64Array(M);
    for (let i = 0, at = 0; i < weighting.length; i++) {
      for (let j = 0; j < M; j++, at++) sums[j] += weighting[i] * memory[at];
    }
    return sums;
  }

  /** Compute a new memory from every cell, its location's weight and its column j. */
  function eachCell(memory, weighting, change) {
    const M = memory.length / weighting.length;
    const changed = new Float64Array(memory.length);
    for (let i = 0, at = 0; i < weighting.length; i++) {
      for (let j = 0; j < M; j++, at++) changed[at] = change(memory[at], weighting[i], j);
    }
    return changed;
  }

  /** Equation 3, M̃(i) = M(i) (1 - w(i) e). */
  function erase(memory, weighting, eraseVector) {
    return eachCell(memory, weighting, (cell, w, j) => cell * (1 - w * eraseVector[j]));
  }

  /** Equation 4, M(i) = M̃(i) + w(i) a. */
  function add(memory, weighting, addVector) {
    return eachCell(memory, weighting, (cell, w, j) => cell + w * addVector[j]);
  }

  // ---- Controllers ------------------------------------------------------------------------------

  /** One step of an LSTM layer, with PyTorch's order of gates: input, forget, cell, output. */
  function lstmLayer({ input, recurrent }, x, { hidden, cell }) {
    const size = hidden.length;
    const fromInput = linear(input, x), fromHidden = linear(recurrent, hidden);
    const gate = (which, squash, i) =>
      squash(fromInput[which * size + i] + fromHidden[which * size + i]);
    const newCell = vector(
      size,
      (i) => gate(1, sigmoid, i) * cell[i] + gate(0, sigmoid, i) * gate(2, Math.tanh, i),
    );
    const newHidden = vector(size, (i) => gate(3, sigmoid, i) * Math.tanh(newCell[i]));
    return { hidden: newHidden, cell: newCell };
  }

  /** One step of stacked LSTM layers; their state is a list, one entry a layer. */
  function lstmLayers(layers, x, state) {
    const newState = [];
    layers.forEach((layer, depth) => {
      newState.push(lstmLayer(layer, x, state[depth]));
      x = newState[depth].hidden;
    });
    return { hidden: x, state: newState };
  }

  /** One step of layers of tanh units, which keep no state. */
  function tanhLayers(layers, x, state) {
    return { hidden: layers.reduce((h, layer) => linear(layer, h).map(Math.tanh), x), state };
  }

  // ---- Machines ---------------------------------------------------------------------------------

  /** Pick the tensors of one linear layer by their names in PyTorch. */
  const layerOf = (tensors, prefix, suffix = "") => ({
    weight: tensors[`${prefix}weight${suffix}`],
    bias: tensors[`${prefix}bias${suffix}`],
  });

  /** Turn stored numbers into numbers to compute with. */
  const widen = (stored) => Float64Array.from(stored);

  /** Collect numbered things until one is missing. */
  function countUp(make) {
    const found = [];
    for (let item = make(0); item; item = make(found.length)) found.push(item);
    return found;
  }

  /** Make a controller of either kind: it maps what is seen and a state to { hidden, state }. */
  function controllerOf({ controller }, tensors) {
    const isLstm = controller === "lstm";
    const layers = countUp((k) => {
      const prefix = `controller.layers.${k}.`;
      if (!isLstm) return `${prefix}weight` in tensors && layerOf(tensors, prefix);
      return (
        `${prefix}weight_ih` in tensors && {
          input: layerOf(tensors, prefix, "_ih"),
          recurrent: layerOf(tensors, prefix, "_hh"),
        }
      );
    });
    const step = isLstm ? lstmLayers : tanhLayers;
    return (seen, state) => step(layers, seen, state);
  }

  const lstmStart = (tensors) =>
    countUp((k) => {
      const hidden = tensors[`start.hidden.${k}`];
      return hidden && { hidden: widen(hidden), cell: widen(tensors[`start.cell.${k}`]) };
    });

  /** A Neural Turing Machine. It reads before it writes; all heads erase before any adds. */
  class NTM {
    /**
     * @param {object} settings - sizes, as `NTM` in Python keeps them
     * @param {Object<string, Float32Array>} tensors - as `pack_machine` in Python names them
     */
    constructor(settings, tensors) {
      this.settings = settings;
      this.tensors = tensors;
      this.isRing = true; // its last location is beside the first
      this.controller = controllerOf(settings, tensors);
      this.headLayer = layerOf(tensors, "heads.linear.");
      this.outputLayer = layerOf(tensors, "output.");
    }

    /** Where every sequence starts: memory, one weighting a head, one read a read head. */
    initialState() {
      const { memory_locations: N, memory_width: M } = this.settings;
      return {
        memory: widen(this.tensors["start.memory"]),
        weightings: rowsOf(widen(this.tensors["start.weighting"]), N),
        reads: rowsOf(widen(this.tensors["start.reads"]), M),
        controller: lstmStart(this.tensors),
      };
    }

    /** Cut one linear layer's output into the parameters of every head, each in its range. */
    headParameters(hidden) {
      const { memory_width: M, shift_range: r, read_heads, write_heads } = this.settings;
      const raw = linear(this.headLayer, hidden);
      let start = 0;
      const take = (size) => raw.subarray(start, (start += size));
      const address = () => ({
        key: take(M).map(Math.tanh),
        keyStrength: softplus(take(1)[0]),
        gate: sigmoid(take(1)[0]),
        shiftWeighting: softmax(take(2 * r + 1)),
        sharpening: 1 + softplus(take(1)[0]),
      });
      const change = () => ({
        eraseVector: take(M).map(sigmoid),
        addVector: take(M).map(Math.tanh),
      });
      return {
        addresses: Array.from({ length: read_heads + write_heads }, address),
        changes: Array.from({ length: write_heads }, change),
      };
    }

    /** Move one head: Equations 5 to 9. */
    static address(memory, previous, { key, keyStrength, gate, shiftWeighting, sharpening }) {
      const content = contentWeighting(memory, key, keyStrength);
      const gated = interpolate(content, previous, gate);
      const shifted = shift(gated, shiftWeighting);
      return sharpen(shifted, sharpening);
    }

    /** Run one step; return its logits and the state after it. */
    step(x, state) {
      const seen = concatenate(x, ...state.reads);
      const control = this.controller(seen, state.controller);
      const { addresses, changes } = this.headParameters(control.hidden);
      const weightings = addresses.map((address, h) =>
        NTM.address(state.memory, state.weightings[h], address),
      );
      const reading = weightings.slice(0, this.settings.read_heads);
      const writing = weightings.slice(this.settings.read_heads);
      const reads = reading.map((w) => read(state.memory, w));
      let memory = state.memory;
      changes.forEach(({ eraseVector }, h) => (memory = erase(memory, writing[h], eraseVector)));
      changes.forEach(({ addVector }, h) => (memory = add(memory, writing[h], addVector)));
      return {
        logits: linear(this.outputLayer, concatenate(control.hidden, ...reads)),
        state: { memory, weightings, reads, controller: control.state },
      };
    }
  }

  /**
   * The baseline: LSTM layers that each see the input beside the layer below, and a linear output
   * layer that sees them all; it has no memory outside.
   */
  class LSTM {
    constructor(settings, tensors) {
      this.settings = settings;
      this.tensors = tensors;
      this.layers = countUp((k) =>
        k < settings.layers && {
          input: layerOf(tensors, `layers.${k}.`, "_ih_l0"),
          recurrent: layerOf(tensors, `layers.${k}.`, "_hh_l0"),
        },
      );
      this.outputLayer = layerOf(tensors, "output.");
    }

    initialState() {
      return { controller: lstmStart(this.tensors) };
    }

    step(x, state) {
      const controller = [];
      this.layers.forEach((layer, depth) => {
        const seen = depth ? concatenate(x, controller[depth - 1].hidden) : x;
        controller.push(lstmLayer(layer, seen, state.controller[depth]));
      });
      const hidden = concatenate(...controller.map((layer) => layer.hidden));
      return { logits: linear(this.outputLayer, hidden), state: { controller } };
    }
  }

  /** Every kind of machine, by the name of its class in Python. */
  const KINDS = { NTM, LSTMBaseline: LSTM };

  /** Build a machine from what `pack_machine` in Python says of it, and its tensors. */
  const build = ({ kind, settings }, tensors) => new KINDS[kind](settings, tensors);

  /** Yield every step of a run: its logits and the state after it. */
  function* run(machine, inputs) {
    let state = machine.initialState(inputs.length);
    for (const x of inputs) {
      const step = machine.step(x, state);
      state = step.state;
      yield step;
    }
  }

  return {
    sigmoid, softplus, vector, softmax, concatenate, rowsOf, linear,
    cosineSimilarity, contentWeighting, interpolate, shift, sharpen, read, erase, add,
    controllerOf, layerOf, countUp, lstmStart, KINDS, build, run,
  };
})();
