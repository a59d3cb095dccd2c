/**
 * Learning in plain JavaScript: the gradient of the book's machines, step by step back through time,
 * and the training that Python's `train` does with the recipe of chapter 6. The tests hold both
 * against PyTorch.
 *
 * A vector is a Float64Array; so is a matrix, row after row. Whatever a sequence leaves for the way
 * back is written into arrays that the next sequence uses again: nothing is allocated while a
 * machine learns. A name that begins with `d` holds the gradient of the cost by what follows it.
 *
 * All stands in one function without anything around it, for a worker is made from its text: a page
 * that was opened from a disk has no other way to start one.
 */
"use strict";

function learningCore() {
  /** A shorter vector counts as having this length, so that a zero vector has similarity 0. */
  const NORM_FLOOR = 1e-8;
  /** The smallest normal number: keeps the logarithm of 0 finite. */
  const TINY = 2 ** -1022;
  /** Where a memory that is not learned starts. */
  const INITIAL_MEMORY = 0.5;

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const range = (count) => Array.from({ length: count }, (_, i) => i);

  // ---- Matrices ---------------------------------------------------------------------------------
  // A number that is loaded once serves four products: this is where nearly all of the time goes.

  /** y += W x, of the matrix and the vectors that begin at `wAt`, `xAt` and `yAt`. */
  function times(W, wAt, rows, columns, x, xAt, y, yAt) {
    let row = 0, at = wAt;
    for (; row + 3 < rows; row += 4, at += 3 * columns) {
      let a = 0, b = 0, c = 0, d = 0;
      for (let j = xAt; j < xAt + columns; j++, at++) {
        const v = x[j];
        a += W[at] * v;
        b += W[at + columns] * v;
        c += W[at + 2 * columns] * v;
        d += W[at + 3 * columns] * v;
      }
      y[yAt + row] += a;
      y[yAt + row + 1] += b;
      y[yAt + row + 2] += c;
      y[yAt + row + 3] += d;
    }
    for (; row < rows; row++) {
      let sum = 0;
      for (let j = xAt; j < xAt + columns; j++, at++) sum += W[at] * x[j];
      y[yAt + row] += sum;
    }
  }

  /** x += Wᵀ y. */
  function timesTransposed(W, wAt, rows, columns, y, yAt, x, xAt) {
    let row = 0, at = wAt;
    for (; row + 3 < rows; row += 4, at += 3 * columns) {
      const a = y[yAt + row], b = y[yAt + row + 1], c = y[yAt + row + 2], d = y[yAt + row + 3];
      for (let j = xAt; j < xAt + columns; j++, at++) {
        x[j] += a * W[at] + b * W[at + columns] + c * W[at + 2 * columns] + d * W[at + 3 * columns];
      }
    }
    for (; row < rows; row++) {
      const a = y[yAt + row];
      for (let j = xAt; j < xAt + columns; j++, at++) x[j] += a * W[at];
    }
  }

  /** A linear layer, y = W x + b. */
  function linear(W, b, x, xAt, columns, y, yAt, rows) {
    copy(b, 0, y, yAt, rows);
    times(W, 0, rows, columns, x, xAt, y, yAt);
  }

  /** dW += Σ_t dy_t x_tᵀ and db += Σ_t dy_t, of a layer's outputs and inputs at all steps. */
  function weightsBack(dW, db, dy, rows, x, columns, steps) {
    let t = 0;
    for (; t + 3 < steps; t += 4) {
      const x0 = t * columns, x1 = x0 + columns, x2 = x1 + columns, x3 = x2 + columns;
      for (let row = 0, at = 0; row < rows; row++) {
        const y = t * rows + row;
        const a = dy[y], b = dy[y + rows], c = dy[y + 2 * rows], d = dy[y + 3 * rows];
        db[row] += a + b + c + d;
        for (let j = 0; j < columns; j++, at++) {
          dW[at] += a * x[x0 + j] + b * x[x1 + j] + c * x[x2 + j] + d * x[x3 + j];
        }
      }
    }
    for (; t < steps; t++) {
      for (let row = 0, at = 0; row < rows; row++) {
        const a = dy[t * rows + row];
        db[row] += a;
        for (let j = 0; j < columns; j++, at++) dW[at] += a * x[t * columns + j];
      }
    }
  }

  /** matrix += u vᵀ. */
  function outer(u, uAt, rows, v, vAt, columns, matrix, at) {
    for (let i = 0; i < rows; i++) {
      const a = u[uAt + i];
      for (let j = vAt; j < vAt + columns; j++, at++) matrix[at] += a * v[j];
    }
  }

  /** to = from ∘ (1 - w eᵀ), Equation 3. */
  function erase(from, fromAt, w, wAt, rows, e, eAt, columns, to, toAt) {
    for (let i = 0; i < rows; i++) {
      const a = w[wAt + i];
      for (let j = eAt; j < eAt + columns; j++, fromAt++, toAt++) {
        to[toAt] = from[fromAt] * (1 - a * e[j]);
      }
    }
  }

  /** Turn the numbers of a stretch into weights that sum to one. */
  function softmax(x, at, size) {
    let largest = -Infinity, sum = 0;
    for (let i = at; i < at + size; i++) largest = Math.max(largest, x[i]);
    for (let i = at; i < at + size; i++) sum += x[i] = Math.exp(x[i] - largest);
    for (let i = at; i < at + size; i++) x[i] /= sum;
  }

  /** Take a gradient back through a softmax, given its output p: dx = p (dp - Σ p dp). */
  function softmaxBack(p, pAt, dp, dpAt, size) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += p[pAt + i] * dp[dpAt + i];
    for (let i = 0; i < size; i++) dp[dpAt + i] = p[pAt + i] * (dp[dpAt + i] - sum);
  }

  /** Copy a stretch of one array into another. */
  function copy(from, fromAt, to, toAt, size) {
    for (let i = 0; i < size; i++) to[toAt + i] = from[fromAt + i];
  }

  // ---- Arrays that are used again ---------------------------------------------------------------

  /** What all parts of a machine share: named weights, and arrays for a sequence, made to fit. */
  class Part {
    constructor() {
      this.steps = 0;
    }

    /** Make sure that there is room for so many steps. */
    reserve(steps) {
      if (steps <= this.steps) return;
      this.steps = steps;
      for (const [name, size] of Object.entries(this.records(steps))) {
        this[name] = new Float64Array(size);
      }
    }
  }

  // ---- Controllers ------------------------------------------------------------------------------

  /** Layers of tanh units, which keep no state. */
  class TanhLayers extends Part {
    constructor(inputs, size, layers) {
      super();
      Object.assign(this, { inputs, size, layers, first: new Float64Array(inputs) });
    }

    get shapes() {
      return range(this.layers).flatMap((k) => [
        [`controller.layers.${k}.weight`, [this.size, k ? this.size : this.inputs]],
        [`controller.layers.${k}.bias`, [this.size]],
      ]);
    }

    records(steps) {
      const each = range(this.layers).flatMap((k) => [`hidden${k}`, `d${k}`]);
      return Object.fromEntries(each.map((name) => [name, steps * this.size]));
    }

    begin() {}

    /** Compute step t from the input at `x[xAt]`; returns the array whose row t is the output. */
    forward(weights, t, x, xAt) {
      const { size } = this;
      for (let k = 0, width = this.inputs; k < this.layers; k++, width = size) {
        const W = weights[`controller.layers.${k}.weight`];
        const hidden = this[`hidden${k}`], at = t * size;
        linear(W, weights[`controller.layers.${k}.bias`], x, xAt, width, hidden, at, size);
        for (let i = at; i < at + size; i++) hidden[i] = Math.tanh(hidden[i]);
        [x, xAt] = [hidden, at];
      }
      return x;
    }

    /** Take step t's gradient back; `dInput`, zeros at first, receives that of the input. */
    backward(weights, t, dOutput, dInput) {
      const { size } = this, last = this.layers - 1;
      copy(dOutput, 0, this[`d${last}`], t * size, size);
      for (let k = last; k >= 0; k--) {
        const hidden = this[`hidden${k}`], d = this[`d${k}`], at = t * size;
        for (let i = at; i < at + size; i++) d[i] *= 1 - hidden[i] * hidden[i];
        const W = weights[`controller.layers.${k}.weight`];
        if (k > 0) {
          this[`d${k - 1}`].fill(0, at, at + size);
          timesTransposed(W, 0, size, size, d, at, this[`d${k - 1}`], at);
        } else timesTransposed(W, 0, size, this.inputs, d, at, dInput, 0);
      }
    }

    /** Add to the gradients of the weights what all steps together say. */
    finish(gradients, x, steps) {
      const { size } = this;
      for (let k = 0, width = this.inputs; k < this.layers; k++, width = size) {
        const dW = gradients[`controller.layers.${k}.weight`];
        const db = gradients[`controller.layers.${k}.bias`];
        weightsBack(dW, db, this[`d${k}`], size, x, width, steps);
        x = this[`hidden${k}`];
      }
    }
  }

  /** Stacked LSTM layers whose first state is learned; gates in PyTorch's order: i, f, g, o. */
  class LSTMLayers extends Part {
    /**
     * @param {(kind: string, layer: number) => string} name - PyTorch's names of the weights
     * @param {number} row - of the first states, where the first of these layers stands
     */
    constructor(inputs, size, layers, name, row = 0) {
      super();
      Object.assign(this, { inputs, size, layers, row });
      this.names = range(layers).map((k) =>
        Object.fromEntries(
          ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map((kind) => [kind, name(kind, k)]),
        ),
      );
      this.start = { hidden: name("initial_hidden"), cell: name("initial_cell") };
      this.fromHidden = new Float64Array(4 * size);
    }

    get shapes() {
      const { inputs, size, layers } = this;
      return [
        ...this.names.flatMap(({ weight_ih, weight_hh, bias_ih, bias_hh }, k) => [
          [weight_ih, [4 * size, k ? size : inputs]],
          [weight_hh, [4 * size, size]],
          [bias_ih, [4 * size]],
          [bias_hh, [4 * size]],
        ]),
        [this.start.hidden, [layers, size]],
        [this.start.cell, [layers, size]],
      ];
    }

    /** States have one row more than there are steps: row t is what step t starts from. */
    records(steps) {
      const { size } = this;
      const each = (k) => ({
        [`before${k}`]: steps * size, [`hidden${k}`]: steps * size,
        [`cell${k}`]: (steps + 1) * size, [`gates${k}`]: steps * 4 * size,
        [`d${k}`]: steps * 4 * size, [`dHidden${k}`]: size, [`dCell${k}`]: size,
      });
      return Object.assign({}, ...range(this.layers).map(each));
    }

    begin(weights) {
      const { size } = this;
      for (let k = 0; k < this.layers; k++) {
        const start = (this.row + k) * size;
        copy(weights[this.start.hidden], start, this[`before${k}`], 0, size);
        copy(weights[this.start.cell], start, this[`cell${k}`], 0, size);
        this[`dHidden${k}`].fill(0);
        this[`dCell${k}`].fill(0);
      }
    }

    forward(weights, t, x, xAt) {
      const { size, fromHidden } = this;
      for (let k = 0, width = this.inputs; k < this.layers; k++, width = size) {
        const { weight_ih, weight_hh, bias_ih, bias_hh } = this.names[k];
        const before = this[`before${k}`], hidden = this[`hidden${k}`], cell = this[`cell${k}`];
        const gates = this[`gates${k}`], at = t * 4 * size;
        linear(weights[weight_ih], weights[bias_ih], x, xAt, width, gates, at, 4 * size);
        linear(
          weights[weight_hh], weights[bias_hh], before, t * size, size, fromHidden, 0, 4 * size,
        );
        for (let u = 0; u < 4 * size; u++) {
          const raw = gates[at + u] + fromHidden[u], isCell = u >= 2 * size && u < 3 * size;
          gates[at + u] = isCell ? Math.tanh(raw) : sigmoid(raw);
        }
        for (let u = 0; u < size; u++) {
          const i = gates[at + u], f = gates[at + size + u], g = gates[at + 2 * size + u];
          const c = f * cell[t * size + u] + i * g;
          cell[(t + 1) * size + u] = c;
          hidden[t * size + u] = gates[at + 3 * size + u] * Math.tanh(c);
        }
        if ((t + 1) * size < before.length) copy(hidden, t * size, before, (t + 1) * size, size);
        [x, xAt] = [hidden, t * size];
      }
      return x;
    }

    backward(weights, t, dOutput, dInput) {
      const { size } = this;
      for (let k = this.layers - 1; k >= 0; k--) {
        const gates = this[`gates${k}`], cell = this[`cell${k}`], d = this[`d${k}`];
        const dHidden = this[`dHidden${k}`], dCell = this[`dCell${k}`], at = t * 4 * size;
        for (let u = 0; u < size; u++) {
          const i = gates[at + u], f = gates[at + size + u];
          const g = gates[at + 2 * size + u], o = gates[at + 3 * size + u];
          const squashed = Math.tanh(cell[(t + 1) * size + u]);
          const dh = dHidden[u] + (k === this.layers - 1 ? dOutput[u] : this.dBelow[u]);
          const dc = dCell[u] + dh * o * (1 - squashed * squashed);
          d[at + u] = dc * g * i * (1 - i);
          d[at + size + u] = dc * cell[t * size + u] * f * (1 - f);
          d[at + 2 * size + u] = dc * i * (1 - g * g);
          d[at + 3 * size + u] = dh * squashed * o * (1 - o);
          dCell[u] = dc * f;
        }
        dHidden.fill(0);
        timesTransposed(weights[this.names[k].weight_hh], 0, 4 * size, size, d, at, dHidden, 0);
        if (k > 0) {
          this.dBelow ??= new Float64Array(size);
          this.dBelow.fill(0);
          timesTransposed(weights[this.names[k].weight_ih], 0, 4 * size, size, d, at, this.dBelow, 0);
        } else {
          const W = weights[this.names[k].weight_ih];
          timesTransposed(W, 0, 4 * size, this.inputs, d, at, dInput, 0);
        }
      }
    }

    finish(gradients, x, steps) {
      const { size } = this;
      for (let k = 0, width = this.inputs; k < this.layers; k++, width = size) {
        const { weight_ih, weight_hh, bias_ih, bias_hh } = this.names[k], d = this[`d${k}`];
        weightsBack(gradients[weight_ih], gradients[bias_ih], d, 4 * size, x, width, steps);
        weightsBack(
          gradients[weight_hh], gradients[bias_hh], d, 4 * size, this[`before${k}`], size, steps,
        );
        for (let u = 0; u < size; u++) {
          gradients[this.start.hidden][(this.row + k) * size + u] += this[`dHidden${k}`][u];
          gradients[this.start.cell][(this.row + k) * size + u] += this[`dCell${k}`][u];
        }
        x = this[`hidden${k}`];
      }
    }
  }

  // ---- Machines ---------------------------------------------------------------------------------

  /** A Neural Turing Machine that remembers a sequence, and finds the gradient of its cost. */
  class NTM extends Part {
    /** @param {object} settings - as `NTM` in Python keeps them */
    constructor(settings) {
      super();
      const {
        input_size: I, output_size: O, controller = "feedforward", controller_size: C = 100,
        controller_layers: layers = 1, read_heads: R = 1, write_heads: W = 1,
        memory_locations: N = 128, memory_width: M = 20, shift_range: r = 1,
        learned_memory = false,
      } = settings;
      const H = R + W, S = 2 * r + 1, A = M + S + 3, F = C + R * M;
      Object.assign(this, { settings, I, O, C, R, W, H, N, M, S, r, A, F });
      /** What the controller sees, and how many numbers it tells the heads. */
      this.X = I + R * M;
      this.P = H * A + 2 * W * M;
      this.controller =
        controller === "lstm"
          ? new LSTMLayers(this.X, C, layers, (kind, k) =>
              k === undefined ? `controller.${kind}` : `controller.layers.${k}.${kind}`,
            )
          : new TanhLayers(this.X, C, layers);
      this.shapes = [
        ...this.controller.shapes,
        ["heads.linear.weight", [this.P, C]],
        ["heads.linear.bias", [this.P]],
        ["output.weight", [O, F]],
        ["output.bias", [O]],
        ["initial_reads", [R, M]],
        ["initial_weighting_logits", [H, N]],
        ...(learned_memory ? [["initial_memory", [N, M]]] : []),
      ];
    }

    /** One row a step; memory, weightings and reads have one more: row t is before step t. */
    records(steps) {
      const { O, C, R, W, H, N, M, r, F, X, P } = this;
      this.controller.reserve(steps);
      return {
        seen: steps * X, head: steps * P, feature: steps * F, logits: steps * O,
        memory: (steps + 1) * N * M, scale: (steps + 1) * N,
        weighting: (steps + 1) * H * N, reads: (steps + 1) * R * M,
        keyScale: steps * H, similarity: steps * H * N, content: steps * H * N,
        gated: steps * H * (N + 2 * r), shifted: steps * H * N, logs: steps * H * N,
        dHead: steps * P, dLogits: steps * O,
        dMemory: N * M, dWeighting: H * N, dReads: R * M,
        dFeature: F, dSeen: X, dSimilarity: H * N, turned: N, padded: N + 2 * r, stages: W * N * M,
        dHidden: C,
      };
    }

    // ---- Forwards -------------------------------------------------------------------------------

    /** Run an episode; its logits are then in `logits`, and all else that happened is kept, too. */
    forward(weights, { steps, inputs, start }) {
      const { I, X, C, F, R, M, P, H, W, O, seen, feature, head, reads } = this;
      this.begin(weights, start);
      for (let t = 0; t < steps; t++) {
        copy(inputs, t * I, seen, t * X, I);
        copy(reads, t * R * M, seen, t * X + I, R * M);
        const hidden = this.controller.forward(weights, t, seen, t * X);
        copy(hidden, t * C, feature, t * F, C);
        linear(
          weights["heads.linear.weight"], weights["heads.linear.bias"],
          hidden, t * C, C, head, t * P, P,
        );
        for (let h = 0; h < H; h++) this.address(t, h);
        for (let h = 0; h < R; h++) this.read(t, h);
        for (let h = 0; h < W; h++) this.squashChange(t, h);
        this.write(t);
        copy(reads, (t + 1) * R * M, feature, t * F + C, R * M);
        linear(
          weights["output.weight"], weights["output.bias"],
          feature, t * F, F, this.logits, t * O, O,
        );
      }
    }

    /** Put memory, weightings, reads and controller where every sequence starts. */
    begin(weights, start) {
      const { N, M, H, R, memory, weighting } = this;
      this.controller.begin(weights);
      if (start) copy(start, 0, memory, 0, N * M);
      else if (weights.initial_memory) copy(weights.initial_memory, 0, memory, 0, N * M);
      else memory.fill(INITIAL_MEMORY, 0, N * M);
      this.measure(0);
      copy(weights.initial_weighting_logits, 0, weighting, 0, H * N);
      for (let h = 0; h < H; h++) softmax(weighting, h * N, N);
      copy(weights.initial_reads, 0, this.reads, 0, R * M);
    }

    /** Note one over the length of every memory row. */
    measure(t) {
      const { N, M, memory, scale } = this;
      for (let i = 0, cell = t * N * M; i < N; i++) {
        let squared = 0;
        for (let j = 0; j < M; j++, cell++) squared += memory[cell] * memory[cell];
        scale[t * N + i] = 1 / Math.max(Math.sqrt(squared), NORM_FLOOR);
      }
    }

    /** Move head h at step t: Equations 5 to 9. */
    address(t, h) {
      const { H, N, M, S, P, A, head, memory, scale, weighting } = this;
      const { similarity, content, gated, shifted, logs } = this;
      const key = t * P + h * A, shifts = key + M + 2, row = t * H + h;
      const at = row * N, after = at + H * N, ring = row * (N + S - 1);
      // The head's parameters, each in its range.
      let squared = 0;
      for (let j = key; j < key + M; j++) {
        head[j] = Math.tanh(head[j]);
        squared += head[j] * head[j];
      }
      const beta = (head[key + M] = softplus(head[key + M]));
      const g = (head[key + M + 1] = sigmoid(head[key + M + 1]));
      softmax(head, shifts, S);
      const gamma = (head[shifts + S] = 1 + softplus(head[shifts + S]));
      // Equations 6 and 5: similarity of the key with every row, and the weighting by content.
      const keyScale = (this.keyScale[row] = 1 / Math.max(Math.sqrt(squared), NORM_FLOOR));
      similarity.fill(0, at, at + N);
      times(memory, t * N * M, N, M, head, key, similarity, at);
      for (let i = 0; i < N; i++) {
        similarity[at + i] *= keyScale * scale[t * N + i];
        content[at + i] = beta * similarity[at + i];
      }
      softmax(content, at, N);
      // Equation 7: interpolation, on a ring that is continued at both ends.
      const r = this.r;
      for (let i = 0; i < N; i++) {
        gated[ring + r + i] = g * content[at + i] + (1 - g) * weighting[at + i];
      }
      for (let k = 0; k < r; k++) {
        gated[ring + k] = gated[ring + N + k];
        gated[ring + r + N + k] = gated[ring + r + k];
      }
      // Equations 8 and 9: shift and sharpening.
      for (let i = 0; i < N; i++) {
        let sum = TINY;
        for (let k = 0; k < S; k++) sum += head[shifts + k] * gated[ring + i + S - 1 - k];
        shifted[at + i] = sum;
        weighting[after + i] = gamma * (logs[at + i] = Math.log(sum));
      }
      softmax(weighting, after, N);
    }

    /** Equation 2: what read head h reads at step t. */
    read(t, h) {
      const { R, H, N, M, memory, weighting, reads } = this;
      const to = ((t + 1) * R + h) * M;
      reads.fill(0, to, to + M);
      timesTransposed(memory, t * N * M, N, M, weighting, ((t + 1) * H + h) * N, reads, to);
    }

    /** Where in `head` the erase vector of write head h stands; its add vector follows. */
    changeOf(t, h) {
      return t * this.P + this.H * this.A + 2 * h * this.M;
    }

    squashChange(t, h) {
      const { M, head } = this, at = this.changeOf(t, h);
      for (let j = at; j < at + M; j++) {
        head[j] = sigmoid(head[j]);
        head[j + M] = Math.tanh(head[j + M]);
      }
    }

    /** Equations 3 and 4: all heads erase, then all add. */
    write(t) {
      const { R, W, H, N, M, head, memory, weighting } = this;
      const before = t * N * M, after = before + N * M, w = ((t + 1) * H + R) * N;
      for (let h = 0; h < W; h++) {
        erase(memory, h ? after : before, weighting, w + h * N, N, head, this.changeOf(t, h), M,
              memory, after);
      }
      for (let h = 0; h < W; h++) {
        outer(weighting, w + h * N, N, head, this.changeOf(t, h) + M, M, memory, after);
      }
      this.measure(t + 1);
    }

    // ---- Backwards ------------------------------------------------------------------------------

    /** Add the gradients of the cost, whose gradient by the logits stands in `dLogits`. */
    backward(weights, gradients, { steps, start }) {
      const { I, X, O, C, R, H, N, M, F, P, memory, dHead } = this;
      const { dLogits, dFeature, dSeen, dReads, dMemory, dWeighting, dHidden } = this;
      dMemory.fill(0);
      dWeighting.fill(0);
      dReads.fill(0);
      for (let t = steps - 1; t >= 0; t--) {
        dFeature.fill(0);
        timesTransposed(weights["output.weight"], 0, O, F, dLogits, t * O, dFeature, 0);
        for (let j = 0; j < R * M; j++) dReads[j] += dFeature[C + j];
        this.changeBack(t);
        for (let h = 0; h < R; h++) {
          times(memory, t * N * M, N, M, dReads, h * M, dWeighting, h * N);
        }
        this.turned.fill(0);
        for (let h = 0; h < H; h++) this.addressBack(t, h);
        this.memoryBack(t);
        copy(dFeature, 0, dHidden, 0, C);
        timesTransposed(weights["heads.linear.weight"], 0, P, C, dHead, t * P, dHidden, 0);
        dSeen.fill(0);
        this.controller.backward(weights, t, dHidden, dSeen);
        copy(dSeen, I, dReads, 0, R * M);
      }
      this.controller.finish(gradients, this.seen, steps);
      const hidden = this.controller[`hidden${this.controller.layers - 1}`];
      weightsBack(
        gradients["heads.linear.weight"], gradients["heads.linear.bias"],
        dHead, P, hidden, C, steps,
      );
      weightsBack(
        gradients["output.weight"], gradients["output.bias"], dLogits, O, this.feature, F, steps,
      );
      for (let h = 0; h < H; h++) softmaxBack(this.weighting, h * N, dWeighting, h * N, N);
      const add = (to, from) => to?.forEach((_, i) => (to[i] += from[i]));
      add(gradients.initial_weighting_logits, dWeighting);
      add(gradients.initial_reads, dReads);
      if (!start) add(gradients.initial_memory, dMemory);
    }

    /** Equations 4 and 3, backwards: what the write heads receive, and what the memory keeps. */
    changeBack(t) {
      const { R, W, H, N, M, head, memory, weighting, dHead, dMemory, dWeighting, stages } = this;
      const first = this.changeOf(t, 0), w = ((t + 1) * H + R) * N;
      dHead.fill(0, first, first + 2 * W * M);
      for (let h = 0; h < W; h++) {
        const a = this.changeOf(t, h) + M;
        times(dMemory, 0, N, M, head, a, dWeighting, (R + h) * N);
        timesTransposed(dMemory, 0, N, M, weighting, w + h * N, dHead, a);
      }
      // What each head found, before it erased.
      copy(memory, t * N * M, stages, 0, N * M);
      for (let h = 0; h + 1 < W; h++) {
        const e = this.changeOf(t, h), at = h * N * M;
        erase(stages, at, weighting, w + h * N, N, head, e, M, stages, at + N * M);
      }
      for (let h = W - 1; h >= 0; h--) {
        const e = this.changeOf(t, h);
        for (let i = 0, cell = 0, found = h * N * M; i < N; i++) {
          const weight = weighting[w + h * N + i];
          let sum = 0;
          for (let j = e; j < e + M; j++, cell++, found++) {
            const erased = dMemory[cell] * stages[found];
            sum += erased * head[j];
            dHead[j] -= weight * erased;
            dMemory[cell] *= 1 - weight * head[j];
          }
          dWeighting[(R + h) * N + i] -= sum;
        }
        for (let j = e; j < e + M; j++) {
          dHead[j] *= head[j] * (1 - head[j]);
          dHead[j + M] *= 1 - head[j + M] * head[j + M];
        }
      }
    }

    /** Equations 2 and 6, backwards: what the memory receives from reading and addressing. */
    memoryBack(t) {
      const { R, H, N, M, P, A, head, memory, weighting, dMemory, dReads, dSimilarity } = this;
      const after = (t + 1) * H * N;
      for (let i = 0, cell = 0, before = t * N * M; i < N; i++) {
        const turned = this.turned[i];
        for (let j = 0; j < M; j++, cell++, before++) dMemory[cell] -= turned * memory[before];
      }
      for (let h = 0; h < R; h++) outer(weighting, after + h * N, N, dReads, h * M, M, dMemory, 0);
      for (let h = 0; h < H; h++) {
        outer(dSimilarity, h * N, N, head, t * P + h * A, M, dMemory, 0);
      }
    }

    /** Equations 9 to 5, backwards; leaves what the weighting before receives in `dWeighting`. */
    addressBack(t, h) {
      const { H, N, M, S, r, P, A, head, memory, scale, weighting, dHead, turned } = this;
      const { similarity, content, gated, shifted, logs, dWeighting, dSimilarity, padded } = this;
      const key = t * P + h * A, shifts = key + M + 2, row = t * H + h;
      const at = row * N, after = at + H * N, ring = row * (N + S - 1), d = h * N;
      const beta = head[key + M], g = head[key + M + 1], gamma = head[shifts + S];
      // Equation 9: sharpening, γ = 1 + softplus.
      softmaxBack(weighting, after, dWeighting, d, N);
      let dGamma = 0;
      for (let i = 0; i < N; i++) {
        dGamma += dWeighting[d + i] * logs[at + i];
        padded[r + i] = (dWeighting[d + i] * gamma) / shifted[at + i];
      }
      dHead[shifts + S] = dGamma * -Math.expm1(1 - gamma);
      for (let k = 0; k < r; k++) {
        padded[k] = padded[N + k];
        padded[r + N + k] = padded[r + k];
      }
      // Equation 8: shift.
      for (let k = 0; k < S; k++) {
        let sum = 0;
        for (let i = 0; i < N; i++) sum += padded[r + i] * gated[ring + i + S - 1 - k];
        dHead[shifts + k] = sum;
      }
      softmaxBack(head, shifts, dHead, shifts, S);
      // Equation 7: interpolation.
      let dGate = 0;
      for (let i = 0; i < N; i++) {
        let dGated = 0;
        for (let k = 0; k < S; k++) dGated += head[shifts + k] * padded[i + k];
        dGate += dGated * (content[at + i] - weighting[at + i]);
        dSimilarity[d + i] = g * dGated;
        dWeighting[d + i] = (1 - g) * dGated;
      }
      dHead[key + M + 1] = dGate * g * (1 - g);
      // Equations 5 and 6: content, β = softplus, and similarity.
      softmaxBack(content, at, dSimilarity, d, N);
      const keyScale = this.keyScale[row];
      let dBeta = 0, keyTurned = 0;
      for (let i = 0; i < N; i++) {
        const K = similarity[at + i], s = scale[t * N + i];
        dBeta += dSimilarity[d + i] * K;
        // What changes only the length of a vector changes no cosine.
        const along = beta * dSimilarity[d + i] * K;
        keyTurned += along;
        turned[i] += along * s * s;
        dSimilarity[d + i] *= beta * s * keyScale;
      }
      dHead[key + M] = dBeta * -Math.expm1(-beta);
      dHead.fill(0, key, key + M);
      timesTransposed(memory, t * N * M, N, M, dSimilarity, d, dHead, key);
      for (let j = key; j < key + M; j++) {
        const k = head[j];
        dHead[j] = (dHead[j] - k * keyTurned * keyScale * keyScale) * (1 - k * k);
      }
    }
  }

  /**
   * The baseline: LSTM layers that each see the input beside the layer below, and a linear output
   * layer that sees them all; it has no memory outside.
   */
  class LSTM extends Part {
    constructor(settings) {
      super();
      const { input_size: I, output_size: O, hidden_size: C = 256, layers: count = 3 } = settings;
      this.layers = range(count).map((k) => {
        const name = (kind) => (kind.startsWith("initial") ? kind : `layers.${k}.${kind}_l0`);
        return new LSTMLayers(I + (k ? C : 0), C, 1, name, k);
      });
      Object.assign(this, { settings, I, O, C, F: count * C });
      this.shapes = [
        ...this.layers.flatMap(({ shapes }) => shapes.filter(([name]) => !name.includes("initial"))),
        ["output.weight", [O, this.F]],
        ["output.bias", [O]],
        ["initial_hidden", [count, C]],
        ["initial_cell", [count, C]],
      ];
    }

    records(steps) {
      const { O, F, layers } = this;
      const seen = layers.map((layer, k) => {
        layer.reserve(steps);
        return { [`seen${k}`]: steps * layer.inputs, [`dSeen${k}`]: layer.inputs };
      });
      const sizes = { feature: steps * F, logits: steps * O, dLogits: steps * O, dFeature: F };
      return Object.assign(sizes, ...seen);
    }

    forward(weights, { steps, inputs }) {
      const { I, O, C, F, layers, feature, logits } = this;
      for (const layer of layers) layer.begin(weights);
      for (let t = 0; t < steps; t++) {
        layers.forEach((layer, k) => {
          const seen = this[`seen${k}`], at = t * layer.inputs;
          copy(inputs, t * I, seen, at, I);
          if (k > 0) copy(feature, t * F + (k - 1) * C, seen, at + I, C);
          copy(layer.forward(weights, t, seen, at), t * C, feature, t * F + k * C, C);
        });
        linear(
          weights["output.weight"], weights["output.bias"], feature, t * F, F, logits, t * O, O,
        );
      }
    }

    backward(weights, gradients, { steps }) {
      const { I, O, C, F, layers, dLogits, dFeature } = this;
      for (let t = steps - 1; t >= 0; t--) {
        dFeature.fill(0);
        timesTransposed(weights["output.weight"], 0, O, F, dLogits, t * O, dFeature, 0);
        for (let k = layers.length - 1; k >= 0; k--) {
          const dSeen = this[`dSeen${k}`].fill(0);
          layers[k].backward(weights, t, dFeature.subarray(k * C, (k + 1) * C), dSeen);
          for (let u = 0; k > 0 && u < C; u++) dFeature[(k - 1) * C + u] += dSeen[I + u];
        }
      }
      layers.forEach((layer, k) => layer.finish(gradients, this[`seen${k}`], steps));
      weightsBack(
        gradients["output.weight"], gradients["output.bias"], dLogits, O, this.feature, F, steps,
      );
    }
  }

  const build = (settings) =>
    "memory_locations" in settings ? new NTM(settings) : new LSTM(settings);

  /** Make room for a machine's weights, or their gradients: one array, and views by name. */
  function allocate({ shapes }) {
    const sizes = shapes.map(([, shape]) => shape.reduce((a, b) => a * b));
    const flat = new Float64Array(sizes.reduce((a, b) => a + b));
    let at = 0;
    const views = shapes.map(([name], k) => [name, flat.subarray(at, (at += sizes[k]))]);
    return { flat, ...Object.fromEntries(views) };
  }

  /**
   * Run an episode; returns its cost in nats, over the steps that count.
   * @param {{steps: number, inputs: Float64Array, targets: Float64Array, asked: Uint8Array}} episode
   * @param {number} share - of the cost whose gradient is left in `dLogits`
   */
  function cost(machine, weights, episode, share = 1) {
    machine.reserve(episode.steps);
    machine.forward(weights, episode);
    const { O, logits, dLogits } = machine, { steps, targets, asked } = episode;
    let nats = 0;
    for (let t = 0; t < steps; t++) {
      for (let at = t * O; at < (t + 1) * O; at++) {
        if (asked[t]) nats += softplus(logits[at]) - targets[at] * logits[at];
        dLogits[at] = asked[t] ? share * (sigmoid(logits[at]) - targets[at]) : 0;
      }
    }
    return nats;
  }

  /** Add the gradient of an episode's share of the cost; returns the whole cost, in nats. */
  function learn(machine, weights, gradients, episode, share) {
    const nats = cost(machine, weights, episode, share);
    machine.backward(weights, gradients, episode);
    return nats;
  }

  // ---- Episodes ---------------------------------------------------------------------------------

  const BITS = 8;

  /** Return dice that fall alike for the same seed: mulberry32, numbers in [0, 1). */
  function dice(seed) {
    let state = seed | 0;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  /** Dice for one purpose of a run, far from those for another purpose or from another seed. */
  const diceFor = (seed, purpose) => dice(Math.imul(seed + 1, 0x9e3779b1) ^ (purpose << 28));
  const PURPOSES = { start: 1, training: 2, validation: 3, looking: 4 };

  /** Draw a normal number. */
  const normal = (random) =>
    Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

  /** The task copy: vectors, a delimiter, then silence in which the vectors are due. */
  class Copy {
    constructor(longest) {
      const steps = 2 * longest + 1;
      Object.assign(this, {
        steps: 0,
        inputs: new Float64Array(steps * (BITS + 1)),
        targets: new Float64Array(steps * BITS),
        asked: new Uint8Array(steps),
      });
    }

    /** Draw a sequence of so many vectors. */
    draw(length, random) {
      const { inputs, targets, asked } = this;
      this.length = length;
      this.steps = 2 * length + 1;
      inputs.fill(0);
      targets.fill(0);
      for (let t = 0; t < length; t++) {
        for (let k = 0; k < BITS; k++) {
          const bit = random() < 0.5 ? 0 : 1;
          inputs[t * (BITS + 1) + k] = targets[(length + 1 + t) * BITS + k] = bit;
        }
      }
      inputs[length * (BITS + 1) + BITS] = 1;
      for (let t = 0; t < this.steps; t++) asked[t] = Number(t > length);
      return this;
    }
  }

  // ---- Training ---------------------------------------------------------------------------------

  /**
   * How a machine learns: the recipe of chapter 6, `recipes.LIVE` in Python. `gain` and `loudness`
   * say how many times larger than PyTorch's the controller's weights start, and those for what is
   * read once more. `memory` is where the memory starts: a number, or "random".
   */
  const RECIPE = {
    batch: 16, rate: 4e-3, momentum: 0.9, smoothing: 0.9, epsilon: 0.01,
    clipValue: 10, clipNorm: 3, ramp: 8000, rampStart: 0.2, average: 0.96,
    gain: 4, loudness: 2, even: false, memory: INITIAL_MEMORY,
    validateEvery: 500, validation: 400, goal: 0.1, most: 60000,
  };
  /** The same for the LSTM, which is no NTM: PyTorch's start, and Adam's usual settings. */
  const LSTM_RECIPE = {
    ...RECIPE, rate: 3e-3, smoothing: 0.999, epsilon: 1e-8, clipNorm: 10, gain: 1, loudness: 1,
  };

  const NTM_SIZE = { input_size: BITS + 1, output_size: BITS, controller: "feedforward" };
  /** The sizes that a page offers: longest length, what differs in the recipe, the machines. */
  const SIZES = {
    small: {
      longest: 12,
      recipe: { clipNorm: 10 },
      ntm: { ...NTM_SIZE, controller_size: 64, memory_locations: 32, memory_width: 16 },
      lstm: { input_size: BITS + 1, output_size: BITS, hidden_size: 64, layers: 1 },
    },
    paper: {
      longest: 20,
      ntm: { ...NTM_SIZE, controller_size: 100, memory_locations: 128, memory_width: 20 },
      lstm: { input_size: BITS + 1, output_size: BITS, hidden_size: 100, layers: 1 },
    },
  };

  /** Draw the weights from which a machine learns: PyTorch's start, changed as the recipe says. */
  function drawStart(machine, weights, { gain, loudness, even }, random) {
    const { I, C, N } = machine;
    for (const [name, shape] of machine.shapes) {
      const values = weights[name];
      if (name.includes("initial")) {
        values.fill(0);
        if (name === "initial_weighting_logits" && !even) {
          for (let at = 0; at < values.length; at += N) values[at] = Math.log(N);
        }
        continue;
      }
      const columns = shape[1] ?? machine.shapes.find(([w]) => w === name.replace("bias", "weight"))[1][1];
      const isLSTM = /_[ih]h/.test(name), bound = 1 / Math.sqrt(isLSTM ? C : columns);
      const fromInput = /^controller.*(weight|weight_ih)$/.test(name);
      for (let i = 0; i < values.length; i++) {
        const isRead = name.includes("layers.0") && i % columns >= I;
        const times = fromInput ? gain * (isRead ? loudness : 1) : 1;
        values[i] = times * bound * (2 * random() - 1);
      }
    }
  }

  /** Adam as PyTorch has it, after clipping each number of a gradient and then its length. */
  class Adam {
    constructor(size) {
      Object.assign(this, { updates: 0, mean: new Float64Array(size), square: new Float64Array(size) });
    }

    /** Move the weights, unless the gradient is not finite; tells its length, before clipping. */
    step(w, g, { rate, momentum, smoothing, epsilon, clipValue, clipNorm }) {
      const { mean, square } = this;
      let length = 0, clipped = 0;
      for (let i = 0; i < g.length; i++) {
        length += g[i] * g[i];
        g[i] = Math.min(Math.max(g[i], -clipValue), clipValue);
        clipped += g[i] * g[i];
      }
      if (!Number.isFinite(length)) return NaN;
      const scale = Math.min(1, clipNorm / (Math.sqrt(clipped) + 1e-6));
      this.updates++;
      const step = rate / (1 - momentum ** this.updates);
      const debias = Math.sqrt(1 - smoothing ** this.updates);
      for (let i = 0; i < g.length; i++) {
        const d = scale * g[i];
        mean[i] = momentum * mean[i] + (1 - momentum) * d;
        square[i] = smoothing * square[i] + (1 - smoothing) * d * d;
        w[i] -= (step * mean[i]) / (Math.sqrt(square[i]) / debias + epsilon);
      }
      return Math.sqrt(length);
    }
  }

  /** A machine that learns to copy, sequence by sequence. */
  class Trainer {
    /**
     * @param {"ntm" | "lstm"} kind
     * @param {"small" | "paper"} size
     * @param {number} seed - decides the start and every draw; both kinds see the same sequences
     * @param {object} changes - of the recipe; `longest` too
     */
    constructor({ kind = "ntm", size = "small", seed = 0, ...changes }) {
      const offered = SIZES[size], recipe = kind === "lstm" ? LSTM_RECIPE : RECIPE;
      Object.assign(this, { kind, seed });
      this.recipe = { longest: offered.longest, ...recipe, ...offered.recipe, ...changes };
      this.machine = build(offered[kind]);
      for (const name of ["weights", "averaged", "gradients"]) this[name] = allocate(this.machine);
      drawStart(this.machine, this.weights, this.recipe, diceFor(seed, PURPOSES.start));
      this.averaged.flat.set(this.weights.flat);
      this.adam = new Adam(this.weights.flat.length);
      this.episode = this.makeEpisode(this.recipe.longest);
      this.random = diceFor(seed, PURPOSES.training);
      this.seen = 0;
      this.bits = this.wrong = NaN;
      this.state = "learning";
    }

    /** Make an episode to draw into; where the memory starts otherwise, it brings that start. */
    makeEpisode(longest, machine = this.machine) {
      const episode = new Copy(longest), { memory } = this.recipe;
      if (this.kind === "ntm" && memory !== INITIAL_MEMORY) {
        episode.start = new Float64Array(machine.N * machine.M).fill(Number(memory) || 0);
      }
      return episode;
    }

    draw(episode, length, random) {
      if (this.recipe.memory === "random" && episode.start) {
        for (let i = 0; i < episode.start.length; i++) episode.start[i] = 0.5 * normal(random);
      }
      return episode.draw(length, random);
    }

    /** Train until the goal or the end; gives way after each sequence, with a note if there is one. */
    *train() {
      const { validateEvery, goal, most } = this.recipe;
      while (this.state === "learning") {
        const before = this.seen, training = yield* this.update();
        if (this.state === "lost") return;
        const isDue = Math.floor(this.seen / validateEvery) > Math.floor(before / validateEvery);
        if (!isDue) continue;
        yield* this.validate();
        if (this.bits <= goal) this.state = "solved";
        else if (!Number.isFinite(this.bits)) this.state = "lost";
        else if (this.seen >= most) this.state = "over";
        yield { seen: this.seen, training, bits: this.bits, wrong: this.wrong };
      }
    }

    /** Train on one batch; returns its mean cost in bits. */
    *update() {
      const { batch, longest, ramp, rampStart } = this.recipe;
      const { machine, weights, gradients, random } = this;
      const share = ramp ? Math.min(1, rampStart + ((1 - rampStart) * this.seen) / ramp) : 1;
      const reach = 1 + Math.round(share * (longest - 1));
      let nats = 0;
      for (let k = 0; k < batch; k++) {
        const episode = this.draw(this.episode, 1 + Math.floor(reach * random()), random);
        nats += learn(machine, weights, gradients, episode, 1 / batch);
        this.seen++;
        yield;
      }
      this.step();
      return nats / batch / Math.LN2;
    }

    /** Move the weights along the gradient, and their average after them. */
    step() {
      const { weights, gradients, averaged } = this;
      this.gradient = this.adam.step(weights.flat, gradients.flat, this.recipe);
      if (!Number.isFinite(this.gradient)) {
        this.state = "lost"; // the weights are those before this step
        return;
      }
      gradients.flat.fill(0);
      const keep = this.adam.updates > 1 ? this.recipe.average : 0;
      for (let i = 0; i < averaged.flat.length; i++) {
        averaged.flat[i] = keep * averaged.flat[i] + (1 - keep) * weights.flat[i];
      }
    }

    /**
     * Test the average of the weights on the run's own sequences, all of the longest length. It stops
     * early once the goal is out of reach; the cost is then the mean of the sequences so far.
     */
    *validate() {
      const { validation, longest, goal } = this.recipe, enough = Math.min(40, validation);
      const random = diceFor(this.seed, PURPOSES.validation);
      let bits = 0, wrong = 0, count = 0;
      while (count < validation && (count < enough || bits <= goal * validation)) {
        this.draw(this.episode, longest, random);
        bits += cost(this.machine, this.averaged, this.episode) / Math.LN2;
        wrong += countWrong(this.machine, this.episode);
        count++;
        yield;
      }
      this.bits = bits / count;
      this.wrong = wrong / count;
    }

    /**
     * Let the average of the weights answer the sequence that the page shows.
     *
     * Nothing that a machine learns depends on the number of locations. A sequence for which there
     * are not enough of them gets some more, on which no head stands at first.
     */
    look(length) {
      const { settings } = this.machine;
      let { machine, averaged: weights } = this;
      if (machine.N < length + 4) {
        machine = build({ ...settings, memory_locations: length + 4 });
        weights = { ...weights, initial_weighting_logits: this.spread(machine) };
      }
      const random = diceFor(this.seed, PURPOSES.looking);
      const episode = this.draw(this.makeEpisode(length, machine), length, random);
      const bits = cost(machine, weights, episode) / Math.LN2;
      const { O, H = 0, N = 0 } = machine, { steps } = episode;
      return {
        length, steps, bits, wrong: countWrong(machine, episode), locations: N,
        targets: Float32Array.from(episode.targets),
        outputs: Float32Array.from(machine.logits.subarray(0, steps * O), sigmoid),
        // the read head's, then the write head's
        weightings: Float32Array.from(machine.weighting?.subarray(H * N, (steps + 1) * H * N) ?? []),
      };
    }

    /** Spread the first weightings over a larger machine's locations: the new ones get nothing. */
    spread({ H, N }) {
      const { averaged, machine } = this, logits = new Float64Array(H * N).fill(-1e3);
      for (let h = 0; h < H; h++) {
        copy(averaged.initial_weighting_logits, h * machine.N, logits, h * N, machine.N);
      }
      return logits;
    }
  }

  /** Count the wrong bits of an answer; a logit above 0 says 1. */
  function countWrong({ O, logits }, { steps, targets, asked }) {
    let wrong = 0;
    for (let at = 0; at < steps * O; at++) {
      if (asked[Math.floor(at / O)] && logits[at] > 0 !== targets[at] > 0.5) wrong++;
    }
    return wrong;
  }

  // ---- A run that can be paused and watched -----------------------------------------------------

  /** So many milliseconds go by between two reports, unless the run ends. */
  const REPORT = 250;

  /**
   * Start a run that works in slices and reports: in a worker, or on a page that has none.
   * @param {object} options - of `Trainer`, and `shown`, the length of the sequence to look at
   * @param {(report: object) => void} send
   * @param {(task: () => void) => void} later - how to give way
   * @param {number} slice - milliseconds of work at a time
   * @returns {(message: {go?: boolean, shown?: number}) => void} takes what the page wants
   */
  function startRun({ shown = 0, ...options }, send, later, slice) {
    const trainer = new Trainer(options), work = trainer.train();
    let going = false, seconds = 0, reported = -Infinity, curve = [];
    const report = () => {
      const { state, seen, bits, wrong } = trainer;
      send({
        state, seen, bits, wrong, seconds, curve,
        look: shown ? trainer.look(shown) : undefined,
      });
      curve = [];
      reported = performance.now();
    };
    const turn = () => {
      if (!going) return;
      const start = performance.now();
      while (performance.now() - start < slice) {
        const { done, value } = work.next();
        if (value) curve.push(value);
        if (done) {
          going = false;
          break;
        }
      }
      seconds += (performance.now() - start) / 1000;
      if (!going || performance.now() - reported > REPORT) report();
      if (going) later(turn);
    };
    return (message) => {
      if (message.shown !== undefined) shown = message.shown;
      if (message.go === undefined) return report();
      const isNew = message.go && !going;
      going = message.go && trainer.state === "learning";
      if (isNew) later(turn);
    };
  }

  return {
    RECIPE, LSTM_RECIPE, SIZES, Adam, Copy, NTM, LSTM, Trainer,
    build, allocate, cost, learn, dice, diceFor, startRun,
  };
}

