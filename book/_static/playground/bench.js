/**
 * The benches on which machines learn in the page: one alone or beside an LSTM, and the failure lab,
 * where a machine without some of its precautions learns beside one that has them all.
 */
"use strict";

const Bench = (() => {
  const { make, button, Settings, Panel, unit } = Interface;
  const { RECIPE, LSTM_RECIPE, SIZES } = Learning.core;

  const BITS = 8;
  /** A bench asks for sequences up to so many times as long as any in training. */
  const BEYOND = 6;
  /** A screen reader hears of progress after so many milliseconds, and of events at once. */
  const QUIET = 6000;
  /** Where the reader's system asks for less motion, pictures change after so many milliseconds. */
  const CALM = 2000;
  /** A run at the paper's size that would take longer than so many seconds is called slow. */
  const PATIENCE = 90;
  /** So many sequences the paper's size needs, about. */
  const NEEDED = 8000;

  const counted = (x) => x.toLocaleString("en");
  const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const svg = (tag, attributes = {}, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // ---- What to say ------------------------------------------------------------------------------

  const inBits = (bits) => `${bits < 10 ? bits.toFixed(2) : bits.toFixed(1)} bits`;

  /** Say what a cost means for a machine that was asked for so many bits. */
  function meaning(bits, asked) {
    if (!(bits < 0.8 * asked)) return "It guesses: every bit of the answer costs about one bit.";
    if (bits > 0.2 * asked) return "It has begun to find some bits again.";
    if (bits > 1) return "It finds most bits; the cost comes from those of which it is not sure.";
    return "It finds nearly every bit, and grows surer of them.";
  }

  /** Say how far a run is. */
  function progress({ state, seen, seconds, bits }, { longest, most }) {
    if (seen === 0) return "It knows nothing yet.";
    const far = `After ${counted(seen)} sequences and ${seconds.toFixed(1)} seconds`;
    if (state === "lost") {
      return (
        `${far} its gradient is no longer a finite number, and the run is lost: from there no ` +
        "step leads back. Start over with another seed, or with the precautions."
      );
    }
    if (Number.isNaN(bits)) return `${far} it has not been tested yet.`;
    const asked = BITS * longest, cost = `a sequence of ${longest} vectors costs ${inBits(bits)}`;
    if (state === "solved") return `Solved. ${far}, ${cost}, of ${asked} that it had to know.`;
    if (state === "over") {
      return `${far}, ${cost}, and the run ends here unsolved: ${counted(most)} are its limit.`;
    }
    return `${far}, ${cost}. ${meaning(bits, asked)}`;
  }

  // ---- The curve --------------------------------------------------------------------------------

  /** The cost of one run or two by the sequences seen, on a logarithmic scale, and the goal. */
  class Curve {
    constructor() {
      this.label = make("p");
      this.picture = svg("svg", { role: "img", "aria-label": "Learning curve. Nothing yet." });
      this.element = make("div", { class: "pg-panel pg-curve" }, this.label, this.picture);
      this.runs = [];
      new ResizeObserver(([{ contentRect: { width, height } }]) => {
        [this.width, this.height] = [width, height];
        this.draw(this.runs);
      }).observe(this.picture);
    }

    draw(runs) {
      this.runs = runs;
      this.label.textContent = `bits that a longest sequence costs, by sequences seen; goal ${RECIPE.goal}`;
      const costs = runs.map((run) => `${run.label}: ${run.words}`).join(" ");
      this.picture.setAttribute("aria-label", `Learning curve. ${costs}`);
      if (!this.width || !this.height) return;
      const left = 34, bottom = this.height - 20, right = this.width - 8, top = 6;
      const end = Math.max(4000, ...runs.map((run) => run.seen)) * 1.02;
      const high = Math.log10(300), low = Math.log10(0.03);
      const x = (seen) => left + ((right - left) * seen) / end;
      const y = (bits) => {
        const place = (Math.log10(Math.max(bits, 1e-9)) - low) / (high - low);
        return bottom - (bottom - top) * Math.min(1, Math.max(0, place));
      };
      const line = (name, x1, y1, x2, y2) => svg("line", { class: name, x1, y1, x2, y2 });
      const text = (at, down, anchor, words) =>
        svg("text", { x: at, y: down, "text-anchor": anchor }, words);
      const step = [1000, 2000, 5000, 10000, 20000].find((size) => end / size <= 5) ?? 50000;
      const across = Array.from({ length: Math.floor((0.95 * end) / step) }, (_, k) => (k + 1) * step);
      this.picture.replaceChildren(
        ...[0.1, 1, 10, 100].flatMap((bits) => [
          line(bits === RECIPE.goal ? "pg-goal" : "pg-rule", left, y(bits), right, y(bits)),
          text(left - 5, y(bits) + 4, "end", String(bits)),
        ]),
        ...across.map((seen) => text(x(seen), bottom + 15, "middle", counted(seen))),
        line("pg-axis", left, bottom, right, bottom),
        ...runs.map(({ curve }, k) => {
          const points = curve.map(({ seen, bits }) => `${x(seen).toFixed(1)},${y(bits).toFixed(1)}`);
          return svg("polyline", { class: `pg-line pg-line-${k}`, points: points.join(" ") });
        }),
      );
    }
  }

  // ---- One run on the page ----------------------------------------------------------------------

  /** A machine that learns in a worker, and its place on the page. */
  class Run {
    /**
     * @param {string} label
     * @param {object} options - as `Learning.begin` takes them
     * @param {number} number - of its line in the curve
     * @param {(run: Run, isEvent: boolean) => void} onNews
     */
    constructor(label, options, number, onNews) {
      const recipe = options.kind === "lstm" ? LSTM_RECIPE : RECIPE;
      Object.assign(this, { label, onNews, curve: [], seen: 0, state: "learning" });
      this.options = { ...recipe, ...options };
      this.shown = options.longest;
      this.hasMemory = options.kind !== "lstm";
      this.words = "It knows nothing yet.";
      this.painted = -Infinity;
      this.text = make("p", { class: "pg-words" }, this.words);
      this.targets = new Panel("bits");
      this.outputs = new Panel("bits");
      this.writing = new Panel("locations");
      this.reading = new Panel("locations");
      const panels = [this.targets, this.outputs];
      if (this.hasMemory) panels.push(this.writing, this.reading);
      this.element = make(
        "div",
        { class: "pg-run" },
        make("p", { class: `pg-heading pg-mark-${number}` }, label),
        this.text,
        ...panels.map(({ element }) => element),
      );
      this.job = Learning.begin({ ...options, shown: this.shown }, (report) => this.take(report));
      this.job.tell({});
    }

    get isLearning() {
      return this.state === "learning";
    }

    go(isGoing) {
      if (this.isLearning) this.job.tell({ go: isGoing });
    }

    /** Ask for a sequence of another length. */
    ask(length) {
      this.shown = length;
      this.job.tell({ shown: length });
    }

    end() {
      this.job.end();
    }

    take(report) {
      const isEvent = report.state !== this.state;
      this.curve.push(...report.curve);
      Object.assign(this, { state: report.state, seen: report.seen, seconds: report.seconds });
      this.bits = report.bits;
      this.words = progress(report, this.options);
      this.text.textContent = this.words;
      const now = performance.now();
      const isAsked = report.look?.length !== this.look?.length;
      if (isEvent || isAsked || !isCalm() || now - this.painted > CALM) {
        this.painted = now;
        this.paint(report.look);
        this.onNews(this, isEvent);
      }
    }

    paint(look) {
      this.look = look;
      if (!look) return;
      const { steps, length, outputs, targets, weightings, locations: N } = look;
      this.targets.paint(`what is due, ${length} vectors`, BITS, steps, (row, t) =>
        unit(targets[t * BITS + row]),
      );
      this.outputs.paint("what it answers, as probabilities", BITS, steps, (row, t) =>
        t > length ? unit(outputs[t * BITS + row]) : Interface.NOTHING,
      );
      if (!this.hasMemory) return;
      // All heads begin at location 0, which stands in the middle.
      const count = Math.min(N, 2 * length + 9), first = N - Math.floor(count / 2);
      const where = `locations ${first % N} to ${(first + count - 1) % N}, downwards`;
      const paint = (panel, kind, head) =>
        panel.paint(`${kind} weighting, ${where}`, count, steps, (row, t) =>
          unit(weightings[(2 * t + head) * N + ((first + row) % N)]),
        );
      paint(this.writing, "write", 1);
      paint(this.reading, "read", 0);
    }
  }

  // ---- What both benches share ------------------------------------------------------------------

  /** Make a control whose values are words. */
  const choice = (name, label, choices, start = choices[0][0]) => ({
    name, label, choices, start,
    accept: (text) => (choices.some(([value]) => value === text) ? text : start),
  });

  const SIZE = choice("size", "Memory", [
    ["small", "small, 32 × 16"],
    ["paper", "the paper's, 128 × 20"],
  ]);
  const SEED = { name: "seed", label: "Seed", low: 0, high: 9999, start: 100 };
  const LONGEST = { name: "longest", label: "Longest sequence", low: 3, high: 20, start: 12 };

  /** Runs that start, pause and start over together, with their curve. */
  class Base {
    constructor(root, controls) {
      this.going = false;
      this.spoke = -Infinity;
      this.settings = new Settings(controls, () => this.changed());
      this.curve = new Curve();
      this.place = make("div", { class: "pg-runs" });
      this.status = make("p", { class: "pg-hidden", role: "status" });
      this.note = make("p", { class: "pg-said" });
      this.main = button("Start", () => this.toggle());
      this.buttons = make(
        "div", { class: "pg-row" }, this.main, button("Start over", () => this.startOver()),
      );
      this.runs = [];
      this.build(root);
      document.addEventListener("visibilitychange", () => this.tellRuns());
      this.size = this.settings.values.size;
      this.startOver();
    }

    /** What decides the runs; they start over when it changes. */
    get key() {
      return JSON.stringify(this.lineUp());
    }

    get isLearning() {
      return this.runs.some((run) => run.isLearning);
    }

    changed() {
      const { size } = this.settings.values;
      if (size !== this.size) {
        this.size = size;
        this.settings.set({ longest: SIZES[size].longest });
      } else if (this.key !== this.lastKey) this.startOver();
    }

    startOver() {
      for (const run of this.runs) run.end();
      this.lastKey = this.key;
      this.going = false;
      this.runs = this.lineUp().map(({ label, ...options }, k) =>
        new Run(label, options, k, (run, isEvent) => this.news(run, isEvent)),
      );
      this.place.replaceChildren(...this.runs.map(({ element }) => element));
      this.curve.draw(this.runs);
      this.tell();
      this.show();
    }

    toggle() {
      if (!this.isLearning) this.startOver();
      this.going = !this.going;
      this.tellRuns();
      this.tell();
      this.say(this.going ? "Learning." : "Paused.");
      this.show();
    }

    /** A page that nobody sees does not learn. */
    tellRuns() {
      for (const run of this.runs) run.go(this.going && !document.hidden);
    }

    show() {
      if (!this.isLearning) this.going = false;
      const label = this.going ? "Pause" : this.isLearning ? "Start" : "Once more";
      if (this.main.textContent !== label) this.main.textContent = label;
    }

    news(run, isEvent) {
      if (!this.runs.includes(run)) return;
      this.curve.draw(this.runs);
      this.tell();
      this.show();
      if (isEvent || performance.now() - this.spoke > QUIET) {
        this.say(this.runs.map(({ label, words }) => `${label}: ${words}`).join(" "));
      }
    }

    say(text) {
      this.spoke = performance.now();
      if (this.going || !this.isLearning || text === "Paused.") this.status.textContent = text;
    }

    /** Say more about the runs; a bench may have something to add. */
    tell() {}
  }

  // ---- Train one --------------------------------------------------------------------------------

  const UNITS = { small: 64, paper: 100 };

  class Train extends Base {
    constructor(root) {
      super(root, [
        SIZE, LONGEST, SEED,
        { name: "race", label: "an LSTM beside it, on the same sequences", start: false },
      ]);
    }

    lineUp() {
      const { size, longest, seed, race } = this.settings.values;
      const runs = [{ label: "Neural Turing Machine", kind: "ntm", size, longest, seed }];
      if (race) {
        const label = `LSTM, one layer of ${UNITS[size]} units`;
        runs.push({ label, kind: "lstm", size, longest, seed });
      }
      return runs;
    }

    build(root) {
      const { settings } = this;
      this.length = make("input", { type: "range", min: 1 });
      this.length.addEventListener("input", () => {
        for (const run of this.runs) run.ask(Number(this.length.value));
      });
      this.asked = make("p", { class: "pg-asked", "aria-live": "polite" });
      this.more = make(
        "div",
        { class: "pg-more", hidden: true },
        make("label", { class: "pg-slider" }, make("span", {}, "Ask it for more:"), this.length),
        this.asked,
      );
      root.replaceChildren(
        make(
          "div",
          { class: "pg-controls" },
          this.buttons,
          settings.select("size"),
          settings.slider("longest"),
          make("div", { class: "pg-row" }, settings.number("seed"), settings.check("race")),
        ),
        this.status,
        this.curve.element,
        this.note,
        this.more,
        this.place,
        make(
          "p",
          { class: "pg-hint" },
          "Dark blue is 0, yellow is 1. Everything happens on your device, and nothing is kept. ",
          Interface.SHARE,
        ),
      );
    }

    tell() {
      const [ntm, lstm] = this.runs, { longest, size } = this.settings.values;
      const isSolved = ntm.state === "solved";
      if (isSolved && this.more.hidden) {
        this.length.max = BEYOND * longest;
        this.length.value = longest;
      }
      this.more.hidden = !isSolved;
      if (isSolved) this.asked.textContent = this.answer(ntm.look, longest);
      const words = [];
      if (lstm) {
        words.push(
          `The LSTM sees the same sequences. It is a small one, so that a phone can wait for it: the ` +
            `paper's has three layers of 256 units. It stops after ${counted(RECIPE.most)} sequences; ` +
            `chapter 7 shows what becomes of one that gets ten times as many.`,
        );
      }
      const pace = ntm.seen / ntm.seconds;
      if (size === "paper" && ntm.seconds > 3 && NEEDED / pace > PATIENCE && ntm.isLearning) {
        words.push("This device takes its time. The small size needs a third of it.");
      }
      this.note.textContent = words.join(" ");
      this.note.hidden = words.length === 0;
    }

    answer({ length, wrong, locations }, longest) {
      const times = length / longest;
      const far =
        times > 1 ? `, ${times.toFixed(1)} times the longest in training` : ", as in training";
      const grown = locations > SIZES[this.size].ntm.memory_locations
        ? ` Its memory has ${locations} locations for this: what it learned does not depend on their number.`
        : "";
      return `Length ${length}${far}: ${wrong} of ${counted(BITS * length)} bits wrong.${grown}`;
    }
  }

  // ---- The failure lab --------------------------------------------------------------------------

  /** The precautions: what the recipe does, and what one may do instead, as changes of it. */
  const PRECAUTIONS = [
    choice("memory", "The memory starts", [["half", "at 0.5"], ["zero", "near zero"], ["random", "random"]]),
    choice("gain", "The controller's weights start", [["large", "four times as large"], ["usual", "as PyTorch draws them"]]),
    choice("first", "The first weightings lie", [["one", "half on one location"], ["even", "evenly on all"]]),
    choice("adam", "Adam's epsilon", [["large", "0.01, and forgets soon"], ["usual", "1e-8, as is usual"]]),
    choice("clip", "The gradient", [["on", "is clipped"], ["off", "is not clipped"]]),
    choice("rate", "The learning rate", [["1", "0.004"], ["0.1", "a tenth of it"], ["10", "ten times"], ["100", "a hundred times"]]),
  ];

  /** Turn the reader's choices into changes of the recipe. */
  function changesOf({ memory, gain, first, adam, clip, rate }) {
    return {
      ...(memory === "zero" && { memory: 1e-6 }),
      ...(memory === "random" && { memory: "random" }),
      ...(gain === "usual" && { gain: 1, loudness: 1 }),
      ...(first === "even" && { even: true }),
      ...(adam === "usual" && { epsilon: 1e-8, smoothing: 0.999 }),
      ...(clip === "off" && { clipValue: Infinity, clipNorm: Infinity }),
      ...(rate !== "1" && { rate: RECIPE.rate * Number(rate) }),
    };
  }

  const PREDICTION = choice("prediction", "I predict that it learns", [
    ["", "choose"], ["same", "as fast as the other"], ["later", "later"], ["never", "not at all"],
  ]);
  /** A run that needs so many times the sequences of the other learned later. */
  const LATER = 1.25;

  class FailureLab extends Base {
    constructor(root) {
      super(root, [...PRECAUTIONS, PREDICTION, SEED, SIZE, LONGEST]);
    }

    lineUp() {
      const { size, longest, seed } = this.settings.values, most = 30000;
      const changes = changesOf(this.settings.values);
      return [
        { label: "With every precaution", kind: "ntm", size, longest, seed, most },
        { label: "As you set it", kind: "ntm", size, longest, seed, most, ...changes },
      ];
    }

    build(root) {
      const { settings } = this;
      root.replaceChildren(
        make(
          "div",
          { class: "pg-controls pg-switches" },
          ...PRECAUTIONS.map(({ name }) => settings.select(name)),
          settings.select("prediction"),
          settings.number("seed"),
          this.buttons,
        ),
        this.status,
        this.note,
        this.curve.element,
        this.place,
        make("p", { class: "pg-hint" }, Interface.SHARE),
      );
    }

    tell() {
      const { prediction } = this.settings.values, [intact, yours] = this.runs;
      const changed = Object.keys(changesOf(this.settings.values)).length;
      const ready = changed
        ? "Predict, then start: both learn from the same sequences and, where you left it, the same start."
        : "Switch something, predict what becomes of it, then start.";
      if (this.isLearning) {
        this.note.textContent = this.going ? "Both learn from the same sequences." : ready;
        return;
      }
      const found = outcome(intact, yours), words = { same: "as fast", later: "later", never: "not at all" };
      this.note.textContent =
        found === ""
          ? "The machine with every precaution did not learn from this seed, so the two cannot be compared."
          : `It learned ${found === "never" ? "" : `after ${counted(yours.seen)} sequences, the other after ` +
              `${counted(intact.seen)}: `}${words[found]}.` +
            (prediction === "" ? "" : prediction === found ? " You predicted it." : ` You predicted: ${words[prediction]}.`);
    }
  }

  /** Compare two runs that have ended. */
  function outcome(intact, yours) {
    if (intact.state !== "solved") return "";
    if (yours.state !== "solved") return "never";
    return yours.seen > LATER * intact.seen ? "later" : "same";
  }

  return { Train, FailureLab };
})();
