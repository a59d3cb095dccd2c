/**
 * The playground of copy, repeat copy and associative recall, from which that of priority sort is
 * made: trained machines answer one above the other, and a step slider walks through the memory of
 * the first among them that has one.
 */
"use strict";

const Sequences = (() => {
  const { make, button, Settings, Panel, Stage, unit, signed, pause } = Interface;

  /** The machine that answers before a reader has chosen, where the task names no other. */
  const FIRST = "ntm-lstm";
  /** Compute so many milliseconds, then let the page answer its reader. */
  const SLICE = 60;
  /** A location counts as used where a head once put more than this much of its weight. */
  const USED = 0.1;
  /** A step wrote where it changed a row by this much. */
  const WRITTEN = 0.5;

  const COLOURS = "Dark blue is 0, yellow is 1 or more; in the memory, light blue is −1 or less.";
  /** Outputs that do not count are drawn so opaque, of 255. */
  const FAINT = 60;

  // ---- What to say of weightings ----------------------------------------------------------------

  /**
   * Find the shortest stretch with all locations in use, and one more on each side; it may go round
   * the end where the locations are a ring.
   */
  function usedStretch(steps, locations, isRing = true) {
    const used = Array.from({ length: locations }, (_, i) => i).filter((i) =>
      steps.some(({ state }) => state.weightings.some((w) => w[i] > USED)),
    );
    if (used.length === 0) return { first: 0, count: locations };
    if (!isRing) {
      const first = Math.max(used[0] - 1, 0);
      return { first, count: Math.min(used.at(-1) + 2, locations) - first };
    }
    const gapBefore = (place) =>
      (used[place] - used.at(place - 1) + locations) % locations || locations;
    const start = used.reduce((best, _, i) => (gapBefore(i) > gapBefore(best) ? i : best), 0);
    const count = locations - gapBefore(start) + 3;
    if (count >= locations) return { first: 0, count: locations };
    return { first: (used[start] - 1 + locations) % locations, count };
  }

  /** Take the largest weight that any of these heads gives to a location. */
  const largest = (weightings, location) =>
    weightings.reduce((most, w) => Math.max(most, w[location]), 0);

  /**
   * Say where a head stands.
   * @param {(location: number) => string} tell - what more there is to say of a location
   */
  function focus(weighting, tell) {
    const most = Math.max(...weighting);
    if (most < USED) return `no location in particular (largest weight ${most.toFixed(2)})`;
    const location = weighting.indexOf(most);
    return `location ${location} (weight ${most.toFixed(2)}${tell(location)})`;
  }

  /** Say where the heads of one kind stand; of several, only those that stand somewhere. */
  function foci(kind, weightings, tell) {
    if (weightings.length === 1) return `${kind} head at ${focus(weightings[0], tell)}`;
    const places = weightings.flatMap((w, i) =>
      Math.max(...w) < USED ? [] : [`${kind} head ${i + 1} at ${focus(w, tell)}`],
    );
    const others = weightings.length - places.length;
    if (others === weightings.length) return `no ${kind} head at any location in particular`;
    return places.join(", ") + (others ? `, the other ${kind} heads at none in particular` : "");
  }

  /**
   * Find the last step, up to step t, that wrote a location: that changed its row by `WRITTEN` or more.
   * What the first step wrote is not seen.
   * @returns {number} -1 for none
   */
  function lastWritten(steps, t, location, width) {
    const row = (step) => steps[step].state.memory.subarray(location * width, (location + 1) * width);
    for (let step = t; step > 0; step--) {
      const before = row(step - 1);
      if (Math.hypot(...row(step).map((x, m) => x - before[m])) >= WRITTEN) return step;
    }
    return -1;
  }

  // ---- One machine ------------------------------------------------------------------------------

  /** A machine's place on the page: its panels, filled as it computes. */
  class Lane {
    constructor(task, { model, label }) {
      this.name = `${task.name}_${model}`;
      this.model = model;
      this.label = label;
      this.steps = [];
      this.note = make("p", { class: "pg-note", role: "status" });
      this.outputs = new Panel("bits");
      this.wrong = new Panel("bits");
      this.writing = new Panel("locations");
      this.reading = new Panel("locations");
      this.writing.element.hidden = this.reading.element.hidden = true;
      this.element = make(
        "div",
        { class: "pg-lane", hidden: true },
        make("p", { class: "pg-heading" }, label),
        this.note,
        this.outputs.element, this.wrong.element, this.writing.element, this.reading.element,
      );
    }

    /** Say something, and offer to try again what did not work. */
    say(text, retry) {
      this.note.replaceChildren(text, ...(retry ? [" ", button("Try again", retry)] : []));
      this.note.hidden = text === "";
    }

    /** Forget the last answer; its picture stays until there is a new one. */
    clear(isChosen) {
      this.element.hidden = !isChosen;
      this.steps = [];
    }

    /**
     * Load the machine if need be, and let it answer.
     * @param {() => boolean} isWanted - false once the reader has asked for something else
     * @returns {Promise<boolean>} whether it came to its end
     */
    async answer(episode, isWanted) {
      const size = Weights.megabytes(this.name).toFixed(1);
      const machine = await Weights.load(this.name, (share) =>
        this.say(`Fetching the trained machine: ${Math.round(100 * share)}% of ${size} MB`),
      );
      if (!isWanted()) return false;
      this.machine = machine;
      let rest = performance.now() + SLICE;
      for (const step of Machines.run(machine, episode.inputs)) {
        this.steps.push(step);
        if (performance.now() < rest) continue;
        this.paint(episode);
        this.say(`Computing: step ${this.steps.length} of ${episode.inputs.length}`);
        await pause();
        if (!isWanted()) return false;
        rest = performance.now() + SLICE;
      }
      this.say("");
      this.paint(episode);
      return true;
    }

    get logits() {
      return this.steps.map((step) => step.logits);
    }

    get hasMemory() {
      return this.steps.length > 0 && "memory" in this.steps[0].state;
    }

    /** Whether the machine's memory is all that it has seen: its heads look at steps. */
    get looksAtSteps() {
      return !this.hasMemory && this.steps.length > 0 && "weightings" in this.steps[0].state;
    }

    paint(episode) {
      const { steps } = this, columns = episode.inputs.length;
      const known = (t) => t < steps.length;
      const bits = episode.targets[0].length;
      this.outputs.paint("outputs, as probabilities", bits, columns, (row, t) =>
        known(t)
          ? [...unit(Machines.sigmoid(steps[t].logits[row])), episode.asked[t] ? 255 : FAINT]
          : Interface.NOTHING,
      );
      this.wrong.paint("wrong bits, in red", bits, columns, (row, t) => {
        const wrong =
          known(t) && episode.asked[t] &&
          Tasks.isWrong(steps[t].logits[row], episode.targets[t][row]);
        return wrong ? Interface.MARK : Interface.NOTHING;
      });
      this.writing.element.hidden = !this.hasMemory;
      this.reading.element.hidden = !this.hasMemory && !this.looksAtSteps;
      if (this.hasMemory) this.paintWeightings(columns);
      if (this.looksAtSteps) this.paintAttention(columns);
    }

    /** Say where the heads look most. */
    tellAttention(t) {
      const { weightings } = this.steps[t].state;
      const most = Math.max(...weightings.map((w) => Math.max(...w)));
      const step = weightings.find((w) => w.includes(most)).indexOf(most);
      return `${this.label}: the largest weight of any head, ${most.toFixed(2)}, is on step ${step}.`;
    }

    paintAttention(columns) {
      const label = `attention to steps 0 to ${columns - 1}, downwards: the largest of all heads`;
      this.reading.paint(label, columns, columns, (row, t) =>
        t < this.steps.length && row <= t
          ? unit(largest(this.steps[t].state.weightings, row))
          : Interface.NOTHING,
      );
    }

    paintWeightings(columns) {
      const { steps } = this, { read_heads } = this.machine.settings;
      const N = steps[0].state.weightings[0].length;
      const { first, count } = (this.stretch = usedStretch(steps, N, this.machine.isRing));
      const where = `locations ${first} to ${(first + count - 1) % N}, downwards`;
      const paint = (panel, kind, ofKind) =>
        panel.paint(`${kind} weighting, ${where}`, count, columns, (row, t) =>
          t < steps.length
            ? unit(largest(ofKind(steps[t].state.weightings), (first + row) % N))
            : Interface.NOTHING,
        );
      paint(this.writing, "write", (weightings) => weightings.slice(read_heads));
      paint(this.reading, "read", (weightings) => weightings.slice(0, read_heads));
    }
  }

  // ---- The memory at one step -------------------------------------------------------------------

  /** The memory as one step left it, and where the heads stood. */
  class Tape {
    constructor() {
      this.writing = new Panel("bars");
      this.reading = new Panel("bars");
      this.memory = new Panel("memory");
      this.element = make(
        "div",
        { class: "pg-tape" },
        ...[this.writing, this.reading, this.memory].map((panel) => panel.element),
      );
    }

    /**
     * Show a lane's step; returns what there is to say about it.
     * @param {(step: number) => string} [source] - what a step was about, if that is to be said of
     *   the step that wrote the location that a head is on
     */
    show({ machine, stretch: { first, count }, steps }, t, source) {
      const { memory_width: M, read_heads } = machine.settings;
      const { memory, weightings } = steps[t].state, N = weightings[0].length;
      const reading = weightings.slice(0, read_heads), writing = weightings.slice(read_heads);
      const location = (column) => (first + column) % N;
      const bars = (panel, label, heads, colour) => {
        const height = 24;
        panel.paint(label, height, count, (row, column) => {
          const isInBar = largest(heads, location(column)) * height > height - row - 0.5;
          return isInBar ? colour : Interface.NOTHING;
        });
      };
      bars(this.writing, "write head", writing, Interface.WRITE);
      bars(this.reading, "read head", reading, Interface.READ);
      const where = `locations ${first} to ${location(count - 1)}, left to right`;
      this.memory.paint(`memory after this step, ${where}`, M, count, (row, column) =>
        signed(memory[location(column) * M + row]),
      );
      const tell = (location) => {
        const step = source ? lastWritten(steps, t - 1, location, M) : -1; // reads come first
        return step < 0 ? "" : `, written at step ${step}, ${source(step)}`;
      };
      return `${foci("write", writing, () => "")}; ${foci("read", reading, tell)}.`;
    }
  }

  // ---- The playground ---------------------------------------------------------------------------

  class Playground {
    constructor(root, taskName) {
      this.task = Tasks[taskName];
      const lanes = (this.task.machines ?? Tasks.MACHINES).map((one) => new Lane(this.task, one));
      this.lanes = lanes.filter(({ name }) => Weights.has(name));
      const machines = this.lanes.map(({ model, label }) => ({
        name: model, label, start: model === (this.task.first ?? FIRST),
      }));
      const step = { name: "step", label: "Step", low: 0, high: 1e6, start: this.task.lookAt };
      this.settings = new Settings([...this.task.controls, ...machines, step], (isStepOnly) =>
        isStepOnly ? this.showStep() : this.restart(),
      );
      this.turn = 0;
      this.build(root);
      this.restart();
    }

    build(root) {
      const { settings, task } = this;
      this.summary = make("div", { class: "pg-summary", "aria-live": "polite" });
      this.inputs = new Panel("bits");
      this.targets = new Panel("bits");
      this.tape = new Tape();
      this.stage = new Stage(
        [this.inputs, this.targets, ...this.lanes].map(({ element }) => element),
        (step) => settings.set({ step }),
      );
      this.where = make("p", { class: "pg-where", "aria-live": "polite" });
      this.play = button("Play", () => (this.playing ? this.stop() : this.start()));
      const slider = settings.slider("step");
      this.slider = slider.querySelector("input");
      root.replaceChildren(
        make(
          "div",
          { class: "pg-controls" },
          ...this.taskControls(),
          make(
            "fieldset",
            {},
            make("legend", {}, "Machines"),
            ...this.lanes.map((lane) => this.machineBox(lane)),
          ),
          make(
            "div",
            { class: "pg-row" },
            settings.number("sequence"),
            button("New sequence", () => settings.set(this.nextSequence())),
          ),
          make(
            "div",
            { class: "pg-row" },
            make("span", {}, `${task.trained} Try:`),
            ...task.presets.map(([label, values]) => button(label, () => settings.set(values))),
          ),
        ),
        this.summary,
        this.stage.element,
        make("div", { class: "pg-row pg-player" }, this.play, slider),
        this.where,
        this.tape.element,
        make("p", { class: "pg-hint" }, `${COLOURS} ${Interface.SHARE}`),
      );
    }

    /** Make the controls of the task's own settings; the last is the sequence number. */
    taskControls() {
      return this.task.controls.slice(0, -1).map(({ name }) => this.settings.slider(name));
    }

    nextSequence() {
      return { sequence: (this.settings.values.sequence % 9999) + 1 };
    }

    /** Say how well a machine answered. */
    verdict(lane) {
      return this.task.verdict(this.settings.values, this.episode, lane.logits);
    }

    machineBox(lane) {
      const box = this.settings.check(lane.model);
      const size = Weights.megabytes(lane.name);
      if (size > 1) box.append(` (fetches ${size.toFixed(1)} MB)`);
      return box;
    }

    /** Draw the sequence of the settings, and let every chosen machine answer it. */
    async restart() {
      const { settings, task } = this, turn = ++this.turn;
      this.stop();
      for (const [name, high] of Object.entries(task.limits?.(settings.values) ?? {})) {
        settings.limit(name, high);
      }
      this.episode = task.episode(settings.values);
      this.paintEpisode();
      this.summary.setAttribute("aria-busy", "true");
      const isWanted = () => turn === this.turn;
      for (const lane of this.lanes) lane.clear(settings.values[lane.model]);
      this.showStep();
      const words = [`Sequence ${settings.values.sequence}, ${this.episode.inputs.length} steps.`];
      const say = () => this.summary.replaceChildren(...words.map((line) => make("p", {}, line)));
      for (const lane of this.lanes.filter(({ model }) => settings.values[model])) {
        try {
          if (!(await lane.answer(this.episode, isWanted))) return;
          words.push(`${lane.label}: ${this.verdict(lane)}`);
          say();
        } catch (error) {
          lane.say(`This machine cannot be shown: ${error.message}.`, () => this.restart());
        }
        this.showStep();
      }
      if (words.length === 1) words.push("No machine is at work.");
      say();
      this.summary.setAttribute("aria-busy", "false");
    }

    paintInputs() {
      const { inputs } = this.episode;
      this.inputs.paint("inputs: bits, delimiter", this.task.inputRows, inputs.length, (row, t) =>
        unit(inputs[t][row]),
      );
    }

    paintEpisode() {
      const { inputs, targets } = this.episode, bits = targets[0].length;
      this.paintInputs();
      this.targets.paint("targets", bits, inputs.length, (row, t) => unit(targets[t][row]));
      this.settings.limit("step", inputs.length - 1);
    }

    // ---- Walking the tape -----------------------------------------------------------------------

    showStep() {
      const { step } = this.settings.values, columns = this.episode.inputs.length;
      const phase = this.task.phase(this.settings.values, step);
      this.stage.show(step, columns);
      this.slider.setAttribute("aria-valuetext", `${step}: ${phase}`);
      const lane = this.lanes.find(({ hasMemory, steps }) => hasMemory && steps.length > step);
      this.tape.element.hidden = !lane;
      const source = this.task.tellsSources && ((t) => this.task.phase(this.settings.values, t));
      const heads = lane ? [`${lane.label}: ${this.tape.show(lane, step, source)}`] : [];
      const attending = this.lanes.filter((one) => one.looksAtSteps && one.steps.length > step);
      const looks = attending.map((one) => one.tellAttention(step));
      this.where.textContent = [`Step ${step}: ${phase}.`, ...heads, ...looks].join(" ");
    }

    start() {
      const columns = this.episode.inputs.length;
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const between = calm ? 800 : Math.min(Math.max(12000 / columns, 40), 250);
      const { settings } = this, atEnd = () => settings.values.step === columns - 1;
      if (atEnd()) settings.set({ step: 0 });
      this.where.setAttribute("aria-live", "off");
      this.play.textContent = "Pause";
      this.playing = setInterval(() => {
        settings.set({ step: settings.values.step + 1 });
        if (atEnd()) this.stop();
      }, between);
    }

    stop() {
      clearInterval(this.playing);
      this.playing = undefined;
      this.play.textContent = "Play";
      this.where.setAttribute("aria-live", "polite");
    }
  }

  return { Playground, usedStretch, lastWritten, foci };
})();
