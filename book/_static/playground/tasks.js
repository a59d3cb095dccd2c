/**
 * The tasks, as the playground offers them: their sequences, what their settings mean, and what is
 * to be said of an answer. An episode is { inputs, targets, asked }, one entry a step; `asked` says
 * whether the step's output counts. The Python package draws the same episodes from its own dice.
 */
"use strict";

const Tasks = (() => {
  const BITS = 8;

  /** Who answers, in the order of the page; a trained machine's name is its task's and this. */
  const MACHINES = [
    { model: "ntm-lstm", label: "NTM, LSTM controller" },
    { model: "ntm-feedforward", label: "NTM, feed-forward controller" },
    { model: "lstm", label: "LSTM" },
  ];

  /** Who answers beside them, where the task says so. */
  const YOUNGER = [
    { model: "dnc", label: "DNC" },
    { model: "transformer-rope", label: "Transformer, RoPE" },
    { model: "transformer-coupled", label: "Transformer, coupled positions" },
  ];

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

  const flip = (random) => (random() < 0.5 ? 0 : 1);
  const randomVectors = (random, length, bits = BITS) =>
    Array.from({ length }, () => Float64Array.from({ length: bits }, () => flip(random)));

  /** Make a vector of so many channels that begins with these values; the rest is 0. */
  function channels(size, values = []) {
    const vector = new Float64Array(size);
    vector.set(values);
    return vector;
  }

  const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

  /** Tell whether a logit says the wrong bit; above 0 it says 1. */
  const isWrong = (logit, target) => logit > 0 !== target > 0.5;

  /** Count the wrong bits of each step that is asked for, among its first so many channels. */
  const wrongBits = (episode, logits, channels = Infinity) =>
    logits.map((said, t) =>
      episode.asked[t]
        ? said.filter((x, o) => o < channels && isWrong(x, episode.targets[t][o])).length
        : 0,
    );

  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

  /** Count the leading entries that hold. */
  const leading = (list, holds) => {
    const end = list.findIndex((item) => !holds(item));
    return end < 0 ? list.length : end;
  };

  const sequence = { name: "sequence", label: "Sequence no.", low: 1, high: 9999, start: 1 };

  // ---- Copy -------------------------------------------------------------------------------------

  const copy = {
    name: "copy",
    controls: [{ name: "length", label: "Length", low: 1, high: 120, start: 20 }, sequence],
    trained: "Trained on lengths 1 to 20.",
    inputRows: BITS + 1,
    lookAt: 30, // the step shown at first
    machines: [...MACHINES, ...YOUNGER],
    presets: [
      ["as trained", { length: 20 }],
      ["three times as long", { length: 60 }],
      ["six times as long", { length: 120 }],
    ],

    /** Vectors, a delimiter, then silence in which the vectors are due. */
    episode({ length, sequence }) {
      const vectors = randomVectors(dice(sequence), length);
      const due = (t) => (t > length ? vectors[t - length - 1] : undefined);
      const steps = Array.from({ length: 2 * length + 1 }, (_, t) => t);
      return {
        inputs: steps.map((t) =>
          channels(BITS + 1, t === length ? [...channels(BITS), 1] : vectors[t]),
        ),
        targets: steps.map((t) => channels(BITS, due(t))),
        asked: steps.map((t) => t > length),
      };
    },

    phase({ length }, t) {
      if (t < length) return `vector ${t + 1} of ${length} goes in`;
      return t === length ? "delimiter" : `vector ${t - length} of ${length} is due`;
    },

    verdict({ length }, episode, logits) {
      const wrong = wrongBits(episode, logits).slice(length + 1);
      const right = leading(wrong, (count) => count === 0);
      return (
        `${sum(wrong).toLocaleString("en")} of ${plural(BITS * length, "bit")} wrong; ` +
        (right === length
          ? "every vector is right."
          : `the first ${right} of ${length} vectors are right.`)
      );
    },
  };

  // ---- Repeat copy ------------------------------------------------------------------------------

  /** Scale a repeat count to mean 0 and variance 1 over the training range, 1 to 10. */
  const scaleRepeats = (repeats) => (repeats - 5.5) / Math.sqrt((10 ** 2 - 1) / 12);

  const repeatCopy = {
    name: "repeat-copy",
    controls: [
      { name: "length", label: "Length", low: 1, high: 30, start: 10 },
      { name: "repeats", label: "Repeats", low: 1, high: 30, start: 10 },
      sequence,
    ],
    trained: "Trained on lengths 1 to 10 and repeats 1 to 10.",
    inputRows: BITS + 1, // without the repeat count, which is no bit
    lookAt: 25,
    presets: [
      ["as trained", { length: 10, repeats: 10 }],
      ["twice as long", { length: 20, repeats: 10 }],
      ["twice as often", { length: 10, repeats: 20 }],
    ],

    /** Vectors, a delimiter with the repeat count, then all copies and an end marker are due. */
    episode({ length, repeats, sequence }) {
      const vectors = randomVectors(dice(sequence), length);
      const end = length + 1 + length * repeats;
      const steps = Array.from({ length: end + 1 }, (_, t) => t);
      const due = (t) => (t > length && t < end ? vectors[(t - length - 1) % length] : undefined);
      const delimiter = [...channels(BITS), 1, scaleRepeats(repeats)];
      return {
        inputs: steps.map((t) => channels(BITS + 2, t === length ? delimiter : vectors[t])),
        targets: steps.map((t) => channels(BITS + 1, t === end ? [...channels(BITS), 1] : due(t))),
        asked: steps.map((t) => t > length),
      };
    },

    phase({ length, repeats }, t) {
      if (t < length) return `vector ${t + 1} of ${length} goes in`;
      if (t === length) return `delimiter, and the repeat count ${repeats}`;
      const repetition = Math.floor((t - length - 1) / length);
      if (repetition === repeats) return "the end marker is due";
      const vector = (t - length - 1) % length;
      return `repetition ${repetition + 1} of ${repeats}, vector ${vector + 1} of ${length} is due`;
    },

    verdict({ length, repeats }, episode, logits) {
      const copied = wrongBits(episode, logits, BITS).slice(length + 1, -1);
      const repetitions = Array.from({ length: repeats }, (_, r) =>
        sum(copied.slice(r * length, (r + 1) * length)),
      );
      const right = leading(repetitions, (count) => count === 0);
      const ends = repetitions
        .map((_, r) => r + 1)
        .filter((r) => logits[length + 1 + r * length][BITS] > 0);
      const listed = ends.length > 6 ? `${ends.slice(0, 6).join(", ")} …` : ends.join(", ");
      return (
        `${sum(copied).toLocaleString("en")} of ` +
        `${plural(BITS * length * repeats, "copied bit")} wrong; ` +
        (right === repeats
          ? "every repetition is right. "
          : `the first ${right} of ${repeats} repetitions are right. `) +
        (ends.length ? `It says “end” after repetition ${listed}.` : "It never says “end”.")
      );
    },
  };

  // ---- Associative recall -----------------------------------------------------------------------

  const ITEM = 3, ITEM_BITS = 6;
  const SPAN = ITEM + 1; // steps from one delimiter to the next

  const associativeRecall = {
    name: "associative-recall",
    controls: [
      { name: "items", label: "Items", low: 2, high: 20, start: 6 },
      { name: "query", label: "Query item", low: 1, high: 19, start: 3 },
      sequence,
    ],
    trained: "Trained on 2 to 6 items.",
    inputRows: ITEM_BITS + 2,
    lookAt: 29,
    first: "ntm-lstm",
    tellsSources: true,
    presets: [
      ["as trained", { items: 6, query: 3 }],
      ["twice as many", { items: 12, query: 8 }],
      ["more than three times", { items: 20, query: 14 }],
    ],

    /** The last item has none after it, and cannot be asked. */
    limits: ({ items }) => ({ query: items - 1 }),

    /** Items between delimiters, the query between its own, then the item after it is due. */
    episode({ items, query, sequence }) {
      const vectors = randomVectors(dice(sequence), ITEM * items, ITEM_BITS);
      const asking = SPAN * items, due = asking + SPAN + 1;
      const steps = Array.from({ length: due + ITEM }, (_, t) => t);
      const vector = (item, t) => vectors[ITEM * item + (t % SPAN) - 1];
      const isDelimiter = (t) => t % SPAN === 0 && t < due;
      const heard = (t) => (t < asking ? vector(Math.floor(t / SPAN), t) : vector(query - 1, t));
      const input = (t) => {
        if (isDelimiter(t)) return [...channels(ITEM_BITS), Number(t < asking), Number(t >= asking)];
        return t < due ? heard(t) : [];
      };
      return {
        inputs: steps.map((t) => channels(ITEM_BITS + 2, input(t))),
        targets: steps.map((t) => channels(ITEM_BITS, t < due ? [] : vector(query, t))),
        asked: steps.map((t) => t >= due),
        items: Array.from({ length: items }, (_, i) => vectors.slice(ITEM * i, ITEM * (i + 1))),
      };
    },

    phase({ items }, t) {
      const item = Math.floor(t / SPAN), part = t % SPAN;
      if (item > items) return part ? `vector ${part} of the answer is due` : "delimiter after the query";
      if (part) return `vector ${part} of ${item < items ? `item ${item + 1}` : "the query"}`;
      if (item === 0) return "delimiter before item 1";
      return `delimiter after item ${item}${item === items ? " and before the query" : ""}`;
    },

    verdict({ items, query }, episode, logits) {
      const wrong = sum(wrongBits(episode, logits));
      const answer = logits.slice(-ITEM);
      const away = episode.items.map((vectors) =>
        sum(vectors.map((vector, k) => vector.filter((bit, o) => isWrong(answer[k][o], bit)).length)),
      );
      const nearest = away.indexOf(Math.min(...away));
      return (
        `asked for item ${query} of ${items}, so item ${query + 1} is due; ` +
        `${wrong} of ${plural(ITEM * ITEM_BITS, "bit")} wrong. ` +
        `The answer is nearest to item ${nearest + 1}, ${plural(away[nearest], "bit")} away.`
      );
    },
  };

  // ---- Priority sort ----------------------------------------------------------------------------

  const ITEMS = 20, ANSWERS = 16;
  const ITEM_NUMBERS = Array.from({ length: ITEMS }, (_, item) => item);
  const moveOf = (item, priority) => `${item + 1}_${priority.toFixed(2)}`;

  /** Read the priorities that a reader has set, written as "3_0.44*7_-0.20"; leave out the rest. */
  function readMoves(text) {
    const moves = (text ?? "").split("*").map((move) => move.split("_"));
    return moves
      .map(([item, priority]) => [Number(item) - 1, priority ? Number(priority) : NaN])
      .filter(([item, priority]) => ITEM_NUMBERS.includes(item) && Math.abs(priority) <= 1);
  }

  /** Give every vector a priority, as an address holds it. */
  const allMoved = (priority) =>
    ITEM_NUMBERS.map((item) => moveOf(item, priority(item))).join("*");

  const prioritySort = {
    name: "priority-sort",
    items: ITEMS,
    controls: [
      {
        name: "moved",
        start: "",
        accept: (text) => readMoves(text).map((move) => moveOf(...move)).join("*"),
      },
      sequence,
    ],
    first: "ntm-feedforward",
    trained: "Trained on priorities drawn evenly from −1 to 1.",
    lookAt: ITEMS,
    presets: [
      ["in order", { moved: allMoved((item) => 0.95 - item / 10) }],
      ["in reverse", { moved: allMoved((item) => item / 10 - 0.95) }],
      ["crowded", { moved: allMoved((item) => ((7 * item) % ITEMS) / 50 - 0.2) }],
      ["as drawn", { moved: "" }],
    ],

    /** Draw vectors and priorities; a priority that the reader has set counts instead. */
    draw({ moved, sequence }) {
      const random = dice(sequence);
      const vectors = randomVectors(random, ITEMS);
      const priorities = ITEM_NUMBERS.map(() => 2 * random() - 1);
      for (const [item, priority] of readMoves(moved)) priorities[item] = priority;
      // sorting keeps those that tie in their order
      const order = [...ITEM_NUMBERS].sort((a, b) => priorities[b] - priorities[a]);
      return { vectors, priorities, order };
    },

    /** Set one priority, and keep the others that the reader has set. */
    move(moved, item, priority) {
      const kept = readMoves(moved).filter(([other]) => other !== item);
      return [...kept, [item, priority]].map((move) => moveOf(...move)).join("*");
    },

    /** Vectors with their priorities, a delimiter, then the 16 of highest priority are due. */
    episode(settings) {
      const { vectors, priorities, order } = prioritySort.draw(settings);
      const steps = Array.from({ length: ITEMS + 1 + ANSWERS }, (_, t) => t);
      const given = (t) => (t < ITEMS ? [...vectors[t], priorities[t]] : []);
      return {
        inputs: steps.map((t) =>
          channels(BITS + 2, t === ITEMS ? [...channels(BITS + 1), 1] : given(t)),
        ),
        targets: steps.map((t) => channels(BITS, vectors[order[t - ITEMS - 1]])),
        asked: steps.map((t) => t > ITEMS),
      };
    },

    phase(_, t) {
      if (t < ITEMS) return `vector ${t + 1} of ${ITEMS} goes in`;
      return t === ITEMS ? "delimiter" : `place ${t - ITEMS} of ${ANSWERS} is due`;
    },

    verdict(_, episode, logits) {
      const wrong = wrongBits(episode, logits).slice(ITEMS + 1);
      const right = wrong.filter((count) => count === 0).length;
      return (
        `${sum(wrong)} of ${BITS * ANSWERS} bits wrong; ` +
        `${right} of ${ANSWERS} vectors are right and in their place.`
      );
    },
  };

  // ---- Dynamic N-grams --------------------------------------------------------------------------

  const CONTEXT = 5;

  const ngrams = {
    context: CONTEXT,

    /** Draw a table of 32 probabilities from Beta(1/2, 1/2), and 200 bits from it. */
    draw(seed, length = 200) {
      const random = dice(seed);
      const probability = () => Math.sin((random() * Math.PI) / 2) ** 2;
      const table = Array.from({ length: 2 ** CONTEXT }, probability);
      const bits = Array.from({ length: CONTEXT }, () => flip(random));
      while (bits.length < length) bits.push(random() < table[ngrams.contextAt(bits)] ? 1 : 0);
      return bits;
    },

    /** Read the last five of some bits as a number, the latest bit last. */
    contextAt: (bits) => parseInt(bits.slice(-CONTEXT).join(""), 2),

    /**
     * Count what followed the context at each step so far.
     * @returns {{zeros: number, ones: number}[]} both 0 while the context is incomplete
     */
    counts(bits) {
      const seen = new Map();
      return bits.map((bit, t) => {
        if (t >= CONTEXT) {
          const before = ngrams.contextAt(bits.slice(0, t));
          const { zeros, ones } = seen.get(before) ?? { zeros: 0, ones: 0 };
          seen.set(before, bit ? { zeros, ones: ones + 1 } : { zeros: zeros + 1, ones });
        }
        const context = t >= CONTEXT - 1 ? ngrams.contextAt(bits.slice(0, t + 1)) : undefined;
        return seen.get(context) ?? { zeros: 0, ones: 0 };
      });
    },

    /** Equation 10, p = (N1 + 1/2) / (N1 + N0 + 1), of a 1 after each step. */
    optimal: (bits) =>
      ngrams.counts(bits).map(({ zeros, ones }) => (ones + 0.5) / (ones + zeros + 1)),
  };

  return {
    MACHINES,
    isWrong,
    copy,
    "repeat-copy": repeatCopy,
    "associative-recall": associativeRecall,
    "priority-sort": prioritySort,
    ngrams,
  };
})();
