/**
 * A Transformer's decoder with RoPE, its count of steps coupled or not, as `models/transformer.py`
 * has it: a step appends one row to the memory of every head, a key beside a value, and reads all rows
 * by content.
 */
"use strict";

Machines.KINDS.Transformer = (() => {
  const { vector, softmax, concatenate, rowsOf, linear, read, layerOf, countUp } = Machines;

  /** PyTorch's, of a layer norm. */
  const NORM_FLOOR = 1e-5;

  /** The error function, by a series whose terms are all positive, so that none cancels. */
  function erf(x) {
    const square = x * x;
    if (square > 36) return Math.sign(x); // all but 1e-16 of it
    let term = x, sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * square) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-square) * sum;
  }

  const gelu = (x) => (x / 2) * (1 + erf(x / Math.SQRT2));

  const plus = (one, other) => vector(one.length, (i) => one[i] + other[i]);

  /** Shift and scale a vector to mean 0 and variance 1, then as was learned. */
  function layerNorm({ weight, bias }, x) {
    let sum = 0, squares = 0;
    for (const value of x) sum += value;
    const mean = sum / x.length;
    for (const value of x) squares += (value - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / x.length + NORM_FLOOR);
    return vector(x.length, (i) => (x[i] - mean) * scale * weight[i] + bias[i]);
  }

  /** Turn each pair of a vector's components, one of either half, by its angle (RoPE). */
  function turned(x, position, base) {
    const pairs = x.length / 2;
    return vector(x.length, (i) => {
      const pair = i % pairs, first = x[pair], second = x[pair + pairs];
      const angle = position * base ** (-pair / pairs);
      return i < pairs
        ? first * Math.cos(angle) - second * Math.sin(angle)
        : first * Math.sin(angle) + second * Math.cos(angle);
    });
  }

  /** Attention, then a perceptron, each added to the stream that it reads through a norm. */
  class Block {
    constructor(settings, tensors, prefix) {
      this.settings = settings;
      const layer = (name) => layerOf(tensors, `${prefix}${name}.`);
      this.norm = layer("norm");
      this.project = layer("project");
      this.convolution = layer("convolution");
      this.merge = layer("merge");
      [this.perceptronNorm, this.widen, this.narrow] = [0, 1, 3].map((k) => layer(`perceptron.${k}`));
      this.sinkLogit = tensors[`${prefix}sink_logit`];
      this.sinkValue = tensors[`${prefix}sink_value`];
    }

    initialState() {
      const { heads, convolution, width } = this.settings;
      return {
        keys: Array.from({ length: heads }, () => []),
        values: Array.from({ length: heads }, () => []),
        recent: Array.from({ length: convolution - 1 }, () => new Float64Array(3 * width)),
      };
    }

    /** Sum each channel over the last steps, the present one last. */
    mixed(past) {
      const { weight, bias } = this.convolution, steps = past.length;
      return vector(bias.length, (c) =>
        past.reduce((sum, x, s) => sum + weight[c * steps + s] * x[c], bias[c]),
      );
    }

    /** One head: read, r = Σ_s w_s v_s, with w_s in proportion to exp(q·k_s / √K). */
    attend(head, query, keys, values) {
      const K = query.length;
      const logits = keys.map((key) => key.reduce((sum, k, i) => sum + query[i] * k, 0) / Math.sqrt(K));
      if (!this.sinkLogit) {
        const weighting = softmax(logits);
        return { weighting, read: read(concatenate(...values), weighting) };
      }
      const every = softmax([...logits, this.sinkLogit[head]]);
      const sink = rowsOf(this.sinkValue, K)[head];
      return { weighting: every.slice(0, -1), read: read(concatenate(...values, sink), every) };
    }

    /** One step; return the stream, the state, and where each head looked. */
    step(x, state, position) {
      const { heads, width, convolution, base } = this.settings;
      const past = [...state.recent, linear(this.project, layerNorm(this.norm, x))];
      const split = rowsOf(convolution > 1 ? this.mixed(past) : past[0], width / heads);
      const query = split.slice(0, heads).map((q) => turned(q, position, base));
      const keys = state.keys.map((rows, h) => [...rows, turned(split[heads + h], position, base)]);
      const values = state.values.map((rows, h) => [...rows, split[2 * heads + h]]);
      const looked = query.map((q, h) => this.attend(h, q, keys[h], values[h]));
      x = plus(x, linear(this.merge, concatenate(...looked.map((head) => head.read))));
      const hidden = linear(this.widen, layerNorm(this.perceptronNorm, x)).map(gelu);
      return {
        x: plus(x, linear(this.narrow, hidden)),
        state: { keys, values, recent: past.slice(1) },
        weightings: looked.map((head) => head.weighting),
      };
    }
  }

  return class Transformer {
    constructor(settings, tensors) {
      this.settings = settings;
      this.embed = layerOf(tensors, "embed.");
      this.blocks = countUp((k) =>
        k < settings.layers && new Block(settings, tensors, `blocks.${k}.`),
      );
      this.norm = layerOf(tensors, "norm.");
      this.outputLayer = layerOf(tensors, "output.");
    }

    /** An empty memory; `position` is that of the last step, as RoPE counts. */
    initialState() {
      return { position: 0, blocks: this.blocks.map((block) => block.initialState()) };
    }

    step(input, state) {
      const restarts = this.settings.restart.some((channel) => input[channel] > 0.5);
      const position = restarts ? 0 : state.position + 1;
      let x = linear(this.embed, input);
      const steps = this.blocks.map((block, k) => {
        const step = block.step(x, state.blocks[k], position);
        x = step.x;
        return step;
      });
      return {
        logits: linear(this.outputLayer, layerNorm(this.norm, x)),
        state: {
          position,
          blocks: steps.map((step) => step.state),
          weightings: steps.flatMap((step) => step.weightings),
        },
      };
    }
  };
})();
