/**
 * The Differentiable Neural Computer, as `models/dnc.py` has it: it writes with the NTM's erase and
 * add where memory is free, and reads in the order of writing.
 */
"use strict";

Machines.KINDS.DNC = (() => {
  const { sigmoid, softplus, vector, softmax, concatenate, rowsOf, linear } = Machines;
  const { contentWeighting, interpolate, sharpen, read, erase, add } = Machines;
  const { controllerOf, layerOf, lstmStart } = Machines;

  /** What an empty memory holds, and the least usage. */
  const FAINT = 1e-6;

  /** Count what was written as used, and what was read as free where its gate says so. */
  function use(usage, writing, looked, freeGates) {
    const used = vector(usage.length, (i) => usage[i] + writing[i] - usage[i] * writing[i]);
    return looked.reduce((left, w, r) => erase(left, w, [freeGates[r]]), used);
  }

  /** Weight what is free, a(φ_j) = (1 - u(φ_j)) Π_{i<j} u(φ_i), the freest location first. */
  function allocate(usage) {
    const full = vector(usage.length, (i) => FAINT + (1 - FAINT) * usage[i]);
    const order = Array.from(full.keys()).sort((a, b) => full[a] - full[b]);
    const weights = new Float64Array(usage.length);
    let before = 1;
    for (const i of order) {
      weights[i] = (1 - full[i]) * before;
      before *= full[i];
    }
    return weights;
  }

  /** Focus on the rows that resemble the key, in those columns that a mask leaves. */
  function lookUp(memory, key, strength, mask) {
    if (!mask) return contentWeighting(memory, key, strength);
    const M = key.length, masked = memory.map((x, i) => x * mask[i % M]);
    return contentWeighting(masked, key.map((k, j) => k * mask[j]), strength);
  }

  /**
   * Note what was written after what, L(i, j) = (1 - w(i) - w(j)) L(i, j) + w(i) p(j): in place, because
   * a record of all steps has no room for so many matrices. Return the new precedence,
   * p = (1 - Σ w) p + w.
   */
  function linkStep(link, precedence, writing) {
    const N = writing.length;
    let sum = 0;
    for (let i = 0, at = 0; i < N; i++) {
      sum += writing[i];
      for (let j = 0; j < N; j++, at++) {
        link[at] += writing[i] * precedence[j] - (writing[i] + writing[j]) * link[at];
      }
      link[i * N + i] = 0;
    }
    return vector(N, (i) => writing[i] + (1 - sum) * precedence[i]);
  }

  /** Go to what was written before what was read last, b(j) = Σ_i w(i) L(i, j), and after it. */
  function follow(link, looked) {
    const N = looked.length, forward = new Float64Array(N);
    for (let i = 0, at = 0; i < N; i++) {
      for (let j = 0; j < N; j++, at++) forward[i] += link[at] * looked[j];
    }
    return { backward: read(link, looked), forward };
  }

  return class DNC {
    constructor(settings, tensors) {
      this.settings = settings;
      this.tensors = tensors;
      this.isRing = false; // no location has a place of its own
      this.controller = controllerOf(settings, tensors);
      this.instruct = layerOf(tensors, "instruct.");
      this.outputLayer = layerOf(tensors, "output.");
    }

    /** Where a run of so many steps starts: the memory is empty, and has a location for each. */
    initialState(steps) {
      const { memory_locations, memory_width: M, read_heads: R } = this.settings;
      const N = Math.max(memory_locations, steps);
      const none = (count) => Array.from({ length: count }, () => new Float64Array(N));
      return {
        memory: new Float64Array(N * M).fill(FAINT),
        usage: new Float64Array(N),
        link: new Float64Array(N * N),
        precedence: new Float64Array(N),
        weightings: none(R + 1), // those of the read heads, then that of the write head
        reads: Array.from({ length: R }, () => new Float64Array(M)),
        controller: lstmStart(this.tensors),
      };
    }

    /** Cut one linear layer's output into what the memory is told, each in its range. */
    instructions(hidden) {
      const { memory_width: M, read_heads: R, masked, sharp } = this.settings;
      const raw = linear(this.instruct, hidden);
      let start = 0;
      const take = (size, squash = (x) => x) => raw.subarray(start, (start += size)).map(squash);
      const perHead = (size, squash) => rowsOf(take(R * size, squash), size);
      const onePlus = (x) => 1 + softplus(x);
      return {
        readKey: perHead(M), writeKey: take(M), addVector: take(M),
        readMode: perHead(3).map(softmax),
        freeGate: take(R, sigmoid), allocationGate: take(1, sigmoid)[0],
        writeGate: take(1, sigmoid)[0], eraseVector: take(M, sigmoid),
        readMask: masked ? perHead(M, sigmoid) : [],
        writeMask: masked ? take(M, sigmoid) : undefined,
        readStrength: take(R, onePlus), writeStrength: take(1, onePlus)[0],
        sharpening: sharp ? perHead(2, onePlus) : undefined,
      };
    }

    /** Run one step: write, link, and read. */
    step(x, state) {
      const { memory_width: M, read_heads: R, deallocate } = this.settings;
      const control = this.controller(concatenate(x, ...state.reads), state.controller);
      const told = this.instructions(control.hidden);
      const looked = state.weightings.slice(0, R), { link } = state;
      let { memory } = state;
      const usage = use(state.usage, state.weightings[R], looked, told.freeGate);
      if (deallocate) {
        looked.forEach((w, r) => (memory = erase(memory, w, Array(M).fill(told.freeGate[r]))));
      }
      const found = lookUp(memory, told.writeKey, told.writeStrength, told.writeMask);
      const writing = interpolate(allocate(usage), found, told.allocationGate).map(
        (w) => told.writeGate * w,
      );
      memory = add(erase(memory, writing, told.eraseVector), writing, told.addVector);
      const precedence = linkStep(link, state.precedence, writing);
      const sharpened = (blurred, r, way) =>
        told.sharpening ? sharpen(blurred.map((w) => w + FAINT), told.sharpening[r][way]) : blurred;
      const reading = looked.map((last, r) => {
        const { backward, forward } = follow(link, last), mode = told.readMode[r];
        const back = sharpened(backward, r, 0), on = sharpened(forward, r, 1);
        const content = lookUp(memory, told.readKey[r], told.readStrength[r], told.readMask[r]);
        return vector(last.length, (i) => mode[0] * back[i] + mode[1] * content[i] + mode[2] * on[i]);
      });
      const reads = reading.map((w) => read(memory, w));
      const weightings = [...reading, writing];
      return {
        logits: linear(this.outputLayer, concatenate(control.hidden, ...reads)),
        state: { memory, usage, link, precedence, weightings, reads, controller: control.state },
      };
    }
  };
})();
