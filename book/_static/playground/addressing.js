/**
 * The playground of chapter 4: one head, Equations 5 to 9, on a memory of eight rows. Every stage
 * is a line of a table; its numbers are drawn as bars.
 */
"use strict";

const Addressing = (() => {
  const { make, button, Settings } = Interface;

  /** The memory of the chapter's explorer, eight rows of three numbers. */
  const MEMORY = [
    [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [-1, 0, 1], [-1, 0, 0], [0, -1, 1], [1, 1, 1],
  ];
  const N = MEMORY.length;

  const CONTROLS = [
    { name: "k1", label: "Key k₁", low: -1, high: 1, step: 0.1, start: 1 },
    { name: "k2", label: "Key k₂", low: -1, high: 1, step: 0.1, start: 1 },
    { name: "k3", label: "Key k₃", low: -1, high: 1, step: 0.1, start: 0 },
    { name: "strength", label: "Key strength β", low: 0.5, high: 30, step: 0.5, start: 5 },
    { name: "before", label: "Previous focus", low: 0, high: N - 1, start: 6 },
    { name: "gate", label: "Gate g", low: 0, high: 1, step: 0.05, start: 0.7 },
    { name: "shift", label: "Shift", low: -1, high: 1, step: 0.05, start: 0.8 },
    { name: "sharpening", label: "Sharpening γ", low: 1, high: 10, step: 0.25, start: 3 },
    { name: "steps", label: "Steps in a row", low: 1, high: 20, start: 1 },
  ];

  const LOOK_UP = { k1: 1, k2: 1, k3: 0, strength: 20, gate: 1, sharpening: 1, steps: 1 };
  const TRY = [
    ["look up", { ...LOOK_UP, shift: 0 }],
    ["look up and step", { ...LOOK_UP, shift: 1 }],
    ["walk on, and blur", { gate: 0, shift: 0.9, sharpening: 1, steps: 20 }],
    ["walk on, sharpened", { gate: 0, shift: 0.9, sharpening: 2, steps: 20 }],
    ["a key of zeros", { ...LOOK_UP, k1: 0, k2: 0, shift: 0 }],
  ];

  /** Split a shift between whole numbers among its two neighbours: weights of -1, 0 and +1. */
  const shiftWeighting = (shift) =>
    Float64Array.of(Math.max(-shift, 0), 1 - Math.abs(shift), Math.max(shift, 0));

  /** Take the head through its steps; return every stage of the last one. */
  function stages({ k1, k2, k3, strength, before, gate, shift, sharpening, steps }) {
    const memory = Float64Array.from(MEMORY.flat()), key = Float64Array.of(k1, k2, k3);
    const s = shiftWeighting(shift);
    let stage = { final: Float64Array.from({ length: N }, (_, i) => Number(i === before)) };
    for (let t = 0; t < steps; t++) {
      const previous = stage.final;
      const similarity = Machines.cosineSimilarity(memory, key);
      const content = Machines.contentWeighting(memory, key, strength);
      const gated = Machines.interpolate(content, previous, gate);
      const shifted = Machines.shift(gated, s);
      const final = Machines.sharpen(shifted, sharpening);
      stage = { similarity, content, previous, gated, shifted, final };
    }
    return stage;
  }

  /** The lines of the table, each below the sliders that it depends on first. */
  const LINES = [
    { stage: "similarity", label: "likeness of key and row, Eq. 6", sliders: ["k1", "k2", "k3"] },
    { stage: "content", label: "content weighting, Eq. 5", sliders: ["strength"] },
    { stage: "previous", label: "previous weighting", sliders: ["before", "steps"] },
    { stage: "gated", label: "gated weighting, Eq. 7", sliders: ["gate"] },
    { stage: "shifted", label: "shifted weighting, Eq. 8", sliders: ["shift"] },
    { stage: "final", label: "final weighting, sharpened, Eq. 9", sliders: ["sharpening"] },
  ];

  /** Write a number as the table does, with a true minus. */
  const written = (x, digits = 2) =>
    (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits).replace("-", "−");

  /** Say where most of a weighting lies. */
  function top(weighting) {
    const most = Math.max(...weighting);
    if (most - Math.min(...weighting) < 1e-6) return `${written(most, 3)} on every location`;
    return `${written(most)} on location ${weighting.indexOf(most)}`;
  }

  class Playground {
    constructor(root) {
      this.settings = new Settings(CONTROLS, () => this.draw());
      this.build(root);
      this.draw();
    }

    build(root) {
      this.summary = make("p", { class: "pg-summary", "aria-live": "polite" });
      root.replaceChildren(
        make(
          "div",
          { class: "pg-row" },
          make("span", {}, "Try:"),
          ...TRY.map(([label, values]) => button(label, () => this.settings.set(values))),
        ),
        this.summary,
        this.table(),
        make("p", { class: "pg-hint" }, Interface.SHARE),
      );
    }

    table() {
      const cells = (tag, attributes, texts) => texts.map((text) => make(tag, attributes, text));
      const locations = cells("th", { scope: "col" }, Object.keys(MEMORY));
      this.bars = {};
      return make(
        "table",
        { class: "pg-stages" },
        make("caption", {}, "One step of a head, stage by stage, for each memory location"),
        make("thead", {}, make("tr", {}, ...locations)),
        make(
          "tbody",
          {},
          this.heading("memory, a row of three numbers below its location"),
          ...[0, 1, 2].map((j) =>
            make("tr", {}, ...cells("td", {}, MEMORY.map((row) => written(row[j], 0)))),
          ),
        ),
        ...LINES.map(({ stage, label, sliders }) => {
          this.bars[stage] = cells("td", { class: `pg-bar pg-${stage}` }, Array(N).fill(""));
          return make(
            "tbody",
            {},
            make("tr", {}, make("td", { colspan: N }, this.sliders(sliders))),
            this.heading(label),
            make("tr", {}, ...this.bars[stage]),
          );
        }),
      );
    }

    heading(text) {
      return make("tr", {}, make("th", { colspan: N, scope: "rowgroup", class: "pg-line" }, text));
    }

    sliders(names) {
      const digits = { 0.05: 2, 0.1: 1, 0.25: 2, 0.5: 1 };
      const sliders = CONTROLS.filter(({ name }) => names.includes(name)).map(({ name, step }) =>
        this.settings.slider(name, (x) => written(x, digits[step] ?? 0)),
      );
      return make("div", { class: "pg-controls" }, ...sliders);
    }

    draw() {
      const found = stages(this.settings.values);
      for (const { stage } of LINES) {
        this.bars[stage].forEach((bar, i) => {
          const value = found[stage][i];
          bar.textContent = written(value);
          bar.style.setProperty("--share", Math.abs(value));
          bar.classList.toggle("pg-negative", value < 0);
        });
      }
      const s = shiftWeighting(this.settings.values.shift);
      const [back, stay, on] = Array.from(s, (x) => written(x));
      const tops = LINES.slice(1).map(
        ({ stage, label }) => `${label.split(",")[0]} ${top(found[stage])}`,
      );
      this.summary.textContent =
        `Largest weights: ${tops.join("; ")}. ` +
        `Shift weighting: ${back} on −1, ${stay} on 0, ${on} on +1.`;
    }
  }

  return { MEMORY, Playground, stages };
})();