/** What a worker does: it starts the run that the first message asks for, then passes messages on. */
function learningWorker() {
  const { startRun } = learningCore(), { port1, port2 } = new MessageChannel();
  let tell, task;
  port1.onmessage = () => task(); // sooner than a timer
  const later = (next) => {
    task = next;
    port2.postMessage(0);
  };
  onmessage = ({ data }) => {
    if (tell) tell(data);
    else tell = startRun(data, (report) => postMessage(report), later, 40);
  };
}

const Learning = (() => {
  const core = learningCore();

  const flatten = (nested) => Float64Array.from(nested.length === undefined ? [nested] : deep(nested));
  const deep = (list) => (typeof list[0] === "object" ? Array.from(list).flatMap(deep) : list);
  /** Give a flat array the form of a nested one. */
  function like(nested, flat) {
    let at = 0;
    const shape = (list) =>
      Array.from(list, (part) => (typeof part === "object" ? shape(part) : flat[at++]));
    return shape(nested);
  }

  /** Take sequence b out of a batch, (T, B, size) or (T, size). */
  const sequenceOf = (batch, b) =>
    Float64Array.from(deep(batch.map((step) => (typeof step[0] === "object" ? step[b] : step))));

  /**
   * Compute the cost of a batch, in nats, and its gradient by every weight.
   * @param {object} settings - of an `NTM` or an `LSTMBaseline`, as Python keeps them
   * @param {Object<string, number[]>} tensors - the weights by PyTorch's names, nested or flat
   * @param {number[][]} inputs - (T, B, I), or (T, I) for one sequence
   * @param {number[][]} targets - (T, B, O), or (T, O)
   * @param {boolean[]} mask - the steps that count, (T) or (T, B)
   * @returns {Promise<{loss: number, gradients: object}>} the gradients in the form of the weights
   */
  async function gradient(settings, tensors, inputs, targets, mask) {
    const machine = core.build(settings);
    const weights = core.allocate(machine), gradients = core.allocate(machine);
    for (const [name] of machine.shapes) {
      if (!(name in tensors)) throw new Error(`tensors: ${name} is missing`);
      const values = flatten(tensors[name]), { length } = weights[name];
      if (values.length !== length) {
        throw new Error(`tensors: ${name} has ${values.length} numbers instead of ${length}`);
      }
      weights[name].set(values);
    }
    const isBatch = typeof inputs[0][0] === "object", size = isBatch ? inputs[0].length : 1;
    let loss = 0;
    for (let b = 0; b < size; b++) {
      const episode = {
        steps: inputs.length,
        inputs: sequenceOf(inputs, b),
        targets: sequenceOf(targets, b),
        asked: Uint8Array.from(mask, (step) => Number(typeof step === "object" ? step[b] : step)),
      };
      loss += core.learn(machine, weights, gradients, episode, 1 / size) / size;
    }
    const found = machine.shapes.map(([name]) => [name, like(tensors[name], gradients[name])]);
    return { loss, gradients: Object.fromEntries(found) };
  }

  // ---- Runs -------------------------------------------------------------------------------------

  let workerAddress;

  /** Make a worker from the text of this script; null where there are none. */
  function makeWorker() {
    try {
      const text = `"use strict";${learningCore}${learningWorker}learningWorker();`;
      workerAddress ??= URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      return new Worker(workerAddress);
    } catch {
      return null;
    }
  }

  /**
   * Begin a run: in a worker of its own or, where there is none, on the page in slices of 10 ms.
   * @param {object} options - as `startRun` takes them
   * @param {(report: object) => void} onReport
   * @returns {{tell: (message: object) => void, end: () => void}}
   */
  function begin(options, onReport) {
    const worker = Learning.makeWorker();
    if (worker === null) return beginHere(options, onReport);
    let instead; // a run on the page, should the worker not start
    let heard = false;
    const told = [];
    worker.onmessage = ({ data }) => {
      heard = true;
      onReport(data);
    };
    worker.onerror = (event) => {
      if (heard || instead) return;
      event.preventDefault();
      instead = beginHere(options, onReport);
      told.forEach((message) => instead.tell(message));
    };
    worker.postMessage(options);
    return {
      tell: (message) => {
        if (!heard) told.push(message);
        if (instead) instead.tell(message);
        else worker.postMessage(message);
      },
      end: () => (instead ? instead.end() : worker.terminate()),
    };
  }

  function beginHere(options, onReport) {
    let isOver = false;
    const later = (task) => setTimeout(() => isOver || task());
    const tell = core.startRun(options, (report) => isOver || onReport(report), later, 10);
    return { tell, end: () => (isOver = true) };
  }

  /**
   * Train a machine from nothing, without showing anything.
   * @param {{seed: number, size: "small" | "paper", goal: number, most: number}} options
   * @returns {Promise<{solved: boolean, sequences: number, seconds: number, bits: number}>} the
   *   sequences and seconds that it took, and the cost in bits at the longest length
   */
  function run({ seed = 100, size = "small", goal = 0.1, most = 60000, ...more } = {}) {
    if (!(size in core.SIZES)) {
      throw new Error(`size: expected one of ${Object.keys(core.SIZES)}, got ${size}`);
    }
    return new Promise((resolve) => {
      const job = begin({ seed, size, goal, most, ...more }, ({ state, seen, seconds, bits }) => {
        if (state === "learning") return;
        job.end();
        resolve({ solved: state === "solved", sequences: seen, seconds, bits });
      });
      job.tell({ go: true });
    });
  }

  return { core, gradient, makeWorker, begin, run };
})();
window.Learning = Learning;
